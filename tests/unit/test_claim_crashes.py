"""A claim that dies at any step: at the next start no file is lost, and none is sent twice."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from sftp_orchestrator import files
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.intake.claim_files import ClaimFiles
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.ledger.tables import CLAIM
from tests.support import intakes
from tests.support.intakes import CONTENT, MORE, KilledError, Place, and_then, die, fail

NEW = b"event_name,time_stamp,user_id\nSold,1700086400,u9\n"
"""The next day's file."""
NAME = "purchases.csv"


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(MORE)


def _replace(path: Path) -> None:
    """Put the next file in the place of this one, as careful producers do; or where it was."""
    new = path.with_name(".new.tmp")
    new.write_bytes(NEW)
    new.rename(path)


def _rewrite(path: Path) -> None:
    """Write other bytes into the very file."""
    path.write_bytes(NEW)


def _leave(_: Path) -> None:
    pass


def _after(call: str, name: bytes) -> Callable[[pytest.MonkeyPatch], None]:
    """Die just after ``os.<call>`` did its work on this name in staging."""

    def arm(patch: pytest.MonkeyPatch) -> None:
        real = getattr(os, call)

        def replaced(path: str | bytes | Path, *arguments: Any, **options: Any) -> None:
            real(path, *arguments, **options)
            if path == name:
                raise KilledError

        patch.setattr(os, call, replaced)

    return arm


KILLS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before source.copied": lambda patch: fail(patch, "rename", "source.copying", None),
    "before source.removing": lambda patch: fail(patch, "rename", "source.copied", None),
    "before source.removing is on the disk": lambda patch: patch.setattr(files, "fsync_directory", die),
    "before the removal": lambda patch: fail(patch, "unlink", NAME, None),
    "after the removal": _after("unlink", NAME.encode()),
    "before source.csv": lambda patch: fail(patch, "rename", "source.removing", None),
    "before its bytes are on the disk": lambda patch: patch.setattr(files, "flush_file", die),
    "before its names are on the disk": lambda patch: patch.setattr(ClaimFiles, "secure_names", die),
    "before the note": lambda patch: patch.setattr(Sources, "finish_claims", die),
}
STEPS = list(KILLS)
REMOVING = STEPS[2:4]
"""The copy counts, and the original is still there."""
REMOVED = STEPS[4:]


def _list_cases() -> Iterator[Any]:
    for kill, change in itertools.product(STEPS, (_leave, _append, _replace, _rewrite)):
        if change is _leave:
            wanted = [CONTENT]
        elif kill in REMOVED:
            # What is there now was dropped after we removed the first one.
            wanted = [CONTENT, MORE if change is _append else NEW]
        elif change is _append:
            wanted = [CONTENT + MORE]
        else:
            wanted = [CONTENT, NEW] if kill in REMOVING else [NEW]
        yield pytest.param(kill, change, wanted, id=f"{kill}-{change.__name__.strip('_')}")


@pytest.mark.parametrize(("kill", "change", "wanted"), list(_list_cases()))
def test_no_crash_loses_or_doubles_a_file(
    far_place: Place,
    monkeypatch: pytest.MonkeyPatch,
    kill: str,
    change: Callable[[Path], None],
    wanted: list[bytes],
) -> None:
    """Killed at each step of a copy, and then its producer does something: everything arrives, and once."""
    path = far_place.drop(NAME)
    _die_at(far_place, monkeypatch, kill)
    assert path.exists() is (kill not in REMOVED)
    change(path)
    _start_again(far_place)
    assert far_place.list_staged() == []
    far_place.check(*wanted)


@pytest.mark.parametrize("kill", REMOVED)
@pytest.mark.parametrize(("dropped", "wanted"), [(NEW, [CONTENT, NEW]), (CONTENT + MORE, [CONTENT + MORE])])
def test_a_later_file_with_the_number_of_the_first_is_another_file(
    far_place: Place, monkeypatch: pytest.MonkeyPatch, kill: str, dropped: bytes, wanted: list[bytes]
) -> None:
    """File systems give a freed inode number to the next file: only where that holds every byte is ours dropped."""
    path = far_place.drop(NAME)
    _die_at(far_place, monkeypatch, kill)
    path.write_bytes(dropped)
    with far_place.open_ledger() as ledger, ledger._engine.begin() as connection:
        connection.execute(sa.update(CLAIM).values(inode=path.stat().st_ino))
    _start_again(far_place)
    far_place.check(*wanted)


@pytest.mark.parametrize(("change", "wanted"), [(_leave, CONTENT), (_append, CONTENT + MORE)])
def test_a_removal_that_the_power_cut_took_back_is_made_up_for(
    far_place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], wanted: bytes
) -> None:
    """A copy in the place of the source while its very original still lies in staging is a copy all the same."""
    path = far_place.drop(NAME)
    _die_at(far_place, monkeypatch, "before the removal")
    (removing,) = far_place.workspace.work.glob("*/source.removing")
    removing.rename(removing.with_name("source.csv"))
    change(path)
    _start_again(far_place)
    assert far_place.list_staged() == []
    far_place.check(wanted)


def test_a_device_that_has_another_number_after_a_reboot_is_the_same(
    far_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems without a disk of their own are numbered anew: the original is known all the same."""
    far_place.drop(NAME)
    _die_at(far_place, monkeypatch, "before the removal")
    with far_place.open_ledger() as ledger, ledger._engine.begin() as connection:
        connection.execute(sa.update(CLAIM).values(device=12345))
    _start_again(far_place)
    assert far_place.list_staged() == []
    far_place.check(CONTENT)


def test_a_staging_that_is_not_there_tells_nothing(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not mounted yet: the claim waits, warned of, and is concluded once its folder is back."""
    far_place.drop(NAME)
    _die_at(far_place, monkeypatch, "before the removal")
    elsewhere = far_place.staging.with_name(f"{far_place.staging.name}-away")
    far_place.staging.rename(elsewhere)
    with capture_logs() as logs, far_place.start() as intake:
        assert intake.recover() == []
        elsewhere.rename(far_place.staging)
        assert [source.name for source in intakes.scan(intake)] == [NAME]
    assert [line["file"] for line in logs if line["event"] == "claim_failed"] == [NAME]
    assert far_place.list_staged() == []
    far_place.check(CONTENT)


def test_a_stop_leaves_a_claim_that_takes_long_to_judge(far_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing gigabytes is given up at once; the next start does it."""
    path = far_place.drop(NAME)
    _die_at(far_place, monkeypatch, "before the removal")
    _append(path)
    stop = threading.Event()
    with far_place.start(Supervision(stop=stop)) as intake:
        monkeypatch.setattr(os, "pread", and_then(os.pread, stop.set))
        monkeypatch.setattr("sftp_orchestrator.intake.copying._CHUNK_BYTES", 16)
        assert intake.recover() == []
    monkeypatch.undo()
    with far_place.open_ledger() as ledger:
        assert len(ledger.sources.list_claims()) == 1
    _start_again(far_place)
    far_place.check(CONTENT + MORE)


@pytest.mark.parametrize("drops_another", [False, True])
def test_a_renamed_file_is_finished_whatever_lies_under_its_name_now(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    drops_another: bool,  # noqa: FBT001 - a case
) -> None:
    """Killed after the rename: the file is ours, and a new one under the old name is another file."""
    path = place.drop(NAME)
    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(files, "fsync_directory", die)
        with pytest.raises(KilledError):
            intake.scan()
    if drops_another:
        path.write_bytes(NEW)
    _start_again(place)
    place.check(*([CONTENT, NEW] if drops_another else [CONTENT]))


@pytest.mark.parametrize(("change", "wanted"), [(_leave, CONTENT), (_append, CONTENT + MORE)])
def test_a_rename_that_left_both_names_is_made_up_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], wanted: bytes
) -> None:
    """A file system that does not rename at once may show the file twice after a power cut: it is one file."""
    path = place.drop(NAME)
    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(files, "fsync_directory", die)
        with pytest.raises(KilledError):
            intake.scan()
    (ours,) = place.workspace.work.glob("*/source.csv")
    path.hardlink_to(ours)
    change(path)
    _start_again(place)
    assert place.list_staged() == []
    place.check(wanted)


FILES = ("source.copying", "source.copied", "source.removing", "source.csv")


def test_whatever_lies_there_at_the_start_no_file_is_lost(far_place: Place) -> None:
    """Every combination of files in the workspace and in staging: ours counts, once, and so does what is new."""
    wanted: list[bytes] = []
    claims: list[Claim] = []
    for number, present in enumerate(_list_subsets(FILES)):
        for staged in ("nothing", "original", "another"):
            claims.append(_arrange(far_place, f"{number:02}{staged[:2]}", present, staged))
            wanted += _list_wanted(claims[-1].source_id.encode(), present, staged)
    with far_place.open_ledger() as ledger:
        ledger.sources.begin_claims(claims)
    _start_again(far_place)
    with far_place.open_ledger() as ledger:
        assert ledger.sources.list_claims() == []
        sources = ledger.sources.list_in({SourceState.CLAIMED})
    assert far_place.list_staged() == []
    ours = [far_place.workspace.get_source(source.id).read_bytes() for source in sources]
    assert sorted(ours) == sorted(wanted)


def _list_subsets(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for count in range(len(names) + 1):
        yield from itertools.combinations(names, count)


def _arrange(place: Place, source_id: str, present: tuple[str, ...], staged: str) -> Claim:
    """Put files where a claim may have left them; the content tells which claim's they are."""
    path = place.drop(f"purchases_{source_id}.csv", source_id.encode())
    status = path.stat()
    for name in present:
        kept = place.workspace.get_folder(source_id) / name
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(source_id.encode() if name != "source.copying" else b"")
    if staged == "another":
        new = path.with_name(".new.tmp")
        new.write_bytes(b"another" + source_id.encode())
        new.rename(path)
    elif staged == "nothing":
        path.unlink()
    return Claim(
        source_id=source_id,
        feed="purchases",
        type=FeedType.EVENT,
        destination="production",
        relative_path=path.name.encode(),
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
    )


def _list_wanted(content: bytes, present: tuple[str, ...], staged: str) -> list[bytes]:
    counts = "source.csv" in present or "source.removing" in present
    another = [b"another" + content] if staged == "another" else []
    if staged == "nothing":
        return [content] if counts or "source.copied" in present else []
    if staged == "original":
        return [content]
    return [content, *another] if counts else another


def _die_at(place: Place, monkeypatch: pytest.MonkeyPatch, kill: str) -> None:
    with place.start() as intake, monkeypatch.context() as patch:
        KILLS[kill](patch)
        with pytest.raises(KilledError):
            intake.scan()


def _start_again(place: Place) -> None:
    """Recover, then look until nothing more is to be taken."""
    with place.start() as intake:
        intake.recover()
        while intakes.scan(intake):
            pass
