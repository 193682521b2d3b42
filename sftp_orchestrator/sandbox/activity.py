"""The activity log: JSON lines that tell, in order, what came and what the receiver made of it.

The log is the sandbox's only memory: after a restart, what it has seen and decided is read from here.
"""

from __future__ import annotations

import enum
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sftp_orchestrator import errors


class Event(enum.StrEnum):
    """What an entry tells; the fields that come with it are in brackets."""

    STARTED = "started"
    """The sandbox listens (port)."""
    LOGIN = "login"
    """Somebody logged in with an authorized key (username)."""
    OPENED = "opened"
    """A file was opened for writing (name)."""
    CLOSED = "closed"
    """A file that was open for writing is closed (name; size; complete: false where its session ended instead)."""
    RENAMED = "renamed"
    """A file has a new name (old, name, size; complete as above)."""
    REMOVED = "removed"
    """A file was removed (name; by: sender or receiver)."""
    MANIFEST_IGNORED = "manifest_ignored"
    """A manifest was met with silence (see ``judging.ManifestIgnored``, and arrival)."""
    REFUSED = "refused"
    """A manifest and its data were refused (see ``judging.Refused``, and arrival)."""
    TAKEN = "taken"
    """A data file was imported (see ``judging.Taken``, and arrival)."""
    STOPPED = "stopped"
    """The sandbox ended in an orderly way."""


DECISIONS = frozenset({Event.MANIFEST_IGNORED, Event.REFUSED, Event.TAKEN})
"""Each says what became of one manifest; its ``arrival`` is the sequence of the entry with which that manifest came."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the log."""

    sequence: int
    """Rises by one from 1, over restarts too."""
    time: datetime
    """UTC; only ``sequence`` tells the order."""
    event: Event
    details: Mapping[str, Any]
    """The other fields."""


Listener = Callable[[Entry], None]
"""Is told of each entry after it has been written, in the sandbox's event loop; must not block."""


class ActivityLog:
    """Appends entries to one file, which it alone writes: a lock keeps a second sandbox out."""

    def __init__(self, path: Path) -> None:
        """Open the log, creating it where needed; a line that a crash tore off is dropped.

        Raises:
            LocalFault: another sandbox writes it.
        """
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise errors.LocalFault("open", str(path), "another sandbox uses this folder") from error
        self._file.seek(0)
        content = self._file.read()
        whole = content.rpartition(b"\n")
        self._file.truncate(len(whole[0]) + len(whole[1]))
        self.past = _parse(whole[0])
        """The entries found at opening."""
        self._sequence = self.past[-1].sequence if self.past else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, event: Event, /, **details: Any) -> Entry:
        """Write one entry, durably, and return it."""
        entry = Entry(sequence=self._sequence + 1, time=datetime.now(UTC), event=event, details=details)
        written = {"sequence": entry.sequence, "time": entry.time.isoformat(), "event": event.value, **details}
        # What came as no UTF-8 is half a surrogate pair here, and an escape in the file.
        self._file.write(json.dumps(written, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._sequence = entry.sequence
        return entry


def read_activity(path: Path, *, after: int = 0) -> list[Entry]:
    """Return the entries in the log at ``path`` whose sequence is above ``after``; none where there is no file.

    May be called at any time, also while a sandbox writes: a line that is not yet whole is left out.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return [entry for entry in _parse(content.rpartition(b"\n")[0]) if entry.sequence > after]


def _parse(lines: bytes) -> list[Entry]:
    return [_parse_line(line) for line in lines.splitlines()]


def _parse_line(line: bytes) -> Entry:
    fields = json.loads(line)
    return Entry(
        sequence=fields.pop("sequence"),
        time=datetime.fromisoformat(fields.pop("time")),
        event=Event(fields.pop("event")),
        details=fields,
    )
