"""What is read ahead of its run: it is put down for the run, and nothing of it goes sooner or later than without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog.testing

from sftp_orchestrator.ahead import ReadingAhead
from sftp_orchestrator.daemon import Daemon, open_daemon
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration

EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,{}\n"
STEPS = 2_000
"""More turns of the loop than anything here needs, where something is not to happen."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that nobody has started."""
    with open_daemon(write_configuration(tmp_path).configuration, Board()) as running:
        yield running


@contextlib.asynccontextmanager
async def _read_ahead(daemon: Daemon) -> AsyncIterator[ReadingAhead]:
    ahead = ReadingAhead("production", daemon._stations, daemon._pulse)
    task = asyncio.create_task(ahead.run())
    try:
        yield ahead
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _claim(daemon: Daemon, name: str, content: str = EVENTS) -> Source:
    path = daemon._configuration.staging / name
    path.write_text(content.format(name))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert (await daemon._scan()).claimed == 1
    (source,) = [one for one in daemon._ledger.sources.list_in({SourceState.CLAIMED}) if one.name == name]
    return source


async def _wait_for_mark(ahead: ReadingAhead, mark: int) -> None:
    async with asyncio.timeout(30):
        while ahead.mark < mark:
            await ahead._put_down.wait()


async def _look_at_two(daemon: Daemon, ahead: ReadingAhead) -> None:
    """Have what is claimed read ahead, and one more file after it."""
    ahead.look()
    await _wait_for_mark(ahead, 1)
    await _claim(daemon, "purchases_next.csv")
    ahead.look()
    await _wait_for_mark(ahead, 2)


class _Held:
    """Holds up the planner at a file until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        real = Planner.plan_all

        def plan_all(planner: Planner, sources: list[Source], stop: threading.Event) -> list[Source | Exception]:
            self.begun.set()
            assert self.released.wait(30)
            return real(planner, sources, stop)

        monkeypatch.setattr(Planner, "plan_all", plan_all)


async def test_a_run_waits_for_what_is_in_hand_and_gets_it_as_it_stands(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is read twice at a time: the run that is to deliver it begins once it is put down."""
    source = await _claim(daemon, "purchases.csv")
    held = _Held(monkeypatch)
    async with _read_ahead(daemon) as ahead:
        ahead.look()
        await asyncio.to_thread(held.begun.wait, 30)
        beats: list[None] = []
        left = ahead.leaving([source], mark=ahead.mark, beat=lambda: beats.append(None))
        entering = asyncio.create_task(left.__aenter__())
        for _ in range(STEPS):
            await asyncio.sleep(0)
        assert not entering.done()
        assert beats  # the run that waits for it is not stuck
        held.released.set()
        (found,) = await entering
        assert (found.id, found.state) == (source.id, SourceState.PLANNED)
        await left.__aexit__(None, None, None)


async def test_what_a_run_is_to_read_comes_first(daemon: Daemon) -> None:
    """While a run has files to read of its own, none is read ahead."""
    source = await _claim(daemon, "purchases.csv")
    async with _read_ahead(daemon) as ahead:
        async with ahead.leaving([source], mark=ahead.mark, beat=lambda: None) as sources:
            assert sources == [source]
            await _claim(daemon, "purchases_next.csv")
            ahead.look()
            for _ in range(STEPS):
                await asyncio.sleep(0)
            assert ahead.mark == 0
        await _wait_for_mark(ahead, 1)
    assert len(daemon._ledger.sources.list_in({SourceState.PLANNED})) == 2


async def test_what_was_read_and_stands_aside_is_not_in_the_run(daemon: Daemon) -> None:
    """A file may be refused between the look at what waits and the begin of the run."""
    source = await _claim(daemon, "purchases.csv", "nothing,of,it\n1,2,3\n")
    async with _read_ahead(daemon) as ahead:
        mark = ahead.mark
        ahead.look()
        await _wait_for_mark(ahead, 1)
        assert daemon._ledger.sources.get(source.id).state is SourceState.QUARANTINED
        async with ahead.leaving([source], mark=mark, beat=lambda: None) as sources:
            assert sources == []


async def test_a_file_that_changed_is_left_for_its_run(daemon: Daemon) -> None:
    """Nothing is noted that would have it tried before its schedule says so; it is not read again and again either."""
    source = await _claim(daemon, "purchases.csv")
    with (daemon._workspace.get_source(source.id)).open("a") as stream:
        stream.write("Sold,1700000000,b\n")
    with structlog.testing.capture_logs() as logs:
        async with _read_ahead(daemon) as ahead:
            await _look_at_two(daemon, ahead)
    assert daemon._ledger.sources.get(source.id) == source
    (left,) = [line for line in logs if line["event"] == "not_read_ahead"]
    assert left["source"] == source.id
    assert "its producer wrote to it" in left["error"]


async def test_what_waits_for_a_time_is_not_read_ahead(daemon: Daemon) -> None:
    """Something stood in the way of it a moment ago: the run at that time looks again."""
    source = await _claim(daemon, "purchases.csv")
    later = source.claimed_at.replace(year=source.claimed_at.year + 1)
    daemon._ledger.sources.note_wait(source.id, "the disk was full", retry_at=later)
    async with _read_ahead(daemon) as ahead:
        ahead.look()
        await _claim(daemon, "purchases_next.csv")
        ahead.look()
        await _wait_for_mark(ahead, 1)
    assert daemon._ledger.sources.get(source.id).state is SourceState.CLAIMED


async def test_a_ledger_that_is_in_the_way_ends_nothing(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and read on when it is asked for again; nothing that is not under way counts as stuck."""
    await _claim(daemon, "purchases.csv")
    real, failed = daemon._ledger.sources.list_in, threading.Event()

    def list_in(states: frozenset[SourceState]) -> list[Source]:
        if not failed.is_set():
            failed.set()
            raise LocalFault("read", "the ledger", "it is locked")
        return real(states)

    monkeypatch.setattr(daemon._ledger.sources, "list_in", list_in)
    with structlog.testing.capture_logs() as logs:
        async with _read_ahead(daemon) as ahead:
            ahead.look()
            await asyncio.to_thread(failed.wait, 30)
            ahead.look()
            await _wait_for_mark(ahead, 1)
            assert list(daemon._pulse._due) == ["intake"]
    assert logs[0]["event"] == "not_read_ahead"


async def test_a_defect_is_left_for_the_run(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries go on, and what a batch had is not read ahead once more."""
    await _claim(daemon, "purchases.csv")
    calls: list[int] = []

    def plan_all(_: Planner, sources: list[Source], __: threading.Event) -> list[Source | Exception]:
        calls.append(len(sources))
        raise ZeroDivisionError

    monkeypatch.setattr(Planner, "plan_all", plan_all)
    with structlog.testing.capture_logs() as logs:
        async with _read_ahead(daemon) as ahead:
            await _look_at_two(daemon, ahead)
    assert calls == [1, 1]
    assert [line["log_level"] for line in logs if line["event"] == "reading_ahead_crashed"] == ["error", "error"]
