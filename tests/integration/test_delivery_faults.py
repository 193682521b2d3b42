"""A whole pass where something goes wrong with one source, or one destination: the others arrive, and nobody spins."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import posixpath
import sqlite3
import threading
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import paramiko
import pytest
import sqlalchemy as sa
import structlog
import structlog.testing
from paramiko.sftp import SFTP_FAILURE, SFTP_PERMISSION_DENIED

from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver import retry, sftp
from sftp_orchestrator.deliver.delivery import Delivery
from sftp_orchestrator.deliver.faults import may_be_of_one_file
from sftp_orchestrator.deliver.publish import PUBLISH_GRACE_SECONDS, Publisher
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.deliver.sending import MOST_SENDINGS, STUBBORN_RUNS
from sftp_orchestrator.deliver.sftp import SftpRemote
from sftp_orchestrator.errors import (
    ExitCode,
    Failure,
    LocalFault,
    LoginRefused,
    ReceiverRefused,
    SessionRefused,
    SourceChanged,
    SourceFault,
    Transient,
    Unreachable,
)
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.ledger.tables import LEFTOVER
from sftp_orchestrator.prepare import inspect as inspecting
from sftp_orchestrator.prepare import planner
from sftp_orchestrator.prepare.inspect import Inspection
from sftp_orchestrator.prepare.parts.part_content import BytesContent, PartContent
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.paramiko_server import (
    Files,
    HasNoRoom,
    LosesData,
    ParamikoServer,
    TakesAndHangsUp,
    run_paramiko,
)

DEADLINE_SECONDS = 30
OLD, NEW = "purchases_old.csv", "purchases_new.csv"


def _get_line(receiver: ParamikoServer, **changes: Any) -> dict[str, Any]:
    found = receiver.get_destination()
    return {
        "port": found.port,
        "username": found.username,
        "private_key": {"file": str(found.private_key.file)},
        "host_keys": list(found.host_keys),
        "known_hosts": None,
        "attempts": 1,
        "timeout_seconds": 20,
        **changes,
    }


def _make(folder: Path, receiver: ParamikoServer, **changes: Any) -> Configuration:
    folder.mkdir(exist_ok=True)
    overrides = {"destinations": {"production": _get_line(receiver, **changes)}}
    return write_configuration(folder, overrides).configuration


def _drop_events(staging: Path, name: str, *, at: int, rows: int = 20) -> None:
    lines = "".join(f"Sold,{at + n},u{n}\n" for n in range(rows))
    (staging / name).write_text(f"event_name,time_stamp,user_id\n{lines}")


def _drop_two(staging: Path) -> None:
    _drop_events(staging, OLD, at=1_700_000_000)
    _drop_events(staging, NEW, at=1_710_000_000)


def _drop_profiles(staging: Path) -> None:
    (staging / "customers.csv").write_text("user_id,Name\na,Ada\n")


async def _run(configuration: Configuration) -> tuple[Verdict, dict[str, Source]]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with _open(configuration) as ledger:
        return verdict, {source.name: source for source in ledger.sources.list_in(set(SourceState))}


def _open(configuration: Configuration) -> Ledger:
    return Ledger.open(configuration.ledger.url, configuration.workspace)


def _list_opened(receiver: ParamikoServer, suffix: str) -> list[str]:
    return [name for step, name in receiver.record.steps if step == "open" and name.endswith(suffix)]


# Nothing is sent again and again.


async def test_uncertain_profiles_are_sent_again_once_a_run_and_then_a_person_decides(tmp_path: Path) -> None:
    """A receiver takes both files and hangs up: one more sending a run, under new names, and no more than the cap."""
    with run_paramiko(tmp_path / "receiver", files=TakesAndHangsUp) as receiver:
        configuration = _make(tmp_path, receiver, attempts=2)
        _drop_profiles(configuration.staging)
        verdict, sources = await _run(configuration)
        assert len(_list_opened(receiver, ".manifest")) == 2
        assert [type(failure) for failure in verdict.failures] == [Transient]
        assert sources["customers.csv"].retry_at is not None
        for _ in range(MOST_SENDINGS):
            _, sources = await _run(configuration)
        manifests = _list_opened(receiver, ".manifest")
    assert sources["customers.csv"].state is SourceState.HELD
    assert "look there for" in (sources["customers.csv"].reason or "")
    assert len(manifests) == len(set(manifests)) == MOST_SENDINGS


async def test_data_that_is_lost_again_and_again_is_sent_twice_a_run(tmp_path: Path) -> None:
    """A receiver loses what it showed: the data goes up once more, then the run's back-off applies."""
    with run_paramiko(tmp_path / "receiver", files=LosesData) as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_profiles(configuration.staging)
        verdict, sources = await _run(configuration)
        assert len(_list_opened(receiver, ".csv")) == 2
    assert [type(failure) for failure in verdict.failures] == [Transient]
    assert sources["customers.csv"].state is SourceState.READY
    assert sources["customers.csv"].retry_at is not None
    assert not _list_opened(receiver, ".manifest")


async def test_data_of_another_size_than_planned_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content and ledger disagree on the size: that source waits, and no byte of it leaves."""
    monkeypatch.setattr(planner, "SMALL_BYTES", 0)
    monkeypatch.setattr(Preparation, "get_content", lambda *_: BytesContent(b"too short"))
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_profiles(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.NOT_ALL_DELIVERED
    assert sources["customers.csv"].retry_at is not None
    assert receiver.record.steps == []


# One source's trouble is not the others'.


def _break_content(monkeypatch: pytest.MonkeyPatch, marker: bytes) -> None:
    """Let the disk fail under the sources that hold ``marker``."""
    intact = PartContent.open

    def open_content(self: PartContent) -> BinaryIO:
        if marker in self.path.read_bytes():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return intact(self)

    monkeypatch.setattr(PartContent, "open", open_content)


async def test_a_source_that_cannot_be_read_does_not_keep_back_what_is_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails under the oldest events: they wait with the reason, and the others arrive."""
    _break_content(monkeypatch, b"1700000000")
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_two(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.failures == ()
    assert sources[NEW].state is SourceState.ARCHIVED
    assert sources[OLD].state is SourceState.PLANNED
    assert sources[OLD].retry_at is not None
    assert "Input/output error" in (sources[OLD].reason or "")


async def test_events_wait_for_profiles_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails under profiles: they wait, and no event overtakes them."""
    _break_content(monkeypatch, b"Ada")
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_profiles(configuration.staging)
        _drop_two(configuration.staging)
        verdict, sources = await _run(configuration)
    assert verdict.failures == ()
    assert not [source for source in sources.values() if source.state is SourceState.ARCHIVED]
    assert not [name for _, name in receiver.record.steps if name.startswith("purchases")]


async def test_a_file_that_the_receiver_never_takes_lets_the_others_pass_in_the_end(tmp_path: Path) -> None:
    """Run after run one file ends the share; then it is that file's fault, and what is behind it arrives."""
    with run_paramiko(tmp_path / "receiver", files=HasNoRoom) as receiver:
        configuration = _make(tmp_path, receiver, connections=1)
        _drop_events(configuration.staging, OLD, at=1_700_000_000, rows=1000)
        _drop_events(configuration.staging, NEW, at=1_710_000_000)
        for _ in range(STUBBORN_RUNS):
            verdict, sources = await _run(configuration)
            assert [type(failure) for failure in verdict.failures] == [Transient]
            assert sources[NEW].state is not SourceState.ARCHIVED
        verdict, sources = await _run(configuration)
    assert verdict.failures == ()
    assert sources[NEW].state is SourceState.ARCHIVED
    assert sources[OLD].retry_at is not None
    assert sources[OLD].failures == STUBBORN_RUNS + 1


class _FailsOnce(Files):
    """Answers the first data file with a failure, and takes every other."""

    failures = 0

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        if path.endswith(".csv") and not _FailsOnce.failures:
            _FailsOnce.failures += 1
            return SFTP_FAILURE
        return super().open(path, flags, attr)


async def test_runs_without_a_receiver_are_no_fault_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    """After outages, however many, a file that fails once is tried again within the run, and the oldest go first."""
    monkeypatch.setattr(retry, "STEP_BASE_SECONDS", 0.01)
    monkeypatch.setattr(_FailsOnce, "failures", 0)
    with run_paramiko(tmp_path / "receiver", files=_FailsOnce) as receiver:
        away = _make(tmp_path, receiver, port=closed_port)
        _drop_two(away.staging)
        for _ in range(STUBBORN_RUNS + 1):
            verdict, sources = await _run(away)
            assert [type(failure) for failure in verdict.failures] == [Unreachable]
            assert [source.failures for source in sources.values()] == [0, 0]
        verdict, sources = await _run(_make(tmp_path, receiver, attempts=5))
        manifests = _list_opened(receiver, ".manifest")
    assert verdict.exit_code is ExitCode.DONE
    old, new = manifests
    assert f"_{sources[OLD].id}_" in old
    assert f"_{sources[NEW].id}_" in new


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (Transient("upload", "a", "a failure"), True),
        (ReceiverRefused("upload", "a", "permission denied"), True),
        (Unreachable("upload", "a", "connection lost"), False),
        (LoginRefused("connect to", "a", "it does not accept our key"), False),
        (SessionRefused("connect to", "a", "it does not start an SFTP session"), False),
        (LocalFault("use", "the ledger", "the disk is full"), False),
        (SourceChanged("read", "a", "it changed"), False),
        (SourceFault("read", "a", "Input/output error"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Failure) else "",
)
def test_a_line_a_login_or_this_machine_is_never_the_fault_of_a_file(error: Failure, *, counts: bool) -> None:
    """Only what the receiver answers to one file may be about it."""
    assert may_be_of_one_file(error) is counts


def _act_on_open(act: Callable[[], None]) -> type[Files]:
    """Return a receiver that calls ``act`` when the first data file is opened."""

    class Acting(Files):
        """Lets something happen elsewhere while the first data file goes up."""

        def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
            handle = super().open(path, flags, attr)
            if len([step for step in self.record.steps if step[0] == "open"]) == 1:
                act()
            return handle

    return Acting


async def test_a_source_that_a_person_moves_in_flight_drops_out_alone(tmp_path: Path) -> None:
    """Another process holds and retries a source while its data goes up: it is read again, the others arrive."""

    def move() -> None:
        with _open(configuration) as ledger:
            (old,) = [s for s in ledger.sources.list_in(set(SourceState)) if s.name == OLD]
            ledger.sources.hold(old.id, "another process")
            ledger.sources.retry(old.id, by="somebody")

    with run_paramiko(tmp_path / "receiver", files=_act_on_open(move)) as receiver:
        configuration = _make(tmp_path, receiver, connections=1)
        _drop_two(configuration.staging)
        with structlog.testing.capture_logs() as logs:
            verdict, sources = await _run(configuration)
        assert verdict.failures == ()
        assert sources[NEW].state is SourceState.ARCHIVED
        assert sources[OLD].state is SourceState.CLAIMED
        assert sources[OLD].is_wanted
        assert [line["file"] for line in logs if line["event"] == "source_moved_meanwhile"] == [OLD]
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE


def _append_to_old(folder: Path) -> None:
    """Let a producer write on to the events that are claimed already."""
    for path in (folder / "workspace").rglob("source.csv"):
        if b"1700000000" in path.read_bytes():
            with path.open("a") as stream:
                stream.write("Sold,1700009999,late\n")


async def test_a_source_that_changes_while_parts_of_it_go_up_is_read_again(tmp_path: Path) -> None:
    """Its producer appends while several parts are under way: the others arrive, and the next run sends all rows."""
    with run_paramiko(tmp_path / "receiver", files=_act_on_open(lambda: _append_to_old(tmp_path))) as receiver:
        configuration = _make(tmp_path, receiver, limits={"plain_bytes": 2_000})
        _drop_events(configuration.staging, OLD, at=1_700_000_000, rows=1_000)
        _drop_events(configuration.staging, NEW, at=1_710_000_000)
        verdict, sources = await _run(configuration)
        assert verdict.failures == ()
        assert sources[NEW].state is SourceState.ARCHIVED
        assert sources[OLD].state is SourceState.CLAIMED
        verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.DONE
    assert sources[OLD].records == 1_001


def _list_lone(receiver: ParamikoServer) -> list[str]:
    """Return the data files at a receiver that have no manifest."""
    names = {path.name for path in receiver.root.iterdir()}
    return sorted(name for name in names if name.endswith(".csv") and f"{name[:-4]}.manifest" not in names)


@pytest.mark.parametrize("rename", [False, True])
async def test_data_of_a_source_that_is_read_again_does_not_stay_at_the_receiver(
    tmp_path: Path, *, rename: bool
) -> None:
    """What went up before the producer wrote on has no manifest and never will: it is removed at the end of a run."""
    with run_paramiko(tmp_path / "receiver", files=_act_on_open(lambda: _append_to_old(tmp_path))) as receiver:
        configuration = _make(tmp_path, receiver, limits={"plain_bytes": 2_000}, rename=rename)
        _drop_events(configuration.staging, OLD, at=1_700_000_000, rows=1_000)
        await _run(configuration)
        verdict, _ = await _run(configuration)
        assert verdict.exit_code is ExitCode.DONE
        assert _list_lone(receiver) == []
        assert not [path for path in receiver.root.iterdir() if path.name.endswith(".uploading")]
    with _open(configuration) as ledger:
        assert ledger.leftovers.list_of("production") == []


async def test_leftovers_that_cannot_be_removed_are_told_and_are_no_failure(tmp_path: Path) -> None:
    """A refusal is final, and the log names the file; after any other failure the next run goes on with them."""
    answers = {"/a.csv": [SFTP_PERMISSION_DENIED], "/b.csv": [SFTP_FAILURE]}

    class KeepsSome(Files):
        """Does not remove every file at the first request."""

        def remove(self, path: str) -> int:
            left = answers.get(posixpath.join("/", path), [])
            return left.pop() if left else super().remove(path)

    with run_paramiko(tmp_path / "receiver", files=KeepsSome) as receiver:
        configuration = _make(tmp_path, receiver)
        names = ["a.csv", "b.csv", "c.csv", "gone.csv"]
        for name in names[:3]:
            (receiver.root / name).touch()
        told = []
        for file in (OLD, NEW):
            _drop_events(configuration.staging, file, at=1_700_000_000 if file == OLD else 1_710_000_000)
            with open_daemon(configuration, Board()) as daemon, structlog.testing.capture_logs() as logs:
                await daemon._scan()
                (source,) = daemon._ledger.sources.list_in({SourceState.CLAIMED})
                if file == OLD:
                    rows = [{"data_name": name, "destination": "production", "source_id": source.id} for name in names]
                    with daemon._ledger._engine.begin() as connection:
                        connection.execute(sa.insert(LEFTOVER), rows)
                verdict = await daemon.run_once()
                told.append([(line["event"], line["name"]) for line in logs if line["event"].startswith("leftover")])
                assert verdict.exit_code is ExitCode.DONE
        assert _list_lone(receiver) == ["a.csv"]
    assert told == [
        [("leftover_stays", "a.csv"), ("leftover_stays", "b.csv")],
        [("leftover_removed", "b.csv"), ("leftover_removed", "c.csv"), ("leftover_removed", "gone.csv")],
    ]


async def test_a_crash_in_preparing_one_source_holds_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect that one file brings to light: it is held with the reason, the log has the traceback, others arrive."""
    intact = inspecting.inspect

    def inspect(path: Path, feed: Feed, *, name: str, **more: Any) -> Inspection:
        if name == OLD:
            raise RuntimeError("never thought of")
        return intact(path, feed, name=name, **more)

    monkeypatch.setattr(planner, "inspect", inspect)
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_two(configuration.staging)
        with structlog.testing.capture_logs() as logs:
            verdict, sources = await _run(configuration)
    assert verdict.failures == ()
    assert sources[NEW].state is SourceState.ARCHIVED
    assert sources[OLD].state is SourceState.HELD
    assert "RuntimeError: never thought of" in (sources[OLD].reason or "")
    assert [line["exc_info"] for line in logs if line["event"] == "source_crashed"] == [True]


async def test_a_manifest_that_cannot_be_looked_for_keeps_back_its_source_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What became of one manifest cannot be told now: that source waits, the others arrive."""
    hidden: list[str] = []

    class HidesOne(Files):
        """Does not let us look at one manifest."""

        def stat(self, path: str) -> paramiko.SFTPAttributes | int:
            return SFTP_PERMISSION_DENIED if path.strip("/") in hidden else super().stat(path)

    async def fail(_self: Publisher, _remote: object, part: Part) -> None:
        hidden.append(part.manifest_name)
        raise Unreachable("publish", part.manifest_name, "connection lost")

    with run_paramiko(tmp_path / "receiver", files=HidesOne) as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_events(configuration.staging, OLD, at=1_700_000_000)
        with monkeypatch.context() as patched:
            patched.setattr(Publisher, "_put", fail)
            await _run(configuration)
        _drop_events(configuration.staging, NEW, at=1_710_000_000)
        verdict, sources = await _run(configuration)
        assert verdict.failures == ()
        assert sources[NEW].state is SourceState.ARCHIVED
        assert sources[OLD].retry_at is not None
        assert "best_effort" in (sources[OLD].reason or "")
        with _open(configuration) as ledger:
            assert [part.state for part in ledger.parts.list_of(sources[OLD].id)] == [PartState.PUBLISHING]


@pytest.mark.parametrize("values", ["manifest = x'7b7d'", "size = 5000000000"])
async def test_what_does_not_fit_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: str) -> None:
    """The ledger is damaged while data goes up: the last door keeps the manifest back, and a person is told."""

    def damage() -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "workspace" / "ledger.db")) as database, database:
            database.execute(f"UPDATE part SET {values}")  # noqa: S608 - our own words

    # Of a small part the ledger learns the size only when its bytes are there.
    monkeypatch.setattr(planner, "SMALL_BYTES", 0)
    with run_paramiko(tmp_path / "receiver", files=_act_on_open(damage)) as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_events(configuration.staging, OLD, at=1_700_000_000)
        verdict, sources = await _run(configuration)
    assert verdict.failures == ()
    assert sources[OLD].state is SourceState.HELD
    assert "retried it is made anew" in (sources[OLD].reason or "")
    assert not _list_opened(receiver, ".manifest")


async def test_a_part_that_is_gone_is_told_as_a_failure(tmp_path: Path) -> None:
    """The ledger raises one of its own failures, with a line that a person understands."""
    with Ledger.open("sqlite", tmp_path) as ledger, pytest.raises(IllegalMove, match="part nobody/1"):
        ledger.parts.get("nobody", 1)


async def test_a_run_does_not_wait_for_logins_that_nobody_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is refused as it is read; the receiver lets one connection in, and is silent to all others."""
    asked, others_are_asked = 0, asyncio.Event()

    async def connect(*arguments: Any, **named: Any) -> SftpRemote:
        nonlocal asked
        asked += 1
        if asked > 1:
            others_are_asked.set()
            await asyncio.Event().wait()
        return await sftp.connect(*arguments, **named)

    monkeypatch.setattr("sftp_orchestrator.deliver.run.connect", connect)
    # Read by nothing that is quicker than the first login.
    intact = inspecting.inspect
    is_let_in = threading.Event()

    def inspect(*arguments: Any, **named: Any) -> Inspection:
        is_let_in.wait(DEADLINE_SECONDS)
        return intact(*arguments, **named)

    monkeypatch.setattr(planner, "inspect", inspect)
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver, limits={"plain_bytes": 300_000}, connections=4)
        _drop_events(configuration.staging, OLD, at=1_700_000_000, rows=60_000)
        with (configuration.staging / OLD).open("a") as file:
            file.write('"never ends')
        async with asyncio.timeout(DEADLINE_SECONDS):
            running = asyncio.create_task(_run(configuration))
            await others_are_asked.wait()
            is_let_in.set()
            verdict, sources = await running
    assert sources[OLD].state is SourceState.QUARANTINED
    assert verdict.failures == ()


# One destination's trouble is not the others'.


async def test_a_crash_at_one_destination_ends_its_share_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect at one destination: the other one delivers to the end, and the sources of the first wait."""
    intact = Delivery.deliver

    async def deliver(self: Delivery, sources: list[Source]) -> None:
        if self._name == "other":
            raise RuntimeError("never thought of")
        await intact(self, sources)

    monkeypatch.setattr(Delivery, "deliver", deliver)
    feeds = {
        name: {
            "type": "profile",
            "files": [f"{name}*.csv"],
            "destination": name,
            "columns": {"user_id": {"ct_name": "identity"}},
        }
        for name in ("other", "production")
    }
    with run_paramiko(tmp_path / "receiver") as receiver:
        line = {**_get_line(receiver), "host": "127.0.0.1", "client_email": "data-team@example.com"}
        overrides = {"destinations": {"production": line, "other": line}}
        configuration = write_configuration(tmp_path, overrides, feeds=feeds).configuration
        for name in feeds:
            (configuration.staging / f"{name}.csv").write_text("user_id,Name\na,Ada\n")
        with structlog.testing.capture_logs() as logs:
            verdict, sources = await _run(configuration)
    assert verdict.exit_code is ExitCode.NOT_ALL_DELIVERED
    assert sources["production.csv"].state is SourceState.ARCHIVED
    assert sources["other.csv"].retry_at is not None
    assert "RuntimeError: never thought of" in (sources["other.csv"].reason or "")
    crashed = [line for line in logs if line["event"] == "destination_crashed"]
    assert [(line["destination"], line["exc_info"]) for line in crashed] == [("other", True)]


async def test_a_stop_leaves_no_task_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cancelled passes the cancellation on, and nothing of it goes on."""
    begun = asyncio.Event()

    async def deliver(_self: Delivery, _sources: list[Source]) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Delivery, "deliver", deliver)
    with run_paramiko(tmp_path / "receiver") as receiver:
        configuration = _make(tmp_path, receiver)
        _drop_profiles(configuration.staging)
        task = asyncio.create_task(_run(configuration))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}


class _TakesNoManifest(Files):
    """Answers every manifest with a failure."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle | int:
        return SFTP_FAILURE if path.endswith(".manifest") else super().open(path, flags, attr)


async def test_a_stop_does_not_wait_for_a_pause_between_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a manifest waits to be tried again nothing is under way: a stop ends at once, and its part is found."""
    monkeypatch.setattr(retry, "STEP_BASE_SECONDS", 3600)
    monkeypatch.setattr(retry, "STEP_CAP_SECONDS", 3600)
    pausing = asyncio.Event()

    def notice(_logger: object, _method: str, line: MutableMapping[str, Any]) -> NoReturn:
        if line["event"] == "step_retried" and line["step"].startswith("publish "):
            pausing.set()
        raise structlog.DropEvent

    structlog.configure(processors=[notice])
    try:
        with run_paramiko(tmp_path / "receiver", files=_TakesNoManifest) as receiver:
            configuration = _make(tmp_path, receiver, attempts=5)
            _drop_profiles(configuration.staging)
            with open_daemon(configuration, Board()) as daemon:
                daemon._runner.chance = lambda: 1.0
                task = asyncio.create_task(daemon.run_once())
                await pausing.wait()
                started = asyncio.get_running_loop().time()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert asyncio.get_running_loop().time() - started < PUBLISH_GRACE_SECONDS / 2
    finally:
        structlog.reset_defaults()
    with _open(configuration) as ledger:
        (source,) = ledger.sources.list_in(set(SourceState))
        assert [part.state for part in ledger.parts.list_of(source.id)] == [PartState.PUBLISHING]
