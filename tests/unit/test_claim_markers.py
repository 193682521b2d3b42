"""Ready markers: each goes with the file that it announces, and with no other."""

from __future__ import annotations

import errno
import os

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import files
from tests.support import intakes
from tests.support.intakes import CONTENT, MORE, KilledError, Place, and_then, die, fail


@pytest.fixture
def marked_place(place: Place) -> Place:
    """A file that is complete by its marker."""
    intake_settings = place.configuration.intake.model_copy(update={"ready_marker": "{name}.ready"})
    place.configuration = place.configuration.model_copy(update={"intake": intake_settings})
    _drop_marked(place, CONTENT)
    return place


def _drop_marked(place: Place, content: bytes) -> None:
    place.drop("purchases.csv", content)
    # As a careful producer does: a marker of its own for each file, not yesterday's once more.
    place.drop("purchases.csv.ready.tmp", b"").rename(place.staging / "purchases.csv.ready")


def test_a_marker_goes_with_its_file(marked_place: Place) -> None:
    """Nothing stays that would make a later file of that name complete at once."""
    with marked_place.start() as intake:
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    assert marked_place.list_staged() == []
    marked_place.check(CONTENT)


def test_a_marker_is_removed_after_a_crash_too(marked_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the rename: the marker that lies there still is that of the file that is ours."""
    _die_after_rename(marked_place, monkeypatch)
    with marked_place.start() as intake:
        assert [source.name for source in intake.recover()] == ["purchases.csv"]
    assert marked_place.list_staged() == []


@pytest.mark.parametrize("is_touched", [False, True])
def test_the_marker_of_the_next_file_is_not_taken_for_that_of_the_first(
    marked_place: Place,
    monkeypatch: pytest.MonkeyPatch,
    is_touched: bool,  # noqa: FBT001 - a case
) -> None:
    """Killed after the rename, and the next file came with a marker, or touched the old one: it is complete."""
    _die_after_rename(marked_place, monkeypatch)
    marker = marked_place.staging / "purchases.csv.ready"
    if is_touched:
        marked_place.drop("purchases.csv", CONTENT + MORE)
        os.utime(marker, ns=(0, marker.stat().st_mtime_ns + 1))
    else:
        _drop_marked(marked_place, CONTENT + MORE)
    with marked_place.start() as intake:
        assert [source.size for source in intake.recover()] == [len(CONTENT)]
        assert marked_place.list_staged() == ["purchases.csv", "purchases.csv.ready"]
        assert [source.size for source in intakes.scan(intake)] == [len(CONTENT + MORE)]
    assert marked_place.list_staged() == []
    marked_place.check(CONTENT, CONTENT + MORE)


def test_a_file_and_marker_that_come_during_the_claim_stay(
    marked_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a crash, too: between the rename and the removal of the marker lie writes to the disk."""
    contents = iter([CONTENT + MORE])

    def drop_next() -> None:
        for content in contents:
            _drop_marked(marked_place, content)

    monkeypatch.setattr(files, "fsync_directory", and_then(files.fsync_directory, drop_next))
    with marked_place.start() as intake:
        assert [source.size for source in intakes.scan(intake)] == [len(CONTENT)]
        assert [source.size for source in intakes.scan(intake)] == [len(CONTENT + MORE)]
    assert marked_place.list_staged() == []


def _die_after_rename(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.start() as intake, monkeypatch.context() as patch:
        patch.setattr(files, "fsync_directory", die)
        with pytest.raises(KilledError):
            intake.scan()


def test_a_marker_that_stays_is_warned_of_and_the_file_is_ours(
    marked_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marker is not worth the file."""
    place = marked_place
    with capture_logs() as logs, place.start() as intake, monkeypatch.context() as patch:
        fail(patch, "unlink", "purchases.csv.ready", errno.EPERM)
        assert [source.name for source in intakes.scan(intake)] == ["purchases.csv"]
    warned = [(line["file"], line["reason"]) for line in logs if line["event"] == "marker_left"]
    assert warned == [("purchases.csv", os.strerror(errno.EPERM))]
    place.check(CONTENT)
