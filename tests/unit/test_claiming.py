"""Claims: one file's fault is its own, this machine's stops the scan, and no file is lost, doubled or left half-way."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import files, space
from sftp_orchestrator.errors import LocalFault, NoSpace
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.intake.settling import Settled
from sftp_orchestrator.intake.supervision import Supervision
from tests.support import intakes
from tests.support.configuration import write_configuration
from tests.support.intakes import CONTENT, FEEDS, MORE, KilledError, Place, die, fail

NOBODY = 65534


def _list_warned(logs: list[Any]) -> list[tuple[str, str]]:
    return [(line["file"], line["reason"]) for line in logs if line["event"] == "claim_failed"]


@contextlib.contextmanager
def _as_nobody() -> Iterator[Place]:
    """Yield a place that belongs to an unprivileged user, and be that user."""
    if os.geteuid() != 0:
        pytest.skip("files of several users need root")
    with tempfile.TemporaryDirectory(dir="/tmp") as first, tempfile.TemporaryDirectory(dir="/tmp") as name:
        # Some modules are read with the first ledger that is made, and nobody may not read root's Python.
        Place(write_configuration(Path(first), FEEDS).configuration)
        root = Path(name)
        configuration = write_configuration(root, FEEDS).configuration
        for path in (root, configuration.staging, configuration.workspace):
            os.chown(path, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Place(configuration)
        finally:
            os.seteuid(0)


@contextlib.contextmanager
def _as_root() -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize(
    ("mode", "reason"), [(0o755, "Permission denied"), (0o1777, "Operation not permitted")], ids=["closed", "sticky"]
)
def test_a_file_that_we_may_not_remove_hinders_no_other(mode: int, reason: str) -> None:
    """It stays and is warned of once, the others are claimed, no intent of it is left, and later it can be ours."""
    with _as_nobody() as place:
        place.drop("purchases_z.csv")
        with _as_root():
            foreign = place.drop("a/purchases.csv", CONTENT + MORE)
            foreign.chmod(0o644)
            foreign.parent.chmod(mode)
        with capture_logs() as logs, place.start() as intake:
            assert [source.name for source in intakes.scan(intake)] == ["purchases_z.csv"]
            assert intakes.scan(intake) == ()
        assert _list_warned(logs) == [("a/purchases.csv", reason)]
        assert place.list_staged() == ["a/purchases.csv"]
        place.check(CONTENT)
        with _as_root():
            foreign.parent.chmod(0o777)
        with place.start() as intake:
            assert [source.name for source in intakes.scan(intake)] == ["a/purchases.csv"]
        place.check(CONTENT, CONTENT + MORE)


def test_a_file_that_cannot_be_renamed_hinders_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that only the rename shows is warned of once for each reason, and leaves no intent."""
    for name in ("a", "b", "c"):
        place.drop(f"purchases_{name}.csv", CONTENT + name.encode())
    with capture_logs() as logs, place.start() as intake:
        with monkeypatch.context() as patch:
            fail(patch, "rename", "purchases_b.csv", errno.EPERM)
            assert [source.name for source in intakes.scan(intake)] == ["purchases_a.csv", "purchases_c.csv"]
            assert intakes.scan(intake) == ()
        with monkeypatch.context() as patch:
            fail(patch, "rename", "purchases_b.csv", errno.EBUSY)
            intake.scan()
        place.check(CONTENT + b"a", CONTENT + b"c")
        assert [source.name for source in intakes.scan(intake)] == ["purchases_b.csv"]
    reasons = [os.strerror(errno.EPERM), os.strerror(errno.EBUSY)]
    assert _list_warned(logs) == [("purchases_b.csv", reason) for reason in reasons]
    assert all(line["log_level"] == "warning" for line in logs if line["event"] == "claim_failed")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EMFILE])
def test_a_fault_of_this_machine_stops_the_scan_and_leaves_no_intent(
    place: Place, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What was claimed before it is ours, the rest stays, no intent does, and the next scan goes on."""
    for name in ("a", "b", "c"):
        place.drop(f"purchases_{name}.csv")
    with place.start() as intake:
        with monkeypatch.context() as patch:
            fail(patch, "rename", "purchases_b.csv", code)
            with pytest.raises(LocalFault, match=os.strerror(code)):
                intake.scan()
        place.check(CONTENT)
        assert place.list_staged() == ["purchases_b.csv", "purchases_c.csv"]
        assert len(intakes.scan(intake)) == 2
    place.check(CONTENT, CONTENT, CONTENT)


def test_a_workspace_that_is_not_ours_is_no_fault_of_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal on our side of the claim concerns every file: the scan fails with what to do."""
    place.drop("purchases.csv")
    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", _refuse)
        with pytest.raises(LocalFault, match="must be writable for us"):
            intake.scan()
    place.check()
    assert place.list_staged() == ["purchases.csv"]


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_fault_after_the_rename_never_costs_the_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folders cannot be brought to the disk, the file stays in the workspace; the next scan finishes it."""
    place.drop("purchases.csv")
    with place.start() as intake:
        with monkeypatch.context() as patch:
            patch.setattr(files, "fsync_directory", _fail_to_write)
            with pytest.raises(LocalFault, match=os.strerror(errno.EIO)):
                intake.scan()
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    place.check(CONTENT)


def _fail_to_write(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_ledger_that_fails_after_the_rename_is_made_up_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file waits in the workspace for the next scan, and a new file of its name is not mixed up with it."""
    place.drop("purchases.csv")
    with place.open_ledger() as ledger:
        intake = Intake(place.configuration, place.workspace, ledger)
        with monkeypatch.context() as patch:
            patch.setattr(ledger.sources, "finish_claims", _lose_the_database)
            with pytest.raises(LocalFault):
                intake.scan()
        place.drop("purchases.csv", CONTENT + MORE)
        claimed = [source.size for _ in range(2) for source in intakes.scan(intake)]
    assert claimed == [len(CONTENT), len(CONTENT + MORE)]
    place.check(CONTENT, CONTENT + MORE)


def _lose_the_database(*_: object) -> None:
    raise LocalFault("use", "ledger", "database is locked")


def test_a_failed_claim_does_not_shorten_the_wait_of_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to the next scan is that of the files that wait, however long another one is complete."""
    intake_settings = place.configuration.intake.model_copy(update={"settle_seconds": 10})
    place.configuration = place.configuration.model_copy(update={"intake": intake_settings})
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr("sftp_orchestrator.intake.intake.time", SimpleNamespace(monotonic=lambda: now.seconds))
    place.drop("purchases_a.csv")
    with place.start() as intake, capture_logs():
        fail(monkeypatch, "rename", "purchases_a.csv", errno.EPERM)
        assert intake.scan().wait_seconds == 10
        now.seconds = 100.0
        place.drop("purchases_b.csv")
        scan = intake.scan()
    assert [candidate.relative_path for candidate, _ in scan.waiting] == [b"purchases_b.csv"]
    assert scan.wait_seconds == 10


# Across file systems.


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(MORE)


def _replace(path: Path) -> None:
    new = path.with_name(".new.tmp")
    new.write_bytes(CONTENT + MORE)
    new.rename(path)


def _die_before_removal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.start() as intake, monkeypatch.context() as patch:
        fail(patch, "unlink", "purchases.csv", None)
        with pytest.raises(KilledError):
            intake.scan()


@pytest.mark.parametrize("change", [_append, _replace, Path.unlink])
def test_a_file_that_changes_after_its_last_byte_was_copied_stays(
    far_place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """The copy is dropped and the claim forgotten; what the producer made of it is taken up later."""
    path = far_place.drop("purchases.csv")
    real, changes = os.utime, iter([change])

    def utime(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        for one in changes:
            one(path)

    monkeypatch.setattr(os, "utime", utime)
    with capture_logs() as logs, far_place.start() as intake:
        assert intakes.scan(intake) == ()
        far_place.check()
        left = [len(CONTENT + MORE)] if path.exists() else []
        assert [source.size for source in intakes.scan(intake)] == left
    assert _list_warned(logs) == []


def test_a_file_that_changes_just_before_its_removal_stays(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last comparison comes after the copy is whole and durable."""
    path = far_place.drop("purchases.csv")
    real, changes = files.fsync_directory, iter([_append])

    def fsync_directory(folder: Path) -> None:
        real(folder)
        for one in changes:
            one(path)

    monkeypatch.setattr(files, "fsync_directory", fsync_directory)
    with far_place.start() as intake:
        assert intakes.scan(intake) == ()
        far_place.check()
        assert [source.size for source in intakes.scan(intake)] == [len(CONTENT + MORE)]
    far_place.check(CONTENT + MORE)


def test_an_original_that_cannot_be_removed_leaves_no_copy(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy beside an original that stays would be delivered twice."""
    far_place.drop("purchases.csv")
    with capture_logs() as logs, far_place.start() as intake, monkeypatch.context() as patch:
        fail(patch, "unlink", "purchases.csv", errno.EPERM)
        assert [intakes.scan(intake) for _ in range(2)] == [(), ()]
    assert _list_warned(logs) == [("purchases.csv", os.strerror(errno.EPERM))]
    assert far_place.list_staged() == ["purchases.csv"]
    far_place.check()


def test_a_copy_that_finds_no_space_is_not_begun(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger and the deliveries need the rest of the disk: nothing is written, and once there is space it is."""
    far_place.drop("purchases.csv")
    with capture_logs() as logs, far_place.start() as intake:
        with monkeypatch.context() as patch:
            patch.setattr(space, "SPARE_BYTES", 2**62)
            for _ in range(2):
                scan = intake.scan()
                assert (scan.claimed, "make room there" in str(scan.hindrance)) == (0, True)
        far_place.check()
        assert far_place.list_staged() == ["purchases.csv"]
        with far_place.open_ledger() as ledger:
            (untaken,) = ledger.untaken.list_all()
            assert (untaken.name, untaken.feed) == ("purchases.csv", "purchases")
            scan = intake.scan()
            assert (scan.claimed, scan.hindrance) == (1, None)
            assert ledger.untaken.list_all() == []
    assert _list_warned(logs) == [("purchases.csv", untaken.reason)]
    far_place.check(CONTENT)


def test_events_do_not_overtake_profiles_that_found_no_space_at_the_last(
    far_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fits alone, but not both: what comes behind the second stays in the very scan that finds it out."""
    for name in ("customers_a.csv", "customers_b.csv", "purchases.csv"):
        far_place.drop(name, b"x" * 1000 if name.startswith("customers") else CONTENT)
    real, asked = space.reserve, []

    def reserve(folder: Path, needed: int) -> contextlib.AbstractContextManager[space.Reservation]:
        asked.append(needed)
        if len(asked) == 2:
            raise NoSpace("reserve space in", str(folder), "it is held for others")
        return real(folder, needed)

    with far_place.start() as intake:
        with monkeypatch.context() as patch:
            patch.setattr(space, "reserve", reserve)
            assert [source.name for source in intakes.scan(intake)] == ["customers_a.csv"]
        with far_place.open_ledger() as ledger:
            assert [one.name for one in ledger.untaken.list_all()] == ["customers_b.csv", "purchases.csv"]
        assert [source.name for source in intakes.scan(intake)] == ["customers_b.csv", "purchases.csv"]


def test_what_cannot_be_taken_stays_known_over_a_restart_and_a_pause(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since when is not forgotten while nothing is tried; it is over once it is tried with success."""
    place.drop("purchases.csv")
    with place.open_ledger() as ledger, monkeypatch.context() as patch:
        fail(patch, "rename", "purchases.csv", errno.EPERM)
        with place.start() as intake:
            intake.scan()
            (first,) = ledger.untaken.list_all()
        with place.start() as intake:
            patch.setattr(intake._settler, "observe", lambda found, **_: Settled(complete=(), waiting=tuple(found)))
            intake.scan()
            assert ledger.untaken.list_all() == [first]
        with place.start() as intake:
            intake.scan()
            assert ledger.untaken.list_all() == [first]
    with place.start() as intake, place.open_ledger() as ledger:
        assert len(intakes.scan(intake)) == 1
        assert ledger.untaken.list_all() == []


def test_events_that_stay_for_others_are_known_since_the_first_of_these(
    far_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whose sake they stay may change, and a pause may come in between; a pass tells only of what it tried."""
    for name in ("customers_a.csv", "customers_b.csv", "purchases.csv"):
        far_place.drop(name)
    with far_place.start() as intake, far_place.open_ledger() as ledger, monkeypatch.context() as patch:
        patch.setattr(space, "SPARE_BYTES", 2**62)
        assert "customers_a.csv" in str(intake.scan().hindrance)
        first = ledger.untaken.list_all()[-1]
        (far_place.staging / "customers_a.csv").unlink()
        with monkeypatch.context() as paused:
            paused.setattr(intake._pausing, "look", lambda: SimpleNamespace(is_paused=True))
            assert intake.scan().hindrance is None
        intake.scan()
        last = ledger.untaken.list_all()[-1]
    assert (first.name, last.name, last.since) == ("purchases.csv", "purchases.csv", first.since)
    assert "customers_a.csv" in first.reason
    assert "customers_b.csv" in last.reason


def test_a_workspace_whose_folder_is_gone_fails_the_scan(place: Place) -> None:
    """Nothing could ever be claimed: it is told as this machine's fault, and not taken for a file that vanished."""
    place.drop("purchases.csv")
    with place.start() as intake:
        place.workspace.work.rmdir()
        with pytest.raises(LocalFault, match="No such file or directory"):
            intake.scan()


def test_a_stop_drops_the_copy_under_way(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two chunks it is given up, no further file is begun, and the next start takes all of them."""
    stop, chunks, real = threading.Event(), [], os.read
    monkeypatch.setattr("sftp_orchestrator.intake.copying._CHUNK_BYTES", 16)

    def read(descriptor: int, size: int) -> bytes:
        if size == 16:
            chunks.append(size)
            stop.set()
        return real(descriptor, size)

    for name in ("a", "b"):
        far_place.drop(f"purchases_{name}.csv")
    with far_place.start(Supervision(stop=stop)) as intake, monkeypatch.context() as patch:
        patch.setattr(os, "read", read)
        assert intakes.scan(intake) == ()
    assert len(chunks) == 1
    assert far_place.list_staged() == ["purchases_a.csv", "purchases_b.csv"]
    far_place.check()
    with far_place.start() as intake:
        assert len(intakes.scan(intake)) == 2
    far_place.check(CONTENT, CONTENT)


def test_a_big_file_is_copied_whole(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks, brought to the disk several times, are the same bytes; mode and mtime are as after a rename."""
    monkeypatch.setattr("sftp_orchestrator.intake.copying._CHUNK_BYTES", 7)
    monkeypatch.setattr("sftp_orchestrator.intake.copying._SYNC_BYTES", 20)
    path = far_place.drop("purchases.csv", CONTENT + 1000 * MORE)
    before = path.stat()
    with far_place.start() as intake:
        (source,) = intakes.scan(intake)
    found = far_place.workspace.get_source(source.id).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o600, before.st_mtime_ns)
    far_place.check(CONTENT + 1000 * MORE)


def test_a_stop_comes_between_two_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file at hand is finished, the next ones stay, and so none of their intents."""
    stop, real = threading.Event(), os.rename

    def rename(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        stop.set()

    for name in ("a", "b", "c"):
        place.drop(f"purchases_{name}.csv")
    with place.start(Supervision(stop=stop)) as intake, monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        assert [source.name for source in intakes.scan(intake)] == ["purchases_a.csv"]
        assert intakes.scan(intake) == ()
    assert place.list_staged() == ["purchases_b.csv", "purchases_c.csv"]
    place.check(CONTENT)


# No raw OSError leaves the intake.


def test_what_the_disk_does_not_forget_is_a_fault_of_this_machine(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear error at the start; the intent stays, and the start after it forgets."""
    folder = _die_before_rename(place, monkeypatch)
    with place.start() as intake, monkeypatch.context() as patch:
        fail(patch, "rmdir", folder.name, errno.EIO)
        with pytest.raises(LocalFault, match=os.strerror(errno.EIO)):
            intake.recover()
    with place.start() as intake:
        assert intake.recover() == []
    place.check()
    assert place.list_staged() == ["purchases.csv"]


def test_a_claim_that_cannot_be_forgotten_hinders_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one claim that is not ours to remove is warned of; the start and the other files go on."""
    folder = _die_before_rename(place, monkeypatch)
    place.drop("purchases_b.csv", CONTENT + MORE)
    with capture_logs() as logs, place.start() as intake:
        with monkeypatch.context() as patch:
            fail(patch, "rmdir", folder.name, errno.EACCES)
            assert intake.recover() == []
            assert [source.name for source in intakes.scan(intake)] == ["purchases_b.csv"]
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    assert _list_warned(logs) == [("purchases.csv", os.strerror(errno.EACCES))]
    place.check(CONTENT, CONTENT + MORE)


def _die_before_rename(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    place.drop("purchases.csv")
    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        with pytest.raises(KilledError):
            intake.scan()
    (folder,) = place.workspace.work.iterdir()
    return folder


def test_a_claim_that_cannot_be_told_now_hinders_no_start(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its original cannot be looked at, it is neither finished nor dropped, but warned of, and tried again."""
    far_place.drop("purchases.csv")
    _die_before_removal(far_place, monkeypatch)
    far_place.drop("purchases_b.csv", CONTENT + MORE)
    with capture_logs() as logs, far_place.start() as intake:
        with monkeypatch.context() as patch:
            fail(patch, "stat", "purchases.csv", errno.EACCES)
            assert intake.recover() == []
            assert [source.name for source in intakes.scan(intake)] == ["purchases_b.csv"]
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    assert _list_warned(logs) == [("purchases.csv", os.strerror(errno.EACCES))]
    assert far_place.list_staged() == []
    far_place.check(CONTENT, CONTENT + MORE)


def test_a_mode_that_cannot_be_set_is_told_and_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays in the workspace, its claim open, and the next scan finishes both."""
    place.drop("purchases.csv")
    with capture_logs() as logs, place.start() as intake:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "chmod", _refuse)
            assert intakes.scan(intake) == ()
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    assert _list_warned(logs) == [("purchases.csv", os.strerror(errno.EACCES))]
    place.check(CONTENT)


@pytest.mark.parametrize("drops_another", [False, True])
def test_what_was_swapped_for_a_link_is_given_back(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    drops_another: bool,  # noqa: FBT001 - a case
) -> None:
    """It is never followed, also not after a crash, and never put over a file that took its place."""
    outside = place.workspace.root.parent / "outside.csv"
    outside.write_bytes(b"secret")
    outside.chmod(0o640)
    path = place.drop("purchases.csv")
    real = os.rename

    def rename(*arguments: Any, **options: Any) -> None:
        path.unlink()
        path.symlink_to(outside)
        real(*arguments, **options)
        raise KilledError

    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(KilledError):
            intake.scan()
    if drops_another:
        place.drop("purchases.csv", CONTENT + MORE)
    with capture_logs() as logs, place.start() as intake:
        assert intake.recover() == []
        (told,) = [line for line in logs if line["event"] == "file_given_back"]
        link = place.staging / told["place"]
        assert (link == path, link.name.startswith(".")) == (not drops_another, drops_another)
        assert link.readlink() == outside
        assert path.read_bytes() == (CONTENT + MORE if drops_another else b"secret")
        # Its name is free for what came after it.
        assert [source.size for source in intakes.scan(intake)] == [len(CONTENT + MORE)] * drops_another
    assert stat.S_IMODE(outside.stat().st_mode) == 0o640
