"""Closed hours, schedules of single feeds, and a person who wants a run now, beside a running daemon."""

from __future__ import annotations

import asyncio
import datetime
import re
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.relay import PausedRelay
from tests.support.sandboxes import make_sandbox
from tests.support.service import DEADLINE_SECONDS, call, configure, get_status, run_service

PROFILES = "user_id,Name\na,Ada\n"
EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,a\n"


def _make_closed() -> dict[str, Any]:
    """Return a schedule that opens in some hours, whenever that is called."""
    hour = datetime.datetime.now(datetime.UTC).hour
    return {"only": f"{(hour + 6) % 24:02}:00-{(hour + 7) % 24:02}:00"}


def _list_taken(sandbox: Sandbox) -> list[str]:
    """Return the feeds of the files that were taken, in order."""
    entries = read_activity(sandbox.paths.activity)
    return [str(entry.details["data"]).partition("_")[0] for entry in entries if entry.event is Event.TAKEN]


async def _configure(folder: Path, sandbox: Sandbox, overrides: dict[str, Any]) -> Path:
    return (await asyncio.to_thread(configure, folder, sandbox, overrides)).path


def _drop(folder: Path, name: str, content: str) -> None:
    (folder / "staging" / name).write_text(content, encoding="utf-8")


async def test_closed_hours_are_waited_for_unless_a_person_wants_a_run(tmp_path: Path) -> None:
    """What is dropped while it is closed is claimed and waits; run-now takes all of it, in order."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"schedule": _make_closed()})
        async with run_service(config) as service:
            await service.wait_for("daemon_started")
            scheduled = await service.wait_for("delivery_scheduled")
            assert scheduled["schedule"] == "on_arrival"
            _drop(tmp_path, "purchases.csv", EVENTS)
            _drop(tmp_path, "customers.csv", PROFILES)
            await service.wait_for("source_claimed", count=2)
            status = await get_status(config)
            assert all(source["reason"].startswith("waits for schedule.only, opens at ") for source in status.values())
            answer = await call(config, "status")
            assert "Schedule: closed by schedule.only, opens at " in answer.out
            answer = await call(config, "run-now")
            assert (answer.code, answer.errors) == (0, "")
            said = f"Asked the daemon (process {service.process.pid} on "
            assert answer.out.startswith(said)
            assert "to deliver what waits to production now: 2 files are claimed, and what is" in answer.out
            await service.wait_for("run_finished", delivered=2)
            wanted = await service.wait_for("run_wanted")
            assert (wanted["destination"], wanted["feed"]) == ("production", None)
            await service.wait_for("run_started", trigger="now", sources=2)
            assert await service.stop() == 0
        assert _list_taken(sandbox) == ["customers", "purchases"]
        runs = (await call(config, "history", "--json")).json["runs"]
        assert [run["trigger"] for run in runs] == ["now"]


async def test_a_person_gets_by_what_is_closed_for_one_source_too(tmp_path: Path) -> None:
    """Retry ID goes at any hour, as it goes before any tick."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"schedule": {"deliver": "* * * * *", **_make_closed()}})
        async with run_service(config) as service:
            _drop(tmp_path, "purchases.csv", EVENTS)
            planned = await service.wait_for("source_planned")
            answer = await call(config, "retry", planned["source"])
            assert (answer.code, answer.errors) == (0, "")
            said = f"{planned['source']} (purchases.csv) is planned and is sent within seconds, ahead of schedule."
            assert re.fullmatch(rf"{re.escape(said)}(only|except_dates), opens at .+\.\n", answer.out)
            await service.wait_for("run_finished", delivered=1)
            assert await service.stop() == 0
        assert _list_taken(sandbox) == ["purchases"]


async def test_events_wait_for_profiles_of_a_feed_whose_schedule_has_not_come(tmp_path: Path) -> None:
    """Asked for alone they wait still, and say for what; once the profiles went they follow by themselves."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = {"feeds": {"customers": {"schedule": {"deliver": "0 0 1 1 *"}}}}
        config = await _configure(tmp_path, sandbox, overrides)
        async with run_service(config) as service:
            _drop(tmp_path, "customers.csv", PROFILES)
            await service.wait_for("source_claimed", feed="customers")
            _drop(tmp_path, "purchases.csv", EVENTS)
            await service.wait_for("events_wait")
            status = await get_status(config)
            assert status["customers.csv"]["reason"].startswith("waits for the schedule, next at ")
            assert "waits for the profiles claimed before it" in status["purchases.csv"]["reason"]
            answer = await call(config, "run-now", "--feed", "purchases")
            assert "to deliver the files of purchases to production now: 1 file is claimed" in answer.out
            await service.wait_for("run_started", trigger="now", sources=1)
            await service.wait_for("events_wait", count=2)
            assert _list_taken(sandbox) == []
            assert (await call(config, "run-now", "--feed", "customers", "--destination", "production")).code == 0
            await service.wait_for("source_delivered", feed="customers")
            await service.wait_for("source_delivered", feed="purchases")
            assert await service.stop() == 0
        assert _list_taken(sandbox) == ["customers", "purchases"]


async def test_a_run_that_is_asked_for_waits_for_what_was_just_dropped(tmp_path: Path) -> None:
    """It lies in staging and is not complete when the run is asked for, and goes with it.

    Until then command and status tell what the run waits for: who asked would think that nothing happens.
    """
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = {"intake": {"settle_seconds": 5}, "schedule": {"deliver": "0 0 1 1 *"}}
        config = await _configure(tmp_path, sandbox, overrides)
        async with run_service(config) as service:
            await service.wait_for("daemon_started")
            _drop(tmp_path, "purchases.csv", EVENTS)
            answer = await call(config, "run-now")
            assert "It begins once 1 file in staging is complete, unchanged for 5 s (intake.settle_sec" in answer.out
            lines = (await call(config, "status")).out.splitlines()
            (line,) = [line for line in lines if line.startswith("A run to production was asked for by ")]
            assert ": it waits for what is arriving in staging to be complete, till " in line
            await service.wait_for("run_started", trigger="now", sources=1)
            await service.wait_for("run_finished", delivered=1)
            assert "was asked for" not in (await call(config, "status")).out
            assert await service.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            (),
            1,
            "run now to production: no daemon runs; start it (systemctl start sftp-orchestrator), or deliver once:",
        ),
        (("--destination", "staging"), 2, "run now destination staging: there is no destination of this name; known"),
        (("--feed", "customer"), 2, "run now feed customer: there is no feed of this name; known are customers, "),
    ],
)
async def test_who_asks_in_vain_is_told_why(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """Nothing is left behind that a later daemon would act on."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"schedule": {"deliver": "0 0 1 1 *"}})
        answer = await call(config, "run-now", *arguments)
        assert (answer.code, answer.out) == (code, "")
        assert answer.errors.startswith(f"sftp-orchestrator: {said}")


async def test_what_waits_for_a_schedule_is_read_when_it_comes(tmp_path: Path) -> None:
    """A file that breaks a rule stands aside at once, another has its parts; neither is sent before its time."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"schedule": {"deliver": "0 0 29 2 *"}})
        async with run_service(config) as service:
            _drop(tmp_path, "purchases.csv", EVENTS)
            await service.wait_for("source_planned", records=1)
            _drop(tmp_path, "purchases_bad.csv", "nothing,of,it\n1,2,3\n")
            await service.wait_for("source_quarantined", file="purchases_bad.csv")
            status = await get_status(config)
            assert (status["purchases_bad.csv"]["state"], status["purchases.csv"]["state"]) == (
                "quarantined",
                "planned",
            )
            assert status["purchases.csv"]["reason"].startswith("waits for the schedule, next at ")
            assert len(status["purchases.csv"]["parts"]) == 1
            assert not [line for line in service.lines if line["event"] == "run_started"]
            assert (await call(config, "run-now")).code == 0
            await service.wait_for("run_finished", delivered=1)
            assert len([line for line in service.lines if line["event"] == "source_planned"]) == 1
            assert await service.stop() == 0
        assert _list_taken(sandbox) == ["purchases"]


async def test_a_file_is_read_while_another_goes_up(tmp_path: Path) -> None:
    """An upload that takes long keeps no file that comes meanwhile from being read, and planned."""
    async with make_sandbox(tmp_path / "receiver") as sandbox, PausedRelay(sandbox.port, limit_bytes=30_000) as relay:
        line = {"port": relay.port, "host_keys": [sandbox.host_public_key], "known_hosts": None}
        config = await _configure(tmp_path, sandbox, {"destinations": {"production": line}})
        async with run_service(config) as service:
            _drop(tmp_path, "purchases.csv", EVENTS + "".join(f"Sold,1700000001,b{row}\n" for row in range(2_000)))
            await asyncio.wait_for(relay.struck.wait(), DEADLINE_SECONDS)
            _drop(tmp_path, "purchases_next.csv", EVENTS)
            await service.wait_for("source_planned", records=1)
            assert (await get_status(config))["purchases.csv"]["state"] == "ready"
            relay.released.set()
            await service.wait_for("source_delivered", file="purchases_next.csv")
            events = [line["event"] for line in service.lines]
            assert events.count("source_planned") == 2
            assert events.index("source_delivered") > len(events) - 1 - events[::-1].index("source_planned")
            assert await service.stop() == 0
        assert _list_taken(sandbox) == ["purchases", "purchases"]
