from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.sandbox.activity import ActivityLog, Event, read_activity


def test_sequence_goes_on(tmp_path: Path) -> None:
    """The sequence rises by one, over restarts too, and what was written is read back."""
    path = tmp_path / "activity.jsonl"
    with ActivityLog(path) as log:
        log.append(Event.STARTED, port=22)
        written = log.append(Event.OPENED, name="a\udcff\n.csv")
    with ActivityLog(path) as log:
        assert log.past[-1] == written
        log.append(Event.STOPPED)
    entries = read_activity(path)
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert entries[1] == written
    assert entries[1].time.tzinfo is UTC
    assert read_activity(path, after=2) == entries[2:]


def test_names_stand_in_it_as_they_are(tmp_path: Path) -> None:
    """``grep käufe`` finds the line; what is no UTF-8 is an escape, and read back."""
    path = tmp_path / "activity.jsonl"
    with ActivityLog(path) as log:
        written = log.append(Event.OPENED, name="käufe\udcff\u2028.csv")
    assert "käufe" in path.read_text(encoding="utf-8")
    assert read_activity(path) == [written]


def test_a_torn_line_is_dropped(tmp_path: Path) -> None:
    """A line that a crash tore off is nothing to readers, and makes room for the next."""
    path = tmp_path / "activity.jsonl"
    with ActivityLog(path) as log:
        log.append(Event.STARTED, port=22)
    with path.open("ab") as stream:
        stream.write(b'{"sequence": 2, "ti')
    assert len(read_activity(path)) == 1
    with ActivityLog(path) as log:
        assert log.append(Event.STOPPED).sequence == 2
    assert [entry.event for entry in read_activity(path)] == [Event.STARTED, Event.STOPPED]


def test_nothing_yet(tmp_path: Path) -> None:
    """Before the first entry there are none."""
    assert read_activity(tmp_path / "activity.jsonl") == []


def test_one_writer_only(tmp_path: Path) -> None:
    """Two sandboxes never share a folder."""
    path = tmp_path / "activity.jsonl"
    with ActivityLog(path), pytest.raises(errors.LocalFault, match="another sandbox"):
        ActivityLog(path)
