"""What waits for a person, and what a person's word does to it beside a running daemon: release, retry, resolve."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.history import MANIFEST_SUFFIX
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings, Traits
from tests.support.configuration import write_values
from tests.support.relay import PausedRelay
from tests.support.sandboxes import use
from tests.support.service import DEADLINE_SECONDS, Answer, Service, call, configure, get_status, run_service

PROFILES = "user_id,Name\na,Ada\nb,Bob\n"
BROKEN_PROFILES = "user_id,Name\na,Ada\nb\n"
"""Its third line lacks a value."""
RENAME = {"destinations": {"production": {"rename": True}}}
"""A manifest gets its name by a rename then: the receiver has all of it before it answers, and we know when that is."""


def _make_events(first_ts: int) -> str:
    return f"event_name,time_stamp,user_id\nSold,{first_ts},a\nSold,{first_ts + 1},b\n"


OLD_EVENTS, NEW_EVENTS = _make_events(1_700_000_000), _make_events(1_700_100_000)


class _Killer:
    """A sandbox's listener: kills the daemon, once, at a step of a feed's manifest that was not answered yet."""

    def __init__(self, event: Event, feed: str) -> None:
        self._event = event
        self._feed = feed
        self._process: asyncio.subprocess.Process | None = None
        self._name = ""
        self._over = asyncio.Event()

    def arm(self, service: Service) -> None:
        """Kill this daemon when it gets that far."""
        self._process = service.process

    def __call__(self, entry: Entry) -> None:
        name = str(entry.details.get("name", ""))
        is_it = entry.event is self._event and name.startswith(f"{self._feed}_") and MANIFEST_SUFFIX in name
        if self._process is not None and is_it:
            self._process.kill()
            self._process, self._name = None, name
        if name == self._name and entry.event in {Event.CLOSED, Event.RENAMED}:
            self._over.set()

    async def wait(self) -> str:
        """Return the manifest's name, as it then was, once the receiver has no handle on it any more."""
        await asyncio.wait_for(self._over.wait(), DEADLINE_SECONDS)
        return self._name


def _make_sandbox(root: Path, *, listener: Callable[[Entry], None] | None = None, removes: bool = False) -> Sandbox:
    settings = Settings(root=root, openpgp_algorithm=CURVE_25519, traits=Traits(removes_taken=removes))
    return Sandbox(settings, listener=listener)


def _drop(folder: Path, **contents: str) -> None:
    """Drop files in the order of the arguments."""
    for name, content in contents.items():
        (folder / "staging" / f"{name}.csv").write_text(content, encoding="utf-8")


async def _configure(folder: Path, sandbox: Sandbox, overrides: dict[str, Any] | None = None) -> Path:
    return (await asyncio.to_thread(configure, folder, sandbox, overrides)).path


async def _configure_through(relay: PausedRelay, folder: Path, sandbox: Sandbox, **more: Any) -> Path:
    """Have everything go to the sandbox by way of a relay."""
    line = {"port": relay.port, "host_keys": [sandbox.host_public_key], "known_hosts": None}
    return await _configure(folder, sandbox, {"destinations": {"production": line}, **more})


async def _call(config: Path, *arguments: str) -> Answer:
    answer = await call(config, *arguments)
    assert answer.code == 0, answer.errors
    return answer


async def _kill_while_publishing(config: Path, sandbox: Sandbox, killer: _Killer) -> str:
    """Run the daemon until it is killed; return the manifest's name once the receiver is done with it."""
    async with run_service(config) as service:
        killer.arm(service)
        assert await service.wait() < 0, service.lines
    name = await killer.wait()
    await sandbox.wait_until_idle()
    return name


def _list_taken(sandbox: Sandbox) -> list[str]:
    """Return the names of the data that was taken, in order."""
    entries = read_activity(sandbox.paths.activity)
    assert not [entry for entry in entries if entry.event is Event.REFUSED]
    return [str(entry.details["data"]) for entry in entries if entry.event is Event.TAKEN]


def _count_uploads(sandbox: Sandbox, name: str) -> int:
    """Return how often a file was opened for writing under ``name``, or under its temporary name."""
    entries = read_activity(sandbox.paths.activity)
    opened = [str(entry.details["name"]) for entry in entries if entry.event is Event.OPENED]
    return sum(found in {name, f"{name}.uploading"} for found in opened)


def _list_archived(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "workspace" / "archive").rglob("*.csv"))


# Events that wait for profiles.


async def test_events_wait_for_refused_profiles_until_these_are_released(tmp_path: Path) -> None:
    """Events dropped beside a broken profiles file wait, say for what, and go once a person releases the profiles."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases=OLD_EVENTS)
        async with run_service(config) as service:
            await service.wait_for("run_finished", verdict="not_all_delivered")
            status = await get_status(config)
            profiles, events = status["customers.csv"], status["purchases.csv"]
            assert profiles["state"] == "quarantined"
            assert f"{profiles['id']} (customers.csv, quarantined)" in events["reason"]
            assert _list_taken(sandbox) == []
            await _call(config, "release", profiles["id"])
            await service.wait_for("source_quarantined", source=profiles["id"], count=2)
            await service.wait_for("run_finished", delivered=1)
        await sandbox.wait_until_idle()
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["purchases"]
    assert _list_archived(tmp_path) == ["purchases.csv"]


async def test_released_events_go_alone(tmp_path: Path) -> None:
    """``release`` of one events file lets that one go past refused profiles, and no other."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases_old=OLD_EVENTS, purchases_new=NEW_EVENTS)
        async with run_service(config) as service:
            await service.wait_for("run_finished", verdict="not_all_delivered")
            ids = {name: found["id"] for name, found in (await get_status(config)).items()}
            await _call(config, "release", ids["purchases_new.csv"])
            await service.wait_for("run_finished", delivered=1)
            passed = await service.wait_for("profiles_passed_over", source=ids["purchases_new.csv"])
            assert passed["profiles"] == [ids["customers.csv"]]
            waits = await service.wait_for("events_wait", source=ids["purchases_old.csv"], count=2)
            assert ids["customers.csv"] in waits["reason"]
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert f"_{ids['purchases_new.csv']}_" in taken
    assert _list_archived(tmp_path) == ["purchases_new.csv"]


async def test_by_policy_events_pass_refused_profiles_over_and_the_log_says_so(tmp_path: Path) -> None:
    """With ``blocked_profiles: continue`` events go on at once, and the log names the profiles left behind."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        policy = {"destinations": {"production": {"blocked_profiles": "continue"}}}
        config = await _configure(tmp_path, sandbox, policy)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases=OLD_EVENTS)
        async with run_service(config) as service:
            refused = await service.wait_for("source_quarantined", file="customers.csv")
            passed = await service.wait_for("profiles_passed_over")
            assert passed["profiles"] == [refused["source"]]
            await service.wait_for("run_finished", delivered=1, not_delivered=1)
        await sandbox.wait_until_idle()
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["purchases"]
    assert _list_archived(tmp_path) == ["purchases.csv"]


async def test_events_go_once_refused_profiles_are_dropped_again_corrected(tmp_path: Path) -> None:
    """A corrected file of the same path takes the place of the refused one: it goes first, the events follow, told."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases=OLD_EVENTS)
        async with run_service(config) as service:
            refused = await service.wait_for("source_quarantined", file="customers.csv")
            await service.wait_for("run_finished")
            _drop(tmp_path, customers=PROFILES)
            delivered = await service.wait_for("source_delivered", file="customers.csv")
            assert delivered["source"] != refused["source"]
            told = await service.wait_for("profiles_replaced", profiles=refused["source"])
            assert told["replaced_by"] == delivered["source"]
            events = await service.wait_for("source_delivered", file="purchases.csv")
            assert told["source"] == events["source"]
            await service.wait_for("run_finished", count=2)
            status = await get_status(config)
            (old,) = status.values()
            assert (old["id"], old["state"], old["replaced_by"]) == (
                refused["source"],
                "quarantined",
                delivered["source"],
            )
            shown = (await _call(config, "status")).out
            assert f"replaced by {delivered['source']}, delivered " in shown
            assert f"retry {old['id']}" not in shown
        await sandbox.wait_until_idle()
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["customers", "purchases"]


async def test_a_corrected_file_of_another_name_leaves_events_waiting(tmp_path: Path) -> None:
    """Nobody can tell that it is the same profiles: the quarantined file is waited for until a person releases it."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases=OLD_EVENTS)
        async with run_service(config) as service:
            refused = await service.wait_for("source_quarantined", file="customers.csv")
            await service.wait_for("run_finished")
            _drop(tmp_path, customers_2=PROFILES)
            await service.wait_for("source_delivered", file="customers_2.csv")
            await service.wait_for("run_finished", count=2)
            assert refused["source"] in (await get_status(config))["purchases.csv"]["reason"]
            answer = await _call(config, "release", refused["source"])
            assert answer.out.endswith("it goes on within seconds.\n")
            await service.wait_for("source_delivered", file="purchases.csv")
            await service.wait_for("run_finished", delivered=1, count=2)
            assert "released: no events wait for it" in (await _call(config, "status")).out
        await sandbox.wait_until_idle()
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["customers", "purchases"]


# What is given up.


async def test_refused_rows_of_a_delivered_file_are_given_up_under_a_running_daemon(tmp_path: Path) -> None:
    """It puts them into the archive within seconds; status shows them no longer, and the history says why."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"feeds": {"purchases": {"max_bad_rows": 0.9}}})
        _drop(tmp_path, purchases=OLD_EVENTS + "Sold,soon,u\n")
        async with run_service(config) as service:
            await service.wait_for("run_finished", delivered=1)
            (kept,) = (tmp_path / "workspace" / "rejected").iterdir()
            answer = await _call(config, "discard", kept.name, "--reason", "tests of theirs")
            away = await service.wait_for("refused_rows_discarded", source=kept.name)
            again = await call(config, "discard", kept.name)
            shown = await _call(config, "status")
            head, *_, history = (await _call(config, "history", kept.name)).out.splitlines()
            listed = (await _call(config, "history")).out
    folder = next((tmp_path / "workspace" / "archive").glob(f"*/{kept.name}-refused-rows"))
    assert away["folder"] == str(folder)
    assert answer.out.splitlines() == [
        f"The refused row of {kept.name} (purchases.csv) is discarded; it stays delivered.",
        f"The daemon puts the row into {folder} within seconds.",
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["failed_rows.csv", "report.json"]
    assert not kept.exists()
    assert (again.code, "its refused rows were given up before" in again.errors) == (2, True)
    assert "rows refused" not in shown.out
    assert "archived → archived" in history
    assert head.startswith(f"{kept.name}  archived  purchases.csv")
    assert "2 of 3 rows sent, 1 refused and given up" in listed
    assert history.endswith("its refused rows were given up by a person: tests of theirs")


async def test_discarded_profiles_are_waited_for_no_longer(tmp_path: Path) -> None:
    """Events that waited for refused profiles go as soon as a person gives these up; the file lies in the archive."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES, purchases=OLD_EVENTS)
        async with run_service(config) as service:
            await service.wait_for("run_finished", verdict="not_all_delivered")
            status = await get_status(config)
            assert status["purchases.csv"]["reason"] is not None
            source_id = status["customers.csv"]["id"]
            answer = await _call(config, "discard", source_id, "--reason", "comes again\ntomorrow")
            told = f"{source_id} (customers.csv) is discarded; nothing of it was delivered."
            assert answer.out.splitlines()[0] == told
            assert answer.out.splitlines()[1].startswith("The daemon puts its file into ")
            assert answer.out.endswith(" within seconds.\n")
            await service.wait_for("source_discarded", source=source_id)
            await service.wait_for("source_delivered", file="purchases.csv")
            await service.wait_for("run_finished", delivered=1)
        await sandbox.wait_until_idle()
        assert [name.split("_")[0] for name in _list_taken(sandbox)] == ["purchases"]
    kept = next((tmp_path / "workspace" / "archive").glob(f"*/{source_id}"))
    assert str(kept) in answer.out
    assert sorted(path.name for path in kept.iterdir()) == ["customers.csv", "report.json"]
    assert (kept / "customers.csv").read_text() == BROKEN_PROFILES
    assert list((tmp_path / "workspace" / "quarantine").iterdir()) == []
    history = (await _call(config, "history", source_id)).out.splitlines()[-1]
    assert "quarantined → discarded" in history
    assert history.endswith("given up by a person: comes again tomorrow; nothing of it was delivered")


async def test_a_copy_that_is_given_up_leaves_nothing_behind(tmp_path: Path) -> None:
    """The same events twice: held, and ``discard`` closes it without a daemon; status and exit codes are clean."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, purchases=OLD_EVENTS)
        await _call(config, "run", "--once")
        _drop(tmp_path, purchases_again=OLD_EVENTS)
        assert (await call(config, "run", "--once")).code == 1
        (held,) = (await get_status(config)).values()
        assert "sftp-orchestrator" not in held["reason"]
        assert f"sftp-orchestrator discard {held['id']}" in held["next"]
        lines = (await _call(config, "status")).out.splitlines()
        command = f"{held['id']}  next: sftp-orchestrator --config {config}"
        assert [line for line in lines if line.startswith(command)] == [
            f"{command} {word} {held['id']}" for word in ("discard", "release")
        ]
        answer = await _call(config, "discard", held["id"])
        assert answer.out.splitlines()[1].startswith("The next run puts its file into ")
        assert answer.out.endswith("; no daemon runs.\n")
        shown, status, once, history, told = await _call_all(
            config, [("status",), ("status", "--json"), ("run", "--once"), ("history",), ("history", "--json")]
        )
        assert shown.code == 0
        assert shown.out.startswith("Nothing waits. 1 file was delivered so far, the last one ")
        counts = status.json["counts"]
        assert (counts["held"], counts["discarded"], counts["archived"]) == (0, 1, 1)
        assert (once.code, once.out) == (0, "")
        assert any(
            held["id"] in line and "discarded: given up by a person" in line for line in history.out.splitlines()
        )
        assert [source["id"] for source in told.json["discarded"]] == [held["id"]]
        assert [source["file"] for source in told.json["delivered"]] == ["purchases.csv"]
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1
    assert _list_archived(tmp_path) == ["purchases.csv", "purchases_again.csv"]
    assert list((tmp_path / "workspace" / "work").iterdir()) == []


# Files that wait for their turn.


async def test_of_two_versions_that_wait_for_the_night_one_is_given_up(tmp_path: Path) -> None:
    """Nothing of it is sent, its file lies in the archive, and the other one goes alone."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, {"schedule": {"deliver": ["0 0 29 2 *"]}})
        async with run_service(config) as service:
            _drop(tmp_path, purchases=OLD_EVENTS)
            await service.wait_for("source_planned", count=1)
            _drop(tmp_path, purchases=NEW_EVENTS)
            await service.wait_for("source_planned", count=2)
            status = json.loads((await _call(config, "status", "--json")).out)["sources"]
            older, newer = (source["id"] for source in status)
            said = f"a later file of this path waits, too ({newer}): both are sent, unless you give this one up:"
            assert status[0]["next"][-2:] == [said, f"sftp-orchestrator discard {older}"]
            assert said not in status[1]["next"]
            answer = await _call(config, "discard", older, "--reason", "an older version")
            assert answer.out.startswith(f"{older} (purchases.csv) is discarded; nothing of it was delivered.\n")
            await service.wait_for("source_discarded", source=older)
            await _call(config, "run-now")
            await service.wait_for("run_finished", delivered=1)
            assert await service.stop() == 0
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert (sandbox.paths.inbox / taken).read_text(encoding="utf-8") == NEW_EVENTS
    kept = next((tmp_path / "workspace" / "archive").glob(f"*/{older}"))
    assert (kept / "purchases.csv").read_text(encoding="utf-8") == OLD_EVENTS
    assert list((tmp_path / "workspace" / "work").iterdir()) == []


async def test_a_file_is_given_up_while_it_goes_up(tmp_path: Path) -> None:
    """No manifest of it is written, its data is removed at the receiver, and what comes behind it goes."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox, PausedRelay(sandbox.port, limit_bytes=30_000) as relay:
        config = await _configure_through(relay, tmp_path, sandbox)
        async with run_service(config) as service:
            _drop(tmp_path, purchases=OLD_EVENTS + "".join(f"Sold,1700000001,b{row}\n" for row in range(2_000)))
            await asyncio.wait_for(relay.struck.wait(), DEADLINE_SECONDS)
            (going,) = (await get_status(config)).values()
            assert going["state"] == "ready"
            await _call(config, "discard", going["id"])
            _drop(tmp_path, purchases_next=NEW_EVENTS)
            await service.wait_for("source_planned", count=2)
            relay.released.set()
            await service.wait_for("source_moved_meanwhile", source=going["id"])
            await service.wait_for("leftover_removed", source=going["id"])
            await service.wait_for("source_discarded", source=going["id"])
            await service.wait_for("source_delivered", file="purchases_next.csv")
            assert await service.stop() == 0
            assert not [entry for entry in service.lines if entry.get("level") == "error"]
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert (sandbox.paths.inbox / taken).read_text(encoding="utf-8") == NEW_EVENTS
    assert _list_archived(tmp_path) == ["purchases.csv", "purchases_next.csv"]


async def test_data_of_a_file_that_was_given_up_is_removed_though_nothing_else_goes(tmp_path: Path) -> None:
    """Killed after the upload, and given up while nobody ran: the next start goes there for that alone."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox, PausedRelay(sandbox.port, limit_bytes=30_000) as relay:
        config = await _configure_through(relay, tmp_path, sandbox)
        async with run_service(config) as service:
            _drop(tmp_path, purchases=OLD_EVENTS + "".join(f"Sold,1700000001,b{row}\n" for row in range(2_000)))
            await asyncio.wait_for(relay.struck.wait(), DEADLINE_SECONDS)
            service.process.kill()
            await service.wait()
        await sandbox.wait_until_idle()
        (data,) = [path.name for path in sandbox.paths.inbox.iterdir()]
        (going,) = (await get_status(config)).values()
        await _call(config, "discard", going["id"])
        relay.released.set()
        answer = await _call(config, "run", "--once")
        assert answer.errors.count('"leftover_removed"') == 1
        await sandbox.wait_until_idle()
        assert list(sandbox.paths.inbox.iterdir()) == []
        assert data.startswith("purchases_")
        assert "run_started" not in (await _call(config, "run", "--once")).errors


async def test_rows_left_out_for_those_of_a_file_that_was_given_up_go_after_all(tmp_path: Path) -> None:
    """A file that was planned without the rows of an earlier one is read again once nobody sends that."""
    both = OLD_EVENTS + NEW_EVENTS.partition("\n")[2]
    feeds = {"purchases": {"deduplicate": {"columns": ["time_stamp", "user_id"], "days": 3}}}
    async with _make_sandbox(tmp_path / "receiver") as sandbox, PausedRelay(sandbox.port, limit_bytes=1) as relay:
        config = await _configure_through(relay, tmp_path, sandbox, feeds=feeds)
        async with run_service(config) as service:
            _drop(tmp_path, purchases=OLD_EVENTS, purchases_whole=both)
            await service.wait_for("source_planned", count=2)
            await _call(config, "discard", (await get_status(config))["purchases.csv"]["id"])
            relay.released.set()
            await service.wait_for("source_delivered", file="purchases_whole.csv")
            assert await service.stop() == 0
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert (sandbox.paths.inbox / taken).read_text(encoding="utf-8") == both


# Quarantined files.


async def test_a_quarantined_file_is_tried_again_as_often_as_a_person_says(tmp_path: Path) -> None:
    """Still broken it goes back with a fresh report; corrected in place it is delivered once, as corrected."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES)
        async with run_service(config) as service:
            source_id = (await service.wait_for("source_quarantined"))["source"]
            await service.wait_for("run_finished")
            folder = tmp_path / "workspace" / "quarantine" / source_id
            assert _get_line(folder) == 3
            (folder / "customers.csv").write_text("user_id,Name\na,Ada\nb,Bob\nc\n", encoding="utf-8")
            answer = await _call(config, "retry", source_id)
            assert source_id in answer.out
            await service.wait_for("source_quarantined", count=2)
            await service.wait_for("run_finished", count=2)
            assert _get_line(folder) == 4
            assert sorted(path.name for path in folder.iterdir()) == ["customers.csv", "report.json"]
            (folder / "customers.csv").write_text(PROFILES, encoding="utf-8")
            await _call(config, "retry", source_id)
            await service.wait_for("source_delivered", source=source_id, records=2)
            await service.wait_for("run_finished", count=3)
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert (sandbox.paths.inbox / taken).read_text() == PROFILES
    assert not folder.exists()
    assert _list_archived(tmp_path) == ["customers.csv"]


async def test_a_file_that_somebody_removed_can_be_put_back_where_status_says(tmp_path: Path) -> None:
    """Gone from quarantine, it is held with the path where it belongs and whose folder is there; ``retry`` sends it."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, customers=BROKEN_PROFILES)
        async with run_service(config) as service:
            source_id = (await service.wait_for("source_quarantined"))["source"]
            await service.wait_for("run_finished")
            workspace = tmp_path / "workspace"
            (workspace / "quarantine" / source_id / "customers.csv").unlink()
            await _call(config, "retry", source_id)
            await service.wait_for("source_held", source=source_id)
            await service.wait_for("run_finished", count=2)
            shown = (await _call(config, "status")).out
            path = workspace / "work" / source_id / "source.csv"
            assert f"next: put the file back as {path}, then:" in shown
            assert f"release {source_id}" not in shown
            path.write_text(PROFILES, encoding="utf-8")
            assert "once the reason is dealt with:" in (await _call(config, "status")).out
            await _call(config, "retry", source_id)
            await service.wait_for("source_delivered", source=source_id, records=2)
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1


def _get_line(folder: Path) -> int:
    """Return the line that the report's one finding names."""
    (finding,) = json.loads((folder / "report.json").read_text())["findings"]
    return int(finding["line"])


# Manifests of which nobody knows the outcome.


async def test_events_that_may_have_been_taken_wait_and_are_not_sent_again_when_they_were(tmp_path: Path) -> None:
    """Data and manifest gone: held, with the reason and what to type; others go on; ``--delivered`` archives it."""
    killer = _Killer(Event.RENAMED, "purchases")
    async with _make_sandbox(tmp_path / "receiver", listener=killer, removes=True) as sandbox:
        config = await _configure(tmp_path, sandbox, RENAME)
        _drop(tmp_path, purchases_new=NEW_EVENTS, purchases_old=OLD_EVENTS)
        manifest = await _kill_while_publishing(config, sandbox, killer)
        assert list(sandbox.paths.inbox.glob(f"{manifest.removesuffix(MANIFEST_SUFFIX)}*")) == []
        async with run_service(config) as service:
            await service.wait_for("source_delivered", file="purchases_new.csv")
            await service.wait_for("run_finished")
            status = await get_status(config)
            assert list(status) == ["purchases_old.csv"]
            old = status["purchases_old.csv"]
            assert (old["state"], [part["state"] for part in old["parts"]]) == ("held", ["uncertain"])
            assert manifest in old["reason"]
            shown, refused, kept = await _call_all(config, [("status",), ("retry", old["id"]), ("discard", old["id"])])
            assert "uncertain" in shown.out
            # Once, as what to do next, and not within the reason as well.
            assert [shown.out.count(f"resolve {old['id']}{word}") for word in ("", " --delivered")] == [2, 1]
            seen = "part 1/1: neither data nor manifest is there: the receiver may have taken them"
            assert f"{old['id']}  seen: {seen}" in shown.out.splitlines()
            assert shown.out.count(manifest) == 1
            assert (refused.code, refused.errors.count("\n")) == (1, 1)
            assert f"resolve {old['id']} --delivered" in refused.errors
            assert (kept.code, kept.errors.count("\n")) == (1, 1)
            assert f"resolve {old['id']} --delivered" in kept.errors
            assert refused.errors.startswith(f"sftp-orchestrator: retry source {old['id']}: ")
            released = await call(config, "release", old["id"])
            assert released.errors.startswith(f"sftp-orchestrator: release source {old['id']}: ")
            resolved = await _call(config, "resolve", old["id"], "--delivered")
            assert resolved.out.splitlines()[-1] == "It goes on within seconds."
            await service.wait_for("source_delivered", file="purchases_old.csv")
            await service.wait_for("run_finished", count=2)
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 2
        assert len([name for name in _list_taken(sandbox) if f"_{old['id']}" in name]) == 1
        assert _count_uploads(sandbox, manifest) == 1
    assert _list_archived(tmp_path) == ["purchases_new.csv", "purchases_old.csv"]


async def test_events_that_were_not_taken_are_sent_again_under_new_names_by_a_persons_word(tmp_path: Path) -> None:
    """A manifest that was cut off: held as uncertain, and ``--resend`` sends it once more, with names never used."""
    killer = _Killer(Event.OPENED, "purchases")
    async with _make_sandbox(tmp_path / "receiver", listener=killer) as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, purchases=OLD_EVENTS)
        manifest = await _kill_while_publishing(config, sandbox, killer)
        async with run_service(config) as service:
            settled = await service.wait_for("publishing_settled", finding="unknown")
            assert "0 of" in settled["why"]
            await service.wait_for("run_finished", verdict="not_all_delivered")
            await _call(config, "resolve", settled["source"], "--resend")
            await service.wait_for("source_delivered", source=settled["source"])
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
        assert taken.removesuffix(".csv") != manifest.removesuffix(MANIFEST_SUFFIX)
        assert (_count_uploads(sandbox, taken), _count_uploads(sandbox, manifest)) == (1, 1)
        assert (sandbox.paths.inbox / taken).read_text() == OLD_EVENTS


async def test_profiles_that_may_have_been_taken_are_sent_again_by_themselves(tmp_path: Path) -> None:
    """Profiles do no harm twice: gone without a trace, they are sent again under a new name, and events follow."""
    killer = _Killer(Event.RENAMED, "customers")
    async with _make_sandbox(tmp_path / "receiver", listener=killer, removes=True) as sandbox:
        config = await _configure(tmp_path, sandbox, RENAME)
        _drop(tmp_path, customers=PROFILES, purchases=OLD_EVENTS)
        await _kill_while_publishing(config, sandbox, killer)
        async with run_service(config) as service:
            await service.wait_for("publishing_settled", finding="unknown")
            await service.wait_for("source_delivered", file="purchases.csv")
            await service.wait_for("run_finished", verdict="done")
        await sandbox.wait_until_idle()
        taken = _list_taken(sandbox)
        assert [name.split("_")[0] for name in taken] == ["customers", "customers", "purchases"]
        assert len(set(taken)) == 3
    assert _list_archived(tmp_path) == ["customers.csv", "purchases.csv"]


async def test_what_may_have_been_taken_is_held_when_its_feed_is_gone(tmp_path: Path) -> None:
    """Without its feed nobody can write a new manifest: the source is held, and ``--resend`` says so."""
    killer = _Killer(Event.RENAMED, "customers")
    async with _make_sandbox(tmp_path / "receiver", listener=killer, removes=True) as sandbox:
        config = await _configure(tmp_path, sandbox, RENAME)
        _drop(tmp_path, customers=PROFILES)
        manifest = await _kill_while_publishing(config, sandbox, killer)
        values = yaml.safe_load(config.read_text())
        del values["feeds"]["customers"]
        write_values(tmp_path, values)
        answer = await call(config, "run", "--once")
        assert "Traceback" not in answer.errors
        assert (answer.code, "source_held" in answer.errors) == (1, True), answer
        source_id = manifest.split("_")[-2]
        answer = await call(config, "resolve", source_id, "--resend")
        assert (answer.code, answer.errors.count("\n")) == (1, 1), answer
        assert "customers" in answer.errors
        assert len(_list_taken(sandbox)) == 1


@pytest.mark.parametrize("removed", [False, True], ids=["never named", "removed"])
async def test_a_manifest_that_is_not_there_beside_its_data_is_published_again(
    tmp_path: Path, *, removed: bool
) -> None:
    """Data there and manifest not: the manifest alone is sent again, under the same name."""
    killer = _Killer(Event.OPENED, "purchases")
    async with _make_sandbox(tmp_path / "receiver", listener=killer) as sandbox:
        config = await _configure(tmp_path, sandbox, None if removed else RENAME)
        _drop(tmp_path, purchases=OLD_EVENTS)
        manifest = await _kill_while_publishing(config, sandbox, killer)
        if removed:
            await use(sandbox, lambda client: client.remove(manifest))
        async with run_service(config) as service:
            await service.wait_for("publishing_settled", finding="not_published")
            await service.wait_for("source_delivered", file="purchases.csv")
        await sandbox.wait_until_idle()
        (data,) = _list_taken(sandbox)
        named = data.replace(".csv", MANIFEST_SUFFIX)
        assert manifest.removesuffix(".uploading") == named
        assert (_count_uploads(sandbox, data), _count_uploads(sandbox, named)) == (1, 2)


async def test_a_manifest_that_is_there_in_full_is_not_sent_again(tmp_path: Path) -> None:
    """Killed before it could note the outcome, the daemon finds the manifest there and counts it as delivered."""
    killer = _Killer(Event.RENAMED, "purchases")
    async with _make_sandbox(tmp_path / "receiver", listener=killer) as sandbox:
        config = await _configure(tmp_path, sandbox, RENAME)
        _drop(tmp_path, purchases=OLD_EVENTS)
        manifest = await _kill_while_publishing(config, sandbox, killer)
        async with run_service(config) as service:
            await service.wait_for("publishing_settled", finding="delivered")
            await service.wait_for("run_finished", verdict="done", delivered=1)
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1
        assert _count_uploads(sandbox, manifest) == 1
    assert _list_archived(tmp_path) == ["purchases.csv"]


# What cannot be decided.


async def test_a_decision_about_nothing_is_refused_in_one_line(tmp_path: Path) -> None:
    """An unknown id, a delivered source, no or two answers to ``resolve``: exit code 2, one line, no traceback."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox)
        _drop(tmp_path, purchases=OLD_EVENTS)
        await _call(config, "run", "--once")
        await sandbox.wait_until_idle()
        (taken,) = _list_taken(sandbox)
    source_id = taken.split("_")[-2]
    commands = [
        ("retry", "nosuch"),
        ("resolve", "nosuch", "--delivered"),
        ("release", source_id),
        ("discard", source_id),
        ("discard", "nosuch"),
        ("resolve", source_id, "--resend"),
        ("resolve", source_id),
        ("resolve", source_id, "--delivered", "--resend"),
    ]
    for command, answer in zip(commands, await _call_all(config, commands), strict=True):
        assert (answer.code, answer.out) == (2, ""), (command, answer)
        assert answer.errors.count("\n") == 1, answer.errors
        assert answer.errors.startswith(f"sftp-orchestrator: {command[0]}") or "nosuch" in answer.errors
        assert command[1] in answer.errors


async def _call_all(config: Path, commands: list[tuple[str, ...]]) -> list[Answer]:
    """Call commands side by side, as many people might."""
    return await asyncio.gather(*(call(config, *command) for command in commands))
