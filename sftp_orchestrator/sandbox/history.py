"""What is known of each file in the login folder, told by the entries of the activity log. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sftp_orchestrator.sandbox.activity import DECISIONS, Entry, Event

MANIFEST_SUFFIX = ".manifest"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time during which a file was there in full and untouched; numbers are sequences of log entries."""

    start: int
    end: int | None = None
    """When it was opened for writing, renamed or removed; None = it is still there."""

    def covers(self, sequence: int) -> bool:
        """Return whether the entry ``sequence`` falls into it."""
        return self.start < sequence and (self.end is None or sequence < self.end)


@dataclass(frozen=True, kw_only=True)
class File:
    """What happened under one name."""

    spans: tuple[Span, ...] = ()
    is_open: bool = False
    """Whether somebody is still writing it."""
    complete: bool = False
    """Whether its sender closed it the last time; if not, the session ended first."""
    taken: bool = False
    """Whether it was imported, or is the manifest of what was."""

    @property
    def is_there(self) -> bool:
        """Whether it is there in full."""
        return bool(self.spans) and self.spans[-1].end is None

    def was_there(self, sequence: int) -> bool:
        """Return whether it was there in full at the entry ``sequence``."""
        return any(span.covers(sequence) for span in self.spans)

    def is_untouched_since(self, sequence: int) -> bool:
        """Return whether it is still as it was at the entry ``sequence``, or as it came with it."""
        return self.is_there and self.spans[-1].start <= sequence

    def start(self, sequence: int, *, complete: bool) -> File:
        """Return it as being there in full from ``sequence`` on."""
        return replace(self, spans=(*self.spans, Span(start=sequence)), is_open=False, complete=complete)

    def end(self, sequence: int) -> File:
        """Return it as being touched or gone from ``sequence`` on."""
        if not self.is_there:
            return replace(self, is_open=False)
        return replace(self, spans=(*self.spans[:-1], replace(self.spans[-1], end=sequence)), is_open=False)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A manifest that came; it is looked at once."""

    manifest: str
    sequence: int
    """Of the entry with which it came."""
    complete: bool
    """Whether its sender closed it; if not, the session ended first."""


class History:
    """Follows the log, entry by entry; the same for entries of an earlier life and new ones."""

    def __init__(self, entries: Iterable[Entry] = (), *, remembers_cut_manifests: bool = False) -> None:
        self._remembers_cut_manifests = remembers_cut_manifests
        self._files: dict[str, File] = {}
        self._pending: dict[int, Arrival] = {}
        self._used: set[str] = set()
        for entry in entries:
            self.follow(entry)

    @property
    def pending(self) -> list[Arrival]:
        """The manifests that nothing was decided about, in the order in which they came."""
        return list(self._pending.values())

    def get_file(self, name: str) -> File | None:
        """Return what is known of ``name``, None where there never was such a file."""
        return self._files.get(name)

    def list_taken(self) -> list[str]:
        """Return the names of the files that were taken and are still there."""
        return [name for name, file in self._files.items() if file.taken]

    def is_used(self, manifest: str) -> bool:
        """Return whether a manifest of this name was looked at before."""
        return manifest in self._used

    def follow(self, entry: Entry) -> Arrival | None:
        """Take ``entry`` in; return the arrival where it is that of a manifest."""
        if entry.event in DECISIONS:
            self._follow_decision(entry)
            return None
        name = entry.details.get("name", "")
        file = self._files.get(name, File())
        match entry.event:
            case Event.OPENED:
                self._files[name] = replace(file.end(entry.sequence), is_open=True)
            case Event.CLOSED:
                self._files[name] = file.end(entry.sequence).start(entry.sequence, complete=entry.details["complete"])
                return self._arrive(name, entry)
            case Event.RENAMED:
                return self._follow_renamed(name, entry)
            case Event.REMOVED:
                self._files[name] = replace(file.end(entry.sequence), taken=False)
        return None

    def _follow_renamed(self, name: str, entry: Entry) -> Arrival | None:
        old = self._files.get(entry.details["old"], File())
        self._files[entry.details["old"]] = replace(old.end(entry.sequence), taken=False)
        file = self._files.get(name, File()).end(entry.sequence)
        if old.is_open:
            # Its sender goes on writing under the new name: it is there once it is closed.
            self._files[name] = replace(file, is_open=True)
            return None
        self._files[name] = replace(file.start(entry.sequence, complete=entry.details["complete"]), taken=old.taken)
        return self._arrive(name, entry)

    def _arrive(self, name: str, entry: Entry) -> Arrival | None:
        # Only the login folder itself is looked at: the vendor documents no other.
        if not name.endswith(MANIFEST_SUFFIX) or "/" in name:
            return None
        arrival = Arrival(manifest=name, sequence=entry.sequence, complete=entry.details["complete"])
        self._pending[entry.sequence] = arrival
        return arrival

    def _follow_decision(self, entry: Entry) -> None:
        manifest = entry.details["manifest"]
        arrival = self._pending.pop(entry.details["arrival"])
        # A cut upload that came to nothing left no trace with the receiver: its name is still free.
        if entry.event is not Event.MANIFEST_IGNORED or arrival.complete or self._remembers_cut_manifests:
            self._used.add(manifest)
        if entry.event is Event.TAKEN:
            for name in (entry.details["data"], manifest):
                if name in self._files:
                    self._files[name] = replace(self._files[name], taken=True)
