"""A claimed file that lost its end, as in a power cut: it is held, and never sent as if it were whole."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.intakes import KilledError
from tests.support.paramiko_server import ParamikoServer, run_paramiko

ROWS = 1000


def _make(folder: Path, receiver: ParamikoServer) -> Configuration:
    found = receiver.get_destination()
    line = {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
    }
    return write_configuration(folder, {"destinations": {"production": line}}).configuration


def _drop(configuration: Configuration, *, rows: int = ROWS) -> None:
    lines = "".join(f"Sold,{1_700_000_000 + number},u{number}\n" for number in range(rows))
    (configuration.staging / "purchases.csv").write_text(f"event_name,time_stamp,user_id\n{lines}")


async def _run(configuration: Configuration) -> tuple[Verdict, Source]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    return verdict, _read(configuration)


def _read(configuration: Configuration) -> Source:
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        (source,) = ledger.sources.list_in(set(SourceState))
    return source


def _decide(configuration: Configuration, word: str) -> None:
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        getattr(ledger.sources, word)(_read(configuration).id, by="anna")


def _get_path(configuration: Configuration) -> Path:
    return configuration.workspace / "work" / _read(configuration).id / "source.csv"


def _cut(configuration: Configuration) -> bytes:
    """Take the end of the file away, at a record's end and without a trace in its time; return what it was."""
    path = _get_path(configuration)
    whole, status = path.read_bytes(), path.stat()
    os.truncate(path, whole.rfind(b"\n", 0, 4096) + 1)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return whole


async def _stop_at(configuration: Configuration, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Run until ``step`` of the preparation, and die there."""

    def never(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Preparation, step, never)
        with pytest.raises((KilledError, BaseExceptionGroup)):
            await _run(configuration)


def _list_manifests(receiver: ParamikoServer) -> list[str]:
    """Return what would have data imported; data alone never is."""
    return [name for step, name in receiver.record.steps if step == "open" and name.endswith(".manifest")]


@pytest.mark.parametrize("step", ["prepare_sources", "_read_small"])
async def test_a_file_that_lost_its_end_is_held_and_nothing_of_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Claimed or planned when the power went: run after run, and after a retry, it stays held; both sizes are told."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration)
        await _stop_at(configuration, monkeypatch, step)
        whole = await asyncio.to_thread(_cut, configuration)
        for word in (None, None, "retry"):
            if word is not None:
                await asyncio.to_thread(_decide, configuration, word)
            _, source = await _run(configuration)
            assert source.state is SourceState.HELD
            assert f"{len(whole):,}" in (source.reason or "")
        assert _list_manifests(receiver) == []


@pytest.mark.parametrize(("restores", "records"), [(True, ROWS), (False, 198)])
async def test_a_held_file_goes_on_whole_or_by_a_persons_word(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    restores: bool,  # noqa: FBT001 - a case
    records: int,
) -> None:
    """Put back and retried it is sent whole; released it is sent as far as it goes."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration)
        await _stop_at(configuration, monkeypatch, "_read_small")
        whole = await asyncio.to_thread(_cut, configuration)
        await _run(configuration)
        if restores:
            _get_path(configuration).write_bytes(whole)
        await asyncio.to_thread(_decide, configuration, "retry" if restores else "release")
        source = await _run_until_done(configuration)
    assert (source.state, source.records) == (SourceState.ARCHIVED, records)


async def test_a_released_file_that_loses_more_is_held_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word was given for what was there; what gets lost after the next reading is another matter."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration)
        await _stop_at(configuration, monkeypatch, "prepare_sources")
        await asyncio.to_thread(_decide, configuration, "release")
        await _stop_at(configuration, monkeypatch, "_read_small")
        await asyncio.to_thread(_cut, configuration)
        _, source = await _run(configuration)
        assert source.state is SourceState.HELD
        assert _list_manifests(receiver) == []


async def test_a_file_that_grew_goes_back_to_waiting_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that still writes is no reason to ask a person."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration)
        await _stop_at(configuration, monkeypatch, "_read_small")
        with _get_path(configuration).open("ab") as file:
            file.write(b"Sold,1700009999,late\n")
        _, source = await _run(configuration)
        assert (source.state, source.reason is not None) == (SourceState.CLAIMED, True)
        source = await _run_until_done(configuration)
    assert (source.state, source.records) == (SourceState.ARCHIVED, ROWS + 1)


async def test_a_quarantined_file_may_be_put_right_by_making_it_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person takes bad rows out: a crash between its return and its inspection takes that for no loss."""
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop(configuration)
        path = configuration.staging / "purchases.csv"
        good = path.read_bytes()
        path.write_bytes(good + b"a row of one field\n" * 10)
        _, source = await _run(configuration)
        assert source.state is SourceState.QUARANTINED
        (configuration.workspace / "quarantine" / source.id / "purchases.csv").write_bytes(good)
        await asyncio.to_thread(_decide, configuration, "retry")
        monkeypatch.setattr(Planner, "_inspect", _die)
        with pytest.raises((KilledError, BaseExceptionGroup)):
            await _run(configuration)
        monkeypatch.undo()
        assert _get_path(configuration).exists()
        source = await _run_until_done(configuration)
    assert (source.state, source.records) == (SourceState.ARCHIVED, ROWS)


def _die(*_: object) -> None:
    raise KilledError


async def _run_until_done(configuration: Configuration) -> Source:
    """Run as often as it takes, as the daemon does when its waits are over."""
    source = _read(configuration)
    for _ in range(3):
        _, source = await _run(configuration)
        if source.state is SourceState.ARCHIVED:
            break
    return source
