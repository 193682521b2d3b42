"""What the ledger calls ours is on the disk: a power cut takes nothing of it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sftp_orchestrator import files
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.intake.supervision import Supervision
from tests.support import intakes
from tests.support.intakes import CONTENT, KilledError, Place, die


@pytest.mark.parametrize("is_far", [False, True])
def test_a_source_is_on_the_disk_before_it_is_noted(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    is_far: bool,  # noqa: FBT001 - a case
) -> None:
    """Bytes, then names, on both sides, then the ledger: a power cut takes nothing of what the ledger knows."""
    place: Place = request.getfixturevalue("far_place" if is_far else "place")
    place.drop("a/purchases.csv")
    synced: list[str] = []
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, _and_note(getattr(os, call), synced))
    with place.open_ledger() as ledger:
        monkeypatch.setattr(ledger.sources, "finish_claims", die)
        synced.clear()
        with pytest.raises(KilledError):
            Intake(place.configuration, place.workspace, ledger).scan()
        (claim,) = ledger.sources.list_claims()
    source = place.workspace.get_source(claim.source_id)
    for path in (source, source.parent, place.workspace.work, place.staging / "a"):
        assert str(path) in synced
    assert synced.index(str(source)) < len(synced) - 1 - synced[::-1].index(str(place.workspace.work))


def _and_note(real: Callable[[int], None], synced: list[str]) -> Callable[[int], None]:
    def replaced(descriptor: int) -> None:
        real(descriptor)
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    return replaced


def test_a_stop_does_not_wait_until_gigabytes_are_on_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two slices it is given up; the file is in the workspace, and the next start goes on."""
    monkeypatch.setattr(files, "_SLICE_BYTES", 16)
    stop, real, slices = threading.Event(), files._write_out, []

    def write_out(descriptor: int, start: int, count: int) -> None:
        real(descriptor, start, count)
        slices.append(start)
        stop.set()

    place.drop("purchases.csv")
    with place.start(Supervision(stop=stop)) as intake, monkeypatch.context() as patch:
        patch.setattr(files, "_write_out", write_out)
        assert intakes.scan(intake) == ()
    assert slices == [0]
    assert place.list_staged() == []
    with place.start() as intake:
        assert [source.name for source in intake.recover()] == ["purchases.csv"]
    place.check(CONTENT)


def test_a_disk_that_fails_leaves_the_file_unnoted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be on the disk is no source; the scan fails, and a later one finishes it."""
    place.drop("purchases.csv")
    with place.start() as intake:
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", _fail_to_write)
            with pytest.raises(LocalFault, match=os.strerror(errno.EIO)):
                intake.scan()
        assert place.list_staged() == []
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    place.check(CONTENT)


def _fail_to_write(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
