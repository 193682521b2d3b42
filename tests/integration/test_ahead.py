"""What is read ahead of its run: it is put down for the run, and nothing of it goes sooner or later than without."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from sftp_orchestrator import ahead as ahead_module
from sftp_orchestrator.ahead import ReadingAhead
from sftp_orchestrator.daemon import Daemon, open_daemon
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.prepare.refusals.quarantine import REPORT_NAME
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.prepare.standing import JUDGED_FOR
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.pulse import Pulse
from tests.support.configuration import FEEDS, write_configuration

EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,{}\n"
DEADLINE_SECONDS = 30
DAY_SECONDS = 86_400


class _TellingPulse(Pulse):
    """Tells when something was put down."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()

    def rest(self, station: str) -> None:
        super().rest(station)
        self.news.set()


@dataclass(kw_only=True)
class _Desk:
    """A daemon that nobody has started, and what reads ahead for it."""

    daemon: Daemon
    ahead: ReadingAhead
    pulse: _TellingPulse

    @property
    def sources(self) -> dict[str, Source]:
        """All that is in the ledger, by the names of files."""
        return {source.name: source for source in self.daemon._ledger.sources.list_in(set(SourceState))}

    async def claim(self, name: str, content: str = EVENTS) -> Source:
        """Drop a file and have it claimed."""
        path = self.daemon._configuration.staging / name
        path.write_text(content.format(name))
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert (await self.daemon._scan()).claimed == 1
        return self.sources[name]

    async def wait_for_mark(self, mark: int) -> None:
        """Wait until so many batches were put down."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.ahead.mark < mark:
                self.pulse.news.clear()
                await self.pulse.news.wait()

    async def look_at_two(self) -> None:
        """Have what is claimed read ahead, and one more file after it."""
        self.ahead.look()
        await self.wait_for_mark(1)
        await self.claim("purchases_next.csv")
        self.ahead.look()
        await self.wait_for_mark(2)

    def leave(self, sources: Sequence[Source]) -> contextlib.AbstractAsyncContextManager[Sequence[Source]]:
        """Leave sources to a run that nobody waits for."""
        return self.ahead.leaving(sources, mark=self.ahead.mark, beat=lambda: None)


@contextlib.asynccontextmanager
async def _open(folder: Path, overrides: dict[str, Any] | None = None) -> AsyncIterator[_Desk]:
    configuration = write_configuration(folder, overrides).configuration
    with open_daemon(configuration, Board()) as daemon:
        pulse = _TellingPulse()
        ahead = ReadingAhead("production", configuration, daemon._stations, pulse)
        task = asyncio.create_task(ahead.run())
        try:
            yield _Desk(daemon=daemon, ahead=ahead, pulse=pulse)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Held:
    """Holds up the planner at a file until it is let go, or told to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.released = threading.Event(), threading.Event()
        real = Planner.plan_all

        def plan_all(planner: Planner, sources: list[Source], stop: threading.Event) -> list[Source | Exception]:
            self.begun.set()
            until = time.monotonic() + DEADLINE_SECONDS
            while not self.released.wait(0.01) and not stop.is_set():
                assert time.monotonic() < until
            return real(planner, sources, stop)

        monkeypatch.setattr(Planner, "plan_all", plan_all)


async def test_a_run_waits_for_what_is_in_hand_and_gets_it_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file is read twice at a time: the run that is to deliver it begins once it is put down."""
    held = _Held(monkeypatch)
    async with _open(tmp_path) as desk:
        source = await desk.claim("purchases.csv")
        desk.ahead.look()
        await asyncio.to_thread(held.begun.wait, DEADLINE_SECONDS)
        beaten = asyncio.Event()
        left = desk.ahead.leaving([source], mark=desk.ahead.mark, beat=beaten.set)
        entering = asyncio.create_task(left.__aenter__())
        await asyncio.wait_for(beaten.wait(), DEADLINE_SECONDS)  # the run that waits for it is not stuck
        assert not entering.done()
        held.released.set()
        (found,) = await entering
        assert (found.id, found.state) == (source.id, SourceState.PLANNED)
        await left.__aexit__(None, None, None)


@pytest.mark.parametrize("turns", range(12))
async def test_a_run_that_begins_as_a_batch_is_put_down_goes_on(
    tmp_path: Path, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever turn of the loop it is that it begins in, it does not wait for what was put down already."""
    gate, begun = asyncio.Event(), asyncio.Event()

    async def prepare(batch: Sequence[Source], _: object) -> list[Source]:
        begun.set()
        await gate.wait()
        return list(batch)

    monkeypatch.setattr(ahead_module, "prepare", prepare)
    async with _open(tmp_path) as desk:
        source = await desk.claim("purchases.csv")
        desk.ahead.look()
        await begun.wait()
        gate.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_SECONDS), desk.leave([source]) as found:
            assert [one.id for one in found] == [source.id]


async def test_what_is_in_hand_is_put_down_for_a_run_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due does not wait until what is not due is read: that is read once the run is through."""
    held = _Held(monkeypatch)
    async with _open(tmp_path) as desk:
        late = await desk.claim("purchases.csv")
        desk.ahead.look()
        await asyncio.to_thread(held.begun.wait, DEADLINE_SECONDS)
        due = await desk.claim("purchases_due.csv")
        async with asyncio.timeout(DEADLINE_SECONDS), desk.leave([due]) as sources:
            assert sources == [due]
            assert desk.sources[late.name].state is SourceState.CLAIMED
            held.released.set()
            desk.daemon._stations.preparation.note_through("production")
            await desk.wait_for_mark(2)
            assert desk.sources[late.name].state is SourceState.PLANNED
            assert desk.sources[due.name].state is SourceState.CLAIMED


@pytest.mark.parametrize("destination", ["production", "another"])
async def test_what_a_run_is_to_read_comes_first(tmp_path: Path, destination: str) -> None:
    """While a run of any destination has files to read, none is read ahead."""
    async with _open(tmp_path) as desk:
        preparation, waiting = desk.daemon._stations.preparation, asyncio.Event()
        real = preparation.wait_for_runs

        async def wait_for_runs() -> None:
            waiting.set()
            await real()

        preparation.wait_for_runs = wait_for_runs  # type: ignore[method-assign]
        preparation.expect_run(destination)
        source = await desk.claim("purchases.csv")
        desk.ahead.look()
        await asyncio.wait_for(waiting.wait(), DEADLINE_SECONDS)
        assert desk.ahead.mark == 0
        assert desk.sources[source.name].state is SourceState.CLAIMED
        preparation.note_through(destination)
        await desk.wait_for_mark(1)
        assert desk.sources[source.name].state is SourceState.PLANNED


async def test_what_was_read_and_stands_aside_is_not_in_the_run(tmp_path: Path) -> None:
    """A file may be refused between the look at what waits and the begin of the run."""
    async with _open(tmp_path) as desk:
        source, mark = await desk.claim("purchases.csv", "nothing,of,it\n1,2,3\n"), desk.ahead.mark
        desk.ahead.look()
        await desk.wait_for_mark(1)
        assert desk.sources[source.name].state is SourceState.QUARANTINED
        async with desk.ahead.leaving([source], mark=mark, beat=lambda: None) as sources:
            assert sources == []


async def test_a_file_that_changed_is_left_for_its_run(tmp_path: Path) -> None:
    """Nothing is noted that would have it tried before its schedule says so; it is not read again and again either."""
    with structlog.testing.capture_logs() as logs:
        async with _open(tmp_path) as desk:
            source = await desk.claim("purchases.csv")
            with desk.daemon._workspace.get_source(source.id).open("a") as stream:
                stream.write("Sold,1700000000,b\n")
            await desk.look_at_two()
            assert desk.sources[source.name] == source
    (left,) = [line for line in logs if line["event"] == "not_read_ahead"]
    assert left["source"] == source.id
    assert "its producer wrote to it" in left["error"]


async def test_what_waits_for_a_time_is_not_read_ahead(tmp_path: Path) -> None:
    """Something stood in the way of it a moment ago: the run at that time looks again."""
    async with _open(tmp_path) as desk:
        source = await desk.claim("purchases.csv")
        later = source.claimed_at + datetime.timedelta(days=1)
        desk.daemon._ledger.sources.note_wait(source.id, "the disk was full", retry_at=later)
        await desk.claim("purchases_next.csv")
        desk.ahead.look()
        await desk.wait_for_mark(1)
        assert desk.sources[source.name].state is SourceState.CLAIMED


async def test_what_depends_on_earlier_files_is_not_read_ahead(tmp_path: Path) -> None:
    """Rows that an earlier file brings would be left out for good, though that one may stand aside before its run."""
    feed = {**FEEDS["purchases"], "deduplicate": {"columns": ["user_id"], "days": 30}}
    others = {**FEEDS["purchases"], "files": ["sales*.csv"]}
    async with _open(tmp_path, {"feeds": {"purchases": feed, "sales": others}}) as desk:
        await desk.claim("purchases.csv")
        await desk.claim("sales.csv")
        desk.ahead.look()
        await desk.wait_for_mark(1)
        states = {name: source.state for name, source in desk.sources.items()}
    assert states == {"purchases.csv": SourceState.CLAIMED, "sales.csv": SourceState.PLANNED}


async def test_what_time_alone_makes_good_is_left_for_its_run(tmp_path: Path) -> None:
    """Events of the day after tomorrow, for a run in three days, are no mistake."""
    async with _open(tmp_path) as desk:
        ahead_of_us = int(time.time()) + 2 * DAY_SECONDS
        source = await desk.claim("purchases.csv", f"event_name,time_stamp,user_id\nSold,{ahead_of_us},a\n")
        desk.ahead.look()
        await desk.wait_for_mark(1)
        assert desk.sources[source.name] == source


def _move(path: Path) -> None:
    path.rename(path.parent.parent / "fetched.csv")


def _correct(path: Path) -> None:
    path.write_text("event_name,time_stamp,user_id\nSold,1700000000,b\n")


def _spoil_report(path: Path) -> None:
    report = path.with_name(REPORT_NAME)
    report.unlink()
    report.mkdir()


@pytest.mark.parametrize("meddle", [_move, _correct, _spoil_report], ids=["moved", "changed", "report unreadable"])
async def test_refused_rows_that_a_person_is_at_are_not_judged_again(
    tmp_path: Path, meddle: Callable[[Path], None]
) -> None:
    """They come as a file of their own: whatever the time or the settings say by now, none is sent twice."""
    async with _open(tmp_path, {"feeds": {"purchases": {"max_bad_rows": 1}}}) as desk:
        await desk.claim("purchases.csv", EVENTS + ",1700000000,b\n")
        desk.ahead.look()
        await desk.wait_for_mark(1)
        (source,) = desk.sources.values()
        meddle(desk.daemon._workspace.get_rejected(source.id) / FAILED_ROWS_NAME)
        assert desk.daemon._stations.preparation.standing.renew([source], source.changed_at + JUDGED_FOR) == [source]
    changes = {"feeds": {"purchases": {"max_bad_rows": 0.5}}}
    with open_daemon(write_configuration(tmp_path, changes).configuration, Board()) as daemon:
        await daemon.recover()
        assert daemon._ledger.sources.get(source.id).state is SourceState.PLANNED


@pytest.mark.parametrize("is_bad", [False, True], ids=["clean", "with refused rows"])
async def test_what_was_planned_long_ago_is_judged_by_the_time_of_its_run(tmp_path: Path, *, is_bad: bool) -> None:
    """Rows that were refused may be right by now; of a clean file nothing changes, and it keeps its parts."""
    feeds = {"purchases": {"max_bad_rows": 1}}
    async with _open(tmp_path, {"feeds": feeds}) as desk:
        await desk.claim("purchases.csv", EVENTS + (",1700000000,b\n" if is_bad else ""))
        desk.ahead.look()
        await desk.wait_for_mark(1)
        (source,) = desk.sources.values()
        assert (source.state, source.refused_rows) == (SourceState.PLANNED, int(is_bad))
        renew = desk.daemon._stations.preparation.standing.renew
        assert renew([source], source.changed_at + JUDGED_FOR / 2) == [source]
        (renewed,) = renew([source], source.changed_at + JUDGED_FOR)
        assert renewed.state is (SourceState.CLAIMED if is_bad else SourceState.PLANNED)


async def test_a_ledger_that_is_in_the_way_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and read on when it is asked for again; nothing that is not under way counts as stuck."""
    with structlog.testing.capture_logs() as logs:
        async with _open(tmp_path) as desk:
            await desk.claim("purchases.csv")
            real, failed = desk.daemon._ledger.sources.list_in, threading.Event()

            def list_in(states: Collection[SourceState]) -> list[Source]:
                if not failed.is_set():
                    failed.set()
                    raise LocalFault("read", "the ledger", "it is locked")
                return real(states)

            monkeypatch.setattr(desk.daemon._ledger.sources, "list_in", list_in)
            desk.ahead.look()
            await asyncio.to_thread(failed.wait, DEADLINE_SECONDS)
            desk.ahead.look()
            await desk.wait_for_mark(1)
            assert desk.pulse._due == {}
    assert "not_read_ahead" in [line["event"] for line in logs]


async def test_a_host_that_owns_the_ledger_no_more_judges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another one claimed lies in another workspace: here it would seem to be gone."""
    async with _open(tmp_path) as desk:
        source, asked = await desk.claim("purchases.csv"), threading.Event()

        def require() -> None:
            asked.set()
            raise LocalFault("use", "the ledger", "another process owns it")

        monkeypatch.setattr(desk.daemon._ledger.ownership, "require", require)
        desk.daemon._workspace.get_source(source.id).unlink()
        desk.ahead.look()
        await asyncio.to_thread(asked.wait, DEADLINE_SECONDS)
        monkeypatch.undo()
        assert desk.sources[source.name].state is SourceState.CLAIMED


async def test_a_defect_is_left_for_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries go on, and what a batch had is not read ahead once more."""
    calls: list[int] = []

    def plan_all(_: Planner, sources: list[Source], __: threading.Event) -> list[Source | Exception]:
        calls.append(len(sources))
        raise ZeroDivisionError

    monkeypatch.setattr(Planner, "plan_all", plan_all)
    with structlog.testing.capture_logs() as logs:
        async with _open(tmp_path) as desk:
            await desk.claim("purchases.csv")
            await desk.look_at_two()
    assert calls == [1, 1]
    assert [line["log_level"] for line in logs if line["event"] == "reading_ahead_crashed"] == ["error", "error"]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({"feeds": {"purchases": {"max_bad_rows": 0.5}}}, SourceState.CLAIMED, id="more is borne"),
        pytest.param({"feeds": {"purchases": {"rules": {"ts.future": "off"}}}}, SourceState.CLAIMED, id="another rule"),
        pytest.param({"destinations": {"production": {"retention_days": 9}}}, SourceState.CLAIMED, id="retention"),
        pytest.param({"feeds": {"purchases": {"expected": {"by": "03:00"}}}}, SourceState.PLANNED, id="a deadline"),
        pytest.param({"destinations": {"production": {"attempts": 9}}}, SourceState.PLANNED, id="the line"),
    ],
)
async def test_what_was_judged_by_other_settings_is_read_again(
    tmp_path: Path, changes: dict[str, Any], state: SourceState
) -> None:
    """Settings that rows are judged by count from the reload on, also for what was read before it."""
    async with _open(tmp_path) as desk:
        await desk.claim("purchases.csv")
        desk.ahead.look()
        await desk.wait_for_mark(1)
    with open_daemon(write_configuration(tmp_path, changes).configuration, Board()) as daemon:
        (before,) = daemon._ledger.sources.list_in(set(SourceState))
        assert before.state is SourceState.PLANNED
        await daemon.recover()
        assert daemon._ledger.sources.get(before.id).state is state
