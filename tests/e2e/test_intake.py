"""Intake as a process, against the sandbox: what is taken from staging, when, and what is left alone."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from sftp_orchestrator.config.model import Intake
from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from tests.support.sandboxes import make_sandbox
from tests.support.service import Service, call, configure, run_service

HEADER = b"event_name,time_stamp,user_id\n"
NEVER_SECONDS = 1_000_000
"""To settle in this time, a file would have to lie there for days."""
ANYWHERE = {"feeds": {"purchases": {"files": ["**/*purchases*.csv"]}}}
"""Purchases in any folder."""
FREQUENT = {"intake": {"rescan_seconds": 0.2}}
"""So that several scans take place in a short time."""


def _make_rows(first: int, count: int = 3) -> bytes:
    return "".join(f"Sold,{1_700_000_000 + n},user{n}\n" for n in range(first, first + count)).encode()


def _make_events(first: int, count: int = 3) -> bytes:
    return HEADER + _make_rows(first, count)


def _drop(path: Path, content: bytes) -> bytes:
    """Write a file as careful producers do: beside its place under an ignored name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent / ".unfinished.tmp"
    unfinished.write_bytes(content)
    unfinished.rename(path)
    return content


def _list_taken(sandbox: Sandbox) -> list[dict[str, Any]]:
    entries = read_activity(sandbox.paths.activity)
    assert not [entry for entry in entries if entry.event in {Event.REFUSED, Event.MANIFEST_IGNORED}]
    return [dict(entry.details) for entry in entries if entry.event is Event.TAKEN]


async def _check_received(sandbox: Sandbox, *contents: bytes) -> None:
    """Check that exactly these files arrived, each whole and once, under names of plain ASCII, and nothing besides."""
    await sandbox.wait_until_idle()
    taken = _list_taken(sandbox)
    wanted = Counter(hashlib.sha256(content).hexdigest() for content in contents)
    assert Counter(details["sha256"] for details in taken) == wanted
    names = [str(details[key]) for details in taken for key in ("data", "manifest")]
    assert all(name.isascii() and name.isprintable() and " " not in name for name in names)
    received = {path.name: path for path in sandbox.paths.inbox.iterdir()}
    assert sorted(received) == sorted(names)
    arrived = Counter(received[str(details["data"])].read_bytes() for details in taken)
    assert arrived == Counter(contents)


async def _wait_for_delivery(service: Service, *files: str) -> None:
    """Wait until these files are delivered and the run that did it has put them away."""
    last = max([service.lines.index(await service.wait_for("source_delivered", file=file)) for file in files])
    before = sum(line["event"] == "run_finished" for line in service.lines[:last])
    await service.wait_for("run_finished", count=before + 1)


async def _let_it_scan(service: Service, staging: Path, *, times: int = 3) -> list[bytes]:
    """Return the files dropped and delivered to see several scans through, each of which took at least one."""
    dropped = []
    for number in range(times):
        name = f"purchases_scan{number}.csv"
        dropped.append(_drop(staging / name, _make_events(100_000 + 10 * number)))
        await _wait_for_delivery(service, name)
    return dropped


async def _get_staging(config: Path) -> tuple[set[str], dict[str, str]]:
    """Return the files that arrive, and the reasons why others are left alone, as ``status --json`` tells them."""
    answer = await call(config, "status", "--json")
    assert answer.code == 0, answer.errors
    found = answer.json["staging"]
    return {one["file"] for one in found["arriving"]}, {one["file"]: one["reason"] for one in found["left_alone"]}


def _list_warned(service: Service) -> Counter[str]:
    return Counter(line["file"] for line in service.lines if line["event"] == "file_left_alone")


def _check_log(service: Service) -> None:
    """Check that every scan went well and that nothing but the log was written."""
    assert not [line for line in service.lines if line["event"] in {"", "scan_failed", "watch_unavailable"}]


async def test_a_file_still_being_written_is_not_claimed_and_arrives_whole(tmp_path: Path) -> None:
    """A producer slower than settle_seconds in all, but with shorter pauses, is waited for to its last piece."""
    settle_seconds, pause_seconds, pieces = 1.2, 0.3, 5
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = {"intake": {"settle_seconds": settle_seconds}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        content = HEADER
        last_write = datetime.datetime.max.replace(tzinfo=datetime.UTC)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            with (tmp_path / "staging" / "purchases.csv").open("wb") as producer:
                producer.write(HEADER)
                for number in range(pieces):
                    piece = _make_rows(10 * number, 10)
                    producer.write(piece)
                    producer.flush()
                    content += piece
                    last_write = datetime.datetime.now(datetime.UTC)
                    assert not [line for line in service.lines if line["event"] == "source_claimed"]
                    # This pause is the producer's own; nothing is waited for.
                    await asyncio.sleep(pause_seconds)
            claimed = await service.wait_for("source_claimed", file="purchases.csv")
            await _wait_for_delivery(service, "purchases.csv")
        assert pieces * pause_seconds > settle_seconds
        waited = datetime.datetime.fromisoformat(claimed["timestamp"]) - last_write
        assert waited.total_seconds() >= settle_seconds - 0.1
        await _check_received(sandbox, content)


@pytest.mark.parametrize(("pattern", "ending"), [("{name}.done", ".csv.done"), ("{stem}.ok", ".ok")])
async def test_with_markers_only_the_marker_makes_a_file_complete(tmp_path: Path, pattern: str, ending: str) -> None:
    """With its marker a file goes at once, without it never; the marker is removed and is never sent itself."""
    staging = tmp_path / "staging"
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = {"intake": {"settle_seconds": NEVER_SECONDS, "ready_marker": pattern}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        without = _drop(staging / "purchases_without.csv", _make_events(0))
        marked = _drop(staging / "purchases_marked.csv", _make_events(10))
        (staging / f"purchases_marked{ending}").touch()
        async with run_service(written.path) as service:
            await _wait_for_delivery(service, "purchases_marked.csv")
            assert [path.name for path in staging.iterdir()] == ["purchases_without.csv"]
            assert await _get_staging(written.path) == ({"purchases_without.csv"}, {})
            await _check_received(sandbox, marked)
            (staging / f"purchases_without{ending}").touch()
            await _wait_for_delivery(service, "purchases_without.csv")
        assert list(staging.iterdir()) == []
        await _check_received(sandbox, marked, without)


async def test_patterns_reach_into_nested_folders_and_ignored_names_are_never_looked_at(tmp_path: Path) -> None:
    """``**`` takes files from any folder, same base names apart; ignored files and folders stay and are not told."""
    staging = tmp_path / "staging"
    ignored = {
        "purchases.csv.tmp",
        ".purchases.csv",
        "exports/draft_purchases.csv",
        ".hidden/purchases.csv",
        "drafts/2026/purchases.csv",
    }
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        names = [*Intake().ignore, "draft*"]
        overrides = {**ANYWHERE, "intake": {"ignore": names, "settle_seconds": 0}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        for name in ignored:
            _drop(staging / name, _make_events(0))
        first = _drop(staging / "exports" / "2025" / "purchases_1.csv", _make_events(10))
        async with run_service(written.path) as service:
            await _wait_for_delivery(service, "exports/2025/purchases_1.csv")
            # Folders that are made while it runs, with a file in them at once.
            second = _drop(staging / "exports" / "2026" / "purchases_1.csv", _make_events(20))
            third = _drop(staging / "purchases_1.csv", _make_events(30))
            await _wait_for_delivery(service, "exports/2026/purchases_1.csv", "purchases_1.csv")
        await _check_received(sandbox, first, second, third)
    assert not _list_warned(service)
    left = {str(path.relative_to(staging)) for path in staging.rglob("*") if path.is_file()}
    assert left == ignored
    archived = sorted(path.read_bytes() for path in (tmp_path / "workspace" / "archive").rglob("purchases_1.csv"))
    assert archived == sorted([first, second, third])


def _look_at(*paths: Path) -> dict[str, tuple[int, ...]]:
    """Return what would show that one of these was moved, replaced or written to."""
    found = {path.name: path.lstat() for path in paths}
    return {name: (it.st_mode, it.st_ino, it.st_nlink, it.st_size, it.st_ctime_ns) for name, it in found.items()}


def _read_times(*paths: Path) -> list[int]:
    """Return when these were last read, as far as their file system notes it."""
    return [path.stat().st_atime_ns for path in paths]


async def test_what_is_no_plain_file_is_never_followed_opened_or_sent(tmp_path: Path) -> None:
    """Links to a file and to a folder, FIFO, socket and hard link stay, are told in status, and warned of once."""
    staging, foreign = tmp_path / "staging", tmp_path / "foreign"
    secret = _drop(foreign / "purchases_secret.csv", _make_events(0))
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, ANYWHERE | FREQUENT)
        (staging / "purchases_link.csv").symlink_to(foreign / "purchases_secret.csv")
        (staging / "linked").symlink_to(foreign)
        (staging / "purchases_hard.csv").hardlink_to(foreign / "purchases_secret.csv")
        os.mkfifo(staging / "purchases_fifo.csv")
        os.mknod(staging / "purchases_socket.csv", stat.S_IFSOCK | 0o600)
        before = _look_at(*staging.iterdir())
        untouched = _read_times(foreign, foreign / "purchases_secret.csv")
        async with run_service(written.path) as service:
            delivered = await _let_it_scan(service, staging)
            arriving, reasons = await _get_staging(written.path)
        await _check_received(sandbox, *delivered)
    assert _look_at(*staging.iterdir()) == before
    assert _read_times(foreign, foreign / "purchases_secret.csv") == untouched
    assert (foreign / "purchases_secret.csv").read_bytes() == secret
    assert arriving == set()
    words = {
        "link": "symbolic link",
        "linked": "symbolic link",
        "hard": "hard link",
        "fifo": "FIFO",
        "socket": "socket",
    }
    wanted = {name if name == "linked" else f"purchases_{name}.csv": word for name, word in words.items()}
    assert {name: wanted[name] for name in reasons if wanted[name] in reasons[name]} == wanted
    assert _list_warned(service) == Counter(wanted.keys())
    _check_log(service)


async def test_a_file_that_fits_no_feed_or_two_stays_until_it_is_renamed(tmp_path: Path) -> None:
    """Status says why it stays and names both feeds, the log warns once, and a new name that fits delivers it."""
    staging = tmp_path / "staging"
    feeds = {
        "purchases": {"files": ["purchases*.csv", "*both*.csv"]},
        "customers": {"files": ["customers*.csv", "both*"]},
    }
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, {"feeds": feeds, **FREQUENT})
        orphan = _drop(staging / "orders.csv", _make_events(0))
        torn = _drop(staging / "both.csv", _make_events(10))
        async with run_service(written.path) as service:
            delivered = await _let_it_scan(service, staging)
            arriving, reasons = await _get_staging(written.path)
            assert arriving == set()
            assert set(reasons) == {"orders.csv", "both.csv"}
            assert "no feed" in reasons["orders.csv"]
            assert "purchases" in reasons["both.csv"]
            assert "customers" in reasons["both.csv"]
            assert _list_warned(service) == Counter(["orders.csv", "both.csv"])
            (staging / "orders.csv").rename(staging / "purchases_orders.csv")
            (staging / "both.csv").rename(staging / "purchases_both.csv")
            await _wait_for_delivery(service, "purchases_orders.csv", "purchases_both.csv")
        assert list(staging.iterdir()) == []
        await _check_received(sandbox, orphan, torn, *delivered)
    assert sum(_list_warned(service).values()) == 2
    _check_log(service)


async def test_staging_on_another_file_system_is_taken_whole(tmp_path: Path) -> None:
    """Where a rename cannot reach, the file is copied, arrives unchanged, and nothing of it stays in staging."""
    with _other_file_system() as staging:
        async with make_sandbox(tmp_path / "receiver") as sandbox:
            written = await asyncio.to_thread(configure, tmp_path, sandbox, {"staging": str(staging)})
            assert staging.stat().st_dev != (tmp_path / "workspace").stat().st_dev
            big = _drop(staging / "purchases_big.csv", _make_events(0, 100_000))
            small = _drop(staging / "purchases_small.csv", _make_events(0))
            answer = await call(written.path, "run", "--once")
            assert answer.code == 0, answer.errors
            await _check_received(sandbox, big, small)
            late = _drop(staging / "purchases_late.csv", _make_events(10))
            async with run_service(written.path) as service:
                await _wait_for_delivery(service, "purchases_late.csv")
            await _check_received(sandbox, big, small, late)
        assert list(staging.iterdir()) == []
    archived = {path.name: path for path in (tmp_path / "workspace" / "archive").rglob("*.csv")}
    assert archived["purchases_big.csv"].read_bytes() == big
    assert {stat.S_IMODE(path.stat().st_mode) for path in archived.values()} == {0o600}
    assert list((tmp_path / "workspace" / "work").iterdir()) == []


@contextmanager
def _other_file_system() -> Iterator[Path]:
    """Yield an empty folder in memory, removed afterwards."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sftp-orchestrator-") as name:
        yield Path(name)


async def test_a_workspace_has_one_owner(tmp_path: Path) -> None:
    """A second daemon or pass refuses with one line that names the first one's process; the first goes on."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            for answer in await asyncio.gather(call(written.path, "run"), call(written.path, "run", "--once")):
                assert answer.code != 0
                (line,) = answer.errors.splitlines()
                assert f"process {service.process.pid} " in line
                assert answer.out == ""
            content = _drop(tmp_path / "staging" / "purchases.csv", _make_events(0))
            await _wait_for_delivery(service, "purchases.csv")
            assert await service.stop() == 0
        await _check_received(sandbox, content)


class _LateWriter:
    """A sandbox's listener: the producer's kept descriptor writes more once the receiver opens the first data file."""

    def __init__(self, more: bytes) -> None:
        self._more = more
        self._file: BinaryIO | None = None
        self.has_written = False

    def keep(self, file: BinaryIO) -> None:
        """Write to this file when it is time."""
        self._file = file

    def __call__(self, entry: Entry) -> None:
        is_data = entry.event is Event.OPENED and ".csv" in str(entry.details["name"])
        if is_data and self._file is not None and not self.has_written:
            self.has_written = True
            self._file.write(self._more)
            self._file.flush()


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        pytest.param("plain", 120_000, id="while it is read"),
        pytest.param("plain", 3, id="after its last byte was read"),
        pytest.param("encrypted", 3, id="after it was encrypted"),
    ],
)
async def test_a_file_that_its_producer_changes_while_it_goes_up_is_never_published_half(
    tmp_path: Path, form: str, rows: int
) -> None:
    """What is written after the claim starts the file anew: one manifest, for all its rows, and none for the half."""
    start, more = _make_events(0, rows), _make_rows(rows, 7)
    producer = _LateWriter(more)
    settings = Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)
    async with Sandbox(settings, listener=producer) as sandbox:
        overrides = _make_encryption(sandbox) if form == "encrypted" else {}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        path = tmp_path / "staging" / "purchases.csv"
        _drop(path, start)
        with path.open("ab") as file:
            producer.keep(file)
            async with run_service(written.path) as service:
                await _wait_for_delivery(service, "purchases.csv")
        await sandbox.wait_until_idle()
        assert producer.has_written
        (taken,) = _list_taken(sandbox)
    assert (taken["rows"], taken["sha256"]) == (rows + 7, hashlib.sha256(start + more).hexdigest())
    opened = [entry.details["name"] for entry in read_activity(sandbox.paths.activity) if entry.event is Event.OPENED]
    assert [name for name in opened if str(name).endswith(".manifest")] == [taken["manifest"]]
    (archived,) = (tmp_path / "workspace" / "archive").rglob("*.csv")
    assert archived.read_bytes() == start + more


def _make_encryption(sandbox: Sandbox) -> dict[str, Any]:
    access = sandbox.access
    key = {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id}
    return {"destinations": {"production": {"encryption": key}}}


NAMES = {
    b"purchases with spaces.csv": "purchases with spaces.csv",
    b"purchases 'single' \"double\" $(sub) `back`.csv": "purchases 'single' \"double\" $(sub) `back`.csv",
    "purchases_🎉_Köln.csv".encode(): "purchases_🎉_Köln.csv",
    b"-purchases.csv": "-purchases.csv",
    b"--purchases=1.csv": "--purchases=1.csv",
    b"purchases\nsecond line.csv": r"purchases\nsecond line.csv",
    b"purchases\x1b[31m.csv": r"purchases\x1b[31m.csv",
    b"purchases\xff\xfe.csv": r"purchases\xff\xfe.csv",
    b"purchases[1]*?{a,b}%s.csv": "purchases[1]*?{a,b}%s.csv",
    b"purchases\\back.csv": r"purchases\back.csv",
    b"purchases" + b"x" * (255 - 13) + b".csv": "purchases" + "x" * (255 - 13) + ".csv",
    ("purchases" + "€" * 80 + "zz.csv").encode(): "purchases" + "€" * 80 + "zz.csv",
}
"""What lies in staging, and how people see it."""


async def test_any_name_is_delivered_and_told_in_a_readable_form(tmp_path: Path) -> None:
    """Whatever bytes a name has, its file arrives under a plain ASCII name; status and history can be read."""
    staging = tmp_path / "staging"
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, ANYWHERE)
        contents = {name: _make_events(10 * number) for number, name in enumerate(NAMES)}
        for name, content in contents.items():
            _drop(staging / os.fsdecode(name), content)
        assert await _get_staging(written.path) == (set(NAMES.values()), {})
        async with run_service(written.path) as service:
            await _wait_for_delivery(service, *NAMES.values())
        await _check_received(sandbox, *contents.values())
        history = await call(written.path, "history", "--json")
    assert {source["file"]: source["sha256"] for source in history.json["delivered"]} == {
        NAMES[name]: hashlib.sha256(content).hexdigest() for name, content in contents.items()
    }
    assert list(staging.iterdir()) == []
    archived = {os.fsencode(path.name) for path in (tmp_path / "workspace" / "archive").rglob("*.csv")}
    assert archived == set(NAMES)
    _check_log(service)


async def test_folders_that_vanish_and_many_of_them_do_not_stop_intake(tmp_path: Path) -> None:
    """Folders that come and go while it scans, and a thousand empty ones, hinder nobody's delivery."""
    staging = tmp_path / "staging"
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        # Without a periodic scan all depends on inotify: its watcher must outlive the folders, too.
        overrides = {**ANYWHERE, "intake": {"rescan_seconds": NEVER_SECONDS}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, overrides)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            with _coming_and_going(staging):
                delivered = await _let_it_scan(service, staging)
            for number in range(1000):
                (staging / f"empty{number}").mkdir()
            (staging / "empty7").rmdir()
            delivered.append(_drop(staging / "empty8" / "purchases.csv", _make_events(0)))
            await _wait_for_delivery(service, "empty8/purchases.csv")
            assert await service.stop() == 0
        await _check_received(sandbox, *delivered)
    assert len(list(staging.iterdir())) == 999
    _check_log(service)


@contextmanager
def _coming_and_going(staging: Path) -> Iterator[None]:
    """Make and remove folders, one within the other, without a pause for the time of the context."""
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            (staging / "brief" / "inner").mkdir(parents=True)
            (staging / "brief" / "inner").rmdir()
            (staging / "brief").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
