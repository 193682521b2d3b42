"""A run under way when its window closes begins no further source, and the order holds across schedules."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.schedule import Admission, Plans
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

BEFORE = datetime.datetime(2026, 1, 1, 5, 59, tzinfo=datetime.UTC)
AFTER = datetime.datetime(2026, 1, 1, 6, 0, tzinfo=datetime.UTC)


def _list_taken(sandbox: Sandbox) -> list[str]:
    """Return the feeds of the files that were taken, in order."""
    entries = read_activity(sandbox.paths.activity)
    return [str(entry.details["data"]).partition("_")[0] for entry in entries if entry.event is Event.TAKEN]


async def test_what_was_not_begun_when_the_window_closes_waits_as_it_is(tmp_path: Path) -> None:
    """The first file is seen through; profiles left behind keep events of an open feed back, by the gate."""
    overrides = {
        "schedule": {"only": "22:00-06:00"},
        "feeds": {"purchases": {"schedule": {"only": []}}},
    }
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        staging = written.configuration.staging
        for name in ("customers_1.csv", "customers_2.csv"):
            (staging / name).write_text(f"user_id,Name\n{name},Ada\n", encoding="utf-8")
        (staging / "purchases.csv").write_text(
            "event_name,time_stamp,user_id\nSold,1700000000,customers_1.csv\n", encoding="utf-8"
        )
        with open_daemon(written.configuration, Board()) as daemon:
            ledger = daemon._ledger
            # Each file is complete at the second look.
            await daemon._scan()
            await daemon._scan()
            waiting = ledger.sources.list_in({SourceState.CLAIMED})
            now = [BEFORE]
            admission = Admission(Plans.make(written.configuration, ledger.runs, "production"), lambda: now[0])

            def may_begin(source: Source) -> bool:
                """Let the window close between the first file and the second, after both were read."""
                is_in_time = source.name == "customers_1.csv" or source.state is SourceState.CLAIMED
                now[0] = BEFORE if is_in_time else AFTER
                return admission.may_begin(source)

            verdict = await daemon._runner.run("schedule", waiting, may_begin=may_begin)
            states = {source.name: source.state for source in ledger.sources.list_in(set(SourceState))}
            assert states == {
                "customers_1.csv": SourceState.ARCHIVED,
                "customers_2.csv": SourceState.PLANNED,
                "purchases.csv": SourceState.PLANNED,
            }
            assert verdict.delivered == 1
            assert list(admission.refused.values()) == [None]
            (events,) = [one for one in ledger.sources.list_in({SourceState.PLANNED}) if one.feed == "purchases"]
            assert events.reason is not None
            assert "waits for the profiles claimed before it" in events.reason
            left = ledger.sources.list_in({SourceState.PLANNED})
            await daemon._runner.run("schedule", left)
        await sandbox.wait_until_idle()
        assert _list_taken(sandbox) == ["customers", "customers", "purchases"]
