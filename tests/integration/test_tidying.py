"""What is past its time is removed once a day, runs or no runs."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import daemon
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.archive import get_archive_folder
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.database import open_database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration
from tests.support.intakes import and_then
from tests.support.records import make_claim

TODAY = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


async def test_old_days_of_the_archive_go_on_a_day_without_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused intake brings no runs, and this may be what makes room; looked at once a day, however many scans."""
    configuration = write_configuration(tmp_path, {"archive": {"keep_days": 1}}).configuration
    now = [TODAY]
    monkeypatch.setattr(daemon, "_now", lambda: now[0])
    archive = configuration.workspace / "archive"
    with open_daemon(configuration, Board()) as opened:
        await opened._tidy()
        for day in ("2026-02-27", "2026-02-28", "2026-03-01"):
            (archive / day).mkdir()
        await opened._tidy_daily()
        assert len(list(archive.iterdir())) == 3
        now[0] += datetime.timedelta(days=1)
        await opened._tidy_daily()
    assert sorted(path.name for path in archive.iterdir()) == ["2026-03-01"]


async def test_a_machine_that_stands_in_the_way_of_tidying_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon tells of it once that day and goes on: nothing was lost."""
    configuration = write_configuration(tmp_path).configuration

    def fail(*_: object) -> None:
        raise LocalFault("use", "ledger", "database is locked")

    with open_daemon(configuration, Board()) as opened, capture_logs() as logs:
        monkeypatch.setattr(opened._stations.archive, "put_away_all", fail)
        for _ in range(3):
            await opened._tidy_daily()
    assert [(line["event"], line["log_level"]) for line in logs] == [("tidy_failed", "error")]


@pytest.fixture
def forgetful(tmp_path: Path) -> Configuration:
    """A ledger that remembers for a day, with two runs of years ago in it."""
    configuration = write_configuration(tmp_path, {"ledger": {"keep_days": 1}}).configuration
    engine = open_database("sqlite", configuration.workspace)
    with Ledger(engine, clock=lambda: TODAY - datetime.timedelta(days=999)) as ledger:
        for _ in range(2):
            ledger.runs.start("schedule")
    return configuration


async def test_a_pass_lets_the_ledger_forget(forgetful: Configuration) -> None:
    """It does so by itself, at its end; the newest run stays."""
    with open_daemon(forgetful, Board(), once=True) as opened:
        await opened.run_once()
        assert [run.number for run in opened._ledger.runs.list_last(9)] == [2]


async def test_what_lies_in_the_archive_in_plain_is_removed_before_it_is_forgotten(tmp_path: Path) -> None:
    """Where the policy does not want it the ledger alone knows of it, however the two looks follow each other."""
    policy = {"archive": {"keep": "nothing", "keep_days": None}, "ledger": {"keep_days": 1}}
    configuration = write_configuration(tmp_path, policy).configuration
    with open_daemon(configuration, Board()) as opened:
        ledger = opened._ledger
        engine = open_database("sqlite", configuration.workspace)
        with Ledger(engine, clock=lambda: TODAY - datetime.timedelta(days=999)) as before:
            claim = make_claim()
            before.sources.begin_claims([claim])
            before.sources.finish_claims([claim])
            before.sources.quarantine("s1", "line 2: bad")
            before.discards.discard("s1", by="anna")
        folder = get_archive_folder(
            Workspace(root=configuration.workspace), ledger.sources.get("s1"), configuration.zone
        )
        folder.mkdir(parents=True)
        await opened._forget()
        assert ledger.sources.get("s1").state is SourceState.DISCARDED
        await opened._tidy()
        await opened._forget()
        assert not folder.exists()
        assert ledger.sources.list_in({SourceState.DISCARDED}) == []


async def test_a_daemon_lets_the_ledger_forget(forgetful: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does so by itself, beside its work: a start does not wait for it."""
    forgot, loop = asyncio.Event(), asyncio.get_running_loop()

    def tell() -> None:
        loop.call_soon_threadsafe(forgot.set)

    with open_daemon(forgetful, Board()) as opened:
        monkeypatch.setattr(opened._retention, "forget", and_then(opened._retention.forget, tell))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(opened.run())
            async with asyncio.timeout(60):
                await forgot.wait()
            running.cancel()
        assert [run.number for run in opened._ledger.runs.list_last(9)] == [2]
