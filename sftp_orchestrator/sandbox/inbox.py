"""The login folder: what is told about it goes to the log, the history and, where a manifest came, to the queue."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox.activity import ActivityLog, Entry, Event, Listener
from sftp_orchestrator.sandbox.history import Arrival, History


@dataclass(kw_only=True, eq=False)
class Upload:
    """A file that a session has open for writing; its name follows renames."""

    name: str
    size: int = 0
    complete: bool = True
    """Whether its sender closes it; if not, the session ended first."""


class Inbox:
    """Knows the login folder. Used in the event loop only: the order of calls is the order of things."""

    def __init__(self, folder: Path, log: ActivityLog, history: History, listener: Listener | None = None) -> None:
        self.folder = folder
        self.history = history
        self.arrivals: asyncio.Queue[Arrival | None] = asyncio.Queue()
        """Manifests to look at, in the order in which they came; None = no more."""
        self._log = log
        self._listener = listener
        self._uploads: set[Upload] = set()
        for arrival in history.pending:
            self.arrivals.put_nowait(arrival)

    def note(self, event: Event, /, **details: Any) -> Entry:
        """Write an entry, durably, and act on it."""
        entry = self._log.append(event, **details)
        arrival = self.history.follow(entry)
        if arrival is not None:
            self.arrivals.put_nowait(arrival)
        if self._listener is not None:
            self._listener(entry)
        return entry

    def is_open(self, name: str) -> bool:
        """Return whether a session has ``name`` open for writing."""
        return any(upload.name == name for upload in self._uploads)

    def note_opened(self, name: str) -> Upload:
        """Note that ``name`` was opened for writing."""
        upload = Upload(name=name)
        self._uploads.add(upload)
        self.note(Event.OPENED, name=name)
        return upload

    def note_closed(self, upload: Upload) -> None:
        """Note that an upload is over."""
        self._uploads.remove(upload)
        self.note(Event.CLOSED, name=upload.name, size=upload.size, complete=upload.complete)

    def note_renamed(self, old: str, new: str) -> None:
        """Note that the file ``old`` is ``new`` now."""
        known = self.history.get_file(old)
        for upload in self._uploads:
            if upload.name == old:
                upload.name = new
        size = (self.folder / new).stat().st_size
        self.note(Event.RENAMED, old=old, name=new, size=size, complete=known is not None and known.complete)

    def note_found(self) -> None:
        """Note, at start, the files of which the log knows no end: a crash came between."""
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            known = self.history.get_file(name)
            if path.is_file() and (known is None or not known.is_there):
                self.note(Event.CLOSED, name=name, size=path.stat().st_size, complete=False)

    def remove_taken(self) -> None:
        """Remove every file that was taken. May be repeated."""
        for name in self.history.list_taken():
            (self.folder / name).unlink(missing_ok=True)
            self.note(Event.REMOVED, name=name, by="receiver")
