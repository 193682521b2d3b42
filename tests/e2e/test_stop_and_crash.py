"""The daemon is stopped or killed at every step that the receiver sees, and started again: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.deliver.publish import PUBLISH_GRACE_SECONDS
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import PartState
from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from sftp_orchestrator.schedule import Ticks
from tests.support.backlogs import fill_ledger
from tests.support.configuration import write_configuration
from tests.support.ports import find_free_port
from tests.support.relay import HeldRelay, PausedRelay, SilentRelay
from tests.support.service import call, configure, get_status, run_service

ROWS = 400
LIMITS = {"destinations": {"production": {"limits": {"plain_bytes": 4_000}}}}
"""So small that each file becomes several parts."""
SMALL_FILES = 40
"""More than are published together."""
STOP_SECONDS = 30
"""What systemd and Docker are told to wait (deploy/)."""
QUICK_STOP_SECONDS = 5
"""Where nothing is under way that is worth waiting for."""


def _drop(staging: Path) -> dict[str, bytes]:
    """Drop a profiles file and two event files, the newer events first by name; return what was dropped."""
    header = "event_name,time_stamp,user_id,note\n"

    def make(first_ts: int) -> bytes:
        rows = (f'Sold,{first_ts + number},user{number},"two\nlines {number}"\n' for number in range(ROWS))
        return (header + "".join(rows)).encode()

    files = {
        "purchases_a_new.csv": make(1_700_100_000),
        "purchases_b_old.csv": make(1_700_000_000),
        "customers.csv": ("user_id,Name\n" + "".join(f"user{n},Zoë {n}\n" for n in range(ROWS))).encode(),
    }
    for name, content in files.items():
        (staging / name).write_bytes(content)
    return files


class _Trap:
    """Calls something once, at the ``count``-th entry of a kind for names with a given ending for which ``when`` is."""

    def __init__(self, event: Event, ending: str, count: int = 1, *, when: Callable[[], bool] = lambda: True) -> None:
        self._wanted = (event, ending)
        self._left = count
        self._when = when
        self.spring: Callable[[], None] = lambda: None
        self.sprung = asyncio.Event()

    def __call__(self, entry: Entry) -> None:
        event, ending = self._wanted
        name = str(entry.details.get("manifest") or entry.details.get("name") or "")
        if entry.event is not event or not name.endswith(ending) or self.sprung.is_set() or not self._when():
            return
        self._left -= 1
        if self._left == 0:
            self.sprung.set()
            self.spring()


def _make_sandbox(root: Path, listener: Callable[[Entry], None] | None = None) -> Sandbox:
    return Sandbox(Settings(root=root, openpgp_algorithm=CURVE_25519), listener=listener)


def _check_history(activity: Path, inbox: Path, dropped: dict[str, bytes]) -> None:
    """Check the receiver's own log: everything once, no manifest before its data, the wanted order."""
    entries = read_activity(activity)
    taken = [entry.details for entry in entries if entry.event is Event.TAKEN]
    assert not [entry for entry in entries if entry.event is Event.REFUSED]
    assert max(Counter(str(details["data"]) for details in taken).values()) == 1
    names = [str(details["data"]) for details in taken]
    groups = list(dict.fromkeys(name.rsplit("_", 1)[0] for name in names))
    assert [name.split("_")[0] for name in groups] == ["customers", "purchases", "purchases"]
    assert names == [name for group in groups for name in sorted(names) if name.startswith(group)]
    wanted = [dropped["customers.csv"], dropped["purchases_b_old.csv"], dropped["purchases_a_new.csv"]]
    for group, content in zip(groups, wanted, strict=True):
        assert _join([(inbox / name).read_bytes() for name in names if name.startswith(group)]) == _hash(content)
    _check_order_of_bytes(entries, set(names))


def _check_doubt(left: list[dict[str, Any]], activity: Path) -> None:
    """Check that what waits for a person is a manifest in half: the kill came when the next one had been opened."""
    entries = read_activity(activity)
    whole = {
        str(entry.details["name"]) for entry in entries if entry.event is Event.CLOSED and entry.details["complete"]
    }
    opened = {str(entry.details["name"]) for entry in entries if entry.event is Event.OPENED}
    (doubtful,) = [part for source in left for part in source["parts"] if part["state"] == "uncertain"]
    assert doubtful["manifest_name"] in opened - whole


def _check_order_of_bytes(entries: list[Entry], names: set[str]) -> None:
    complete: set[str] = set()
    for entry in entries:
        name = str(entry.details.get("name", ""))
        if entry.event is Event.CLOSED and entry.details["complete"]:
            complete.add(name)
        if entry.event is Event.OPENED and name.endswith(".manifest"):
            assert name.replace(".manifest", ".csv") in complete, f"{name} came before its data"
        if entry.event is Event.OPENED and name.startswith("purchases"):
            profiles = {found for found in names if found.startswith("customers")}
            assert {found.replace(".csv", ".manifest") for found in profiles} <= complete, f"{name} overtook profiles"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _join(parts: list[bytes]) -> str:
    """Return the hash of the parts, joined with the first one's header."""
    header = parts[0].split(b"\n", 1)[0] + b"\n"
    assert all(part.startswith(header) for part in parts)
    return _hash(header + b"".join(part.removeprefix(header) for part in parts))


@pytest.mark.parametrize(
    ("event", "ending", "count"),
    [
        pytest.param(Event.LOGIN, "", 1, id="login"),
        pytest.param(Event.OPENED, ".csv", 1, id="first data opened"),
        pytest.param(Event.CLOSED, ".csv", 3, id="third data closed"),
        pytest.param(Event.CLOSED, ".manifest", 1, id="first manifest closed"),
        pytest.param(Event.TAKEN, ".manifest", 2, id="second part taken"),
        pytest.param(Event.CLOSED, ".manifest", 6, id="between manifests of events"),
        pytest.param(Event.TAKEN, ".manifest", 9, id="in the last file"),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_stop_or_crash_while_delivering_loses_and_doubles_nothing(
    tmp_path: Path, number: signal.Signals, event: Event, ending: str, count: int
) -> None:
    """Ended at any step the receiver sees, and started again, the daemon delivers the rest once, in order."""
    trap = _Trap(event, ending, count)
    async with _make_sandbox(tmp_path / "receiver", trap) as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, LIMITS)
        dropped = _drop(tmp_path / "staging")
        async with run_service(written.path) as service:
            trap.spring = lambda: service.process.send_signal(number)
            await asyncio.wait_for(trap.sprung.wait(), STOP_SECONDS)
            code = await service.wait()
            assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL), service.lines
        async with run_service(written.path) as service:
            verdict = (await service.wait_for("run_finished"))["verdict"]
            assert await service.stop() == 0
        await sandbox.wait_until_idle()
        left = await get_status(written.path)
    if number is signal.SIGKILL and verdict != "done":
        _check_doubt(list(left.values()), sandbox.paths.activity)
        return
    assert left == {}
    _check_history(sandbox.paths.activity, sandbox.paths.inbox, dropped)
    archived = {path.name for path in (tmp_path / "workspace" / "archive").rglob("*.csv")}
    assert archived == set(dropped)


async def test_a_stop_in_the_middle_of_a_silent_upload_ends_within_30_seconds(tmp_path: Path) -> None:
    """SIGTERM while bytes hang on a dead line: exit 0 in time, and the next start delivers everything once."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox:
        async with SilentRelay(sandbox.port, limit_bytes=30_000) as relay:
            host_key = sandbox.host_public_key
            line = {"port": relay.port, "host_keys": [host_key], "known_hosts": None}
            written = await asyncio.to_thread(configure, tmp_path, sandbox, {"destinations": {"production": line}})
            dropped = _drop(tmp_path / "staging")
            async with run_service(written.path) as service:
                await asyncio.wait_for(relay.struck.wait(), STOP_SECONDS)
                started = asyncio.get_running_loop().time()
                assert await service.stop() == 0
                assert asyncio.get_running_loop().time() - started < STOP_SECONDS
        written = await asyncio.to_thread(configure, tmp_path, sandbox)
        answer = await call(written.path, "run", "--once")
        assert answer.code == 0, answer.errors
        await sandbox.wait_until_idle()
    _check_history(sandbox.paths.activity, sandbox.paths.inbox, dropped)


async def test_a_second_signal_hurries(tmp_path: Path) -> None:
    """A stop waits for a manifest on a silent line; a second signal does not, and nothing is taken twice after it."""
    trap = _Trap(Event.OPENED, ".manifest", 1)
    async with _make_sandbox(tmp_path / "receiver", trap) as sandbox:
        async with SilentRelay(sandbox.port) as relay:
            trap.spring = lambda: setattr(relay, "limit_bytes", 0)
            line = {"port": relay.port, "host_keys": [sandbox.host_public_key], "known_hosts": None}
            written = await asyncio.to_thread(configure, tmp_path, sandbox, {"destinations": {"production": line}})
            (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
            async with run_service(written.path) as service:
                await asyncio.wait_for(relay.struck.wait(), STOP_SECONDS)
                started = asyncio.get_running_loop().time()
                service.process.send_signal(signal.SIGTERM)
                await service.wait_for("stopping")
                assert await service.stop() == 0
                assert asyncio.get_running_loop().time() - started < PUBLISH_GRACE_SECONDS / 2
        written = await asyncio.to_thread(configure, tmp_path, sandbox)
        answer = await call(written.path, "run", "--once")
        assert answer.code == 0, answer.errors
        await sandbox.wait_until_idle()
    taken = [entry for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert [entry.details["rows"] for entry in taken] == [1]


async def test_of_several_manifests_a_stop_sees_one_through(tmp_path: Path) -> None:
    """SIGTERM while one of many is on its way: no other one leaves, none is in doubt, and the rest goes later."""

    def has_company() -> bool:
        with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
            return len(ledger.parts.list_in(PartState.PUBLISHING)) > 1

    trap = _Trap(Event.OPENED, ".manifest", when=has_company)
    async with _make_sandbox(tmp_path / "receiver", trap) as sandbox:
        async with PausedRelay(sandbox.port) as relay:
            trap.spring = lambda: setattr(relay, "limit_bytes", 0)
            line = {"port": relay.port, "host_keys": [sandbox.host_public_key], "known_hosts": None}
            written = await asyncio.to_thread(configure, tmp_path, sandbox, {"destinations": {"production": line}})
            for number in range(SMALL_FILES):
                (tmp_path / "staging" / f"customers_{number}.csv").write_text(f"user_id,Name\nuser{number},Ada\n")
            async with run_service(written.path) as service:
                await asyncio.wait_for(relay.struck.wait(), STOP_SECONDS)
                service.process.send_signal(signal.SIGTERM)
                await service.wait_for("stopping")
                relay.released.set()
                assert await service.wait() == 0
            await sandbox.wait_until_idle()
            entries = read_activity(sandbox.paths.activity)
            opened = [
                entry
                for entry in entries
                if entry.event is Event.OPENED and str(entry.details["name"]).endswith(".manifest")
            ]
            taken = [entry for entry in entries if entry.event is Event.TAKEN]
            assert len(taken) == len(opened)
            left = (await get_status(written.path)).values()
            waiting = Counter(part["state"] for source in left for part in source["parts"])
            assert waiting.pop("delivered", 0) <= len(taken)  # and not put away yet
            assert "uploaded" in waiting
            assert set(waiting) <= {"planned", "ready", "uploaded"}
            with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
                assert [move for move in ledger.list_history() if move.reason == "its turn did not come"]
        written = await asyncio.to_thread(configure, tmp_path, sandbox)
        answer = await call(written.path, "run", "--once")
        assert answer.code == 0, answer.errors
        await sandbox.wait_until_idle()
    taken = [entry for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert len({entry.details["data"] for entry in taken}) == len(taken) == SMALL_FILES


async def test_a_run_by_schedule_that_a_crash_cut_short_goes_on_at_the_next_start(tmp_path: Path) -> None:
    """Missed ticks are one run; killed in it, the rest goes at once, not a day later; what comes after waits."""
    trap = _Trap(Event.CLOSED, ".manifest", 5)
    nightly = {"timezone": "UTC", "schedule": {"deliver": "0 2 * * *"}}
    async with _make_sandbox(tmp_path / "receiver", trap) as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, {**LIMITS, **nightly})
        with Ledger.open("sqlite", tmp_path / "workspace") as ledger:
            ticks = Ticks(line="0 2 * * *", zone=written.configuration.zone, runs=ledger.runs, destination="production")
            ticks.begin(datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=5))
        dropped = _drop(tmp_path / "staging")
        async with run_service(written.path) as service:
            trap.spring = service.process.kill
            await service.wait_for("run_started", trigger="schedule")
            assert await service.wait() == -signal.SIGKILL
        async with run_service(written.path) as service:
            await service.wait_for("run_finished", verdict="done")
            (tmp_path / "staging" / "customers_late.csv").write_bytes(b"user_id,Name\na,Ada\n")
            late = await service.wait_for("source_claimed", file="customers_late.csv")
            await service.wait_for("source_planned", source=late["source"])
            status = (await get_status(written.path))["customers_late.csv"]
            assert status["state"] == "planned"
            told = [line["at"] for line in service.lines if line["event"] == "delivery_scheduled"]
            assert [datetime.datetime.fromisoformat(at).hour for at in told] == [2, 2]
            assert datetime.datetime.fromisoformat(told[0]) < datetime.datetime.fromisoformat(told[1])
            assert status["reason"].startswith("waits for the schedule, next at ")
            assert [line["trigger"] for line in service.lines if line["event"] == "run_started"] == ["schedule"]
            await sandbox.wait_until_idle()
            _check_history(sandbox.paths.activity, sandbox.paths.inbox, dropped)
            assert (await call(written.path, "retry", late["source"])).code == 0
            await service.wait_for("source_delivered", file="customers_late.csv")
            assert [line["trigger"] for line in service.lines if line["event"] == "run_started"][1:] == ["retry"]
            assert await service.stop() == 0


async def test_a_file_that_comes_while_others_go_up_goes_next(tmp_path: Path) -> None:
    """What is claimed in the middle of a run is delivered right after it, though nothing else arrives."""
    async with _make_sandbox(tmp_path / "receiver") as sandbox, HeldRelay(sandbox.port, limit_bytes=20_000) as relay:
        line = {"port": relay.port, "host_keys": [sandbox.host_public_key], "known_hosts": None}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, {"destinations": {"production": line}})
        rows = b"".join(b"user%d,Ada\n" % number for number in range(4_000))
        (tmp_path / "staging" / "customers_1.csv").write_bytes(b"user_id,Name\n" + rows)
        async with run_service(written.path) as service:
            await asyncio.wait_for(relay.struck.wait(), STOP_SECONDS)
            (tmp_path / "staging" / "customers_2.csv").write_bytes(b"user_id,Name\nb,Ben\n")
            await service.wait_for("source_claimed", file="customers_2.csv")
            relay.released.set()
            for name in ("customers_1.csv", "customers_2.csv"):
                await service.wait_for("source_delivered", file=name)
            assert await service.stop() == 0


async def test_looks_that_nobody_waits_for_hold_up_neither_intake_nor_stop(tmp_path: Path) -> None:
    """Thousands wait, and scrapers give up before they have an answer: files are taken in, SIGTERM ends at once."""
    port = find_free_port()
    changes = {"web": {"listen": f"127.0.0.1:{port}"}, "schedule": {"deliver": "0 2 1 1 *"}}
    written = await asyncio.to_thread(write_configuration, tmp_path, changes)
    await asyncio.to_thread(fill_ledger, written.configuration, 2_000)
    async with run_service(written.path) as service:
        await service.wait_for("daemon_started")
        for _ in range(6):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await writer.drain()
            writer.close()
        (tmp_path / "staging" / "customers_new.csv").write_bytes(b"user_id,Name\na,Ada\n")
        await service.wait_for("source_claimed", file="customers_new.csv")
        started = asyncio.get_running_loop().time()
        assert await service.stop() == 0
        assert asyncio.get_running_loop().time() - started < QUICK_STOP_SECONDS
