"""One source as people and programs see it: its word, its reason, what else there is to know, and its JSON.

The JSON is a promise (``docs/reference/json.md``): fields are added, never renamed or removed.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator import units
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_DONE, PartState, SourceState
from sftp_orchestrator.prepare.why import Why

UNCERTAIN = "uncertain"
WAITING = "waiting"
WITHOUT_ROWS = "rows refused"


@dataclass(frozen=True, kw_only=True)
class SourceView:
    """A source with its parts, what it waits for, and what a person may do about it."""

    source: Source
    parts: tuple[Part, ...]
    waits_for: str | None
    next_steps: tuple[str, ...] = ()
    """for people, what to do first; commands stand alone. Empty where it goes on by itself"""
    scheduled_at: datetime.datetime | None = None
    """when the schedule lets it go, where that is what it waits for"""
    is_attended: bool = True
    """a daemon or a pass is there to go on with it"""
    later: Source | None = None
    """the next file of the same path and feed that waits, too"""
    replaced_by: Source | None = None
    """what was delivered in its place"""
    refused_rows: Path | None = None
    """the file in which rows of it lie that were refused, while it is there"""
    are_rows_given_up: bool = False
    """a person said so of its refused rows"""
    missing: Path | None = None
    """where the claimed file should lie, where it is gone"""
    why: Why = Why()  # noqa: RUF009 - frozen
    """why it stands aside, where something special can be done about it"""
    lacks_time: bool = False
    """its events have no ``ts``, and nobody said that this is meant"""
    seen: tuple[str, ...] = ()
    """what the receiver showed of its uncertain parts"""

    @property
    def word(self) -> str:
        """How people call its state: that of the ledger, or ``uncertain``, ``waiting``, or ``rows refused``."""
        if any(part.state is PartState.UNCERTAIN for part in self.parts):
            return UNCERTAIN
        if self.source.state is SourceState.ARCHIVED and self.refused_rows is not None:
            return WITHOUT_ROWS
        return WAITING if self.waits_for else self.source.state.value

    @property
    def reason(self) -> str | None:
        """Why it does not go on, for people."""
        return self.waits_for or self.source.reason

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """What else people should know of it, each with a word for its kind."""
        return tuple(self._list_notes())

    def _list_notes(self) -> Iterator[tuple[str, str]]:
        source = self.source
        rows = describe_rows(source, are_given_up=self.are_rows_given_up) if self.parts else None
        if rows is not None:
            yield "rows", f"{rows}: {self.refused_rows}" if self.refused_rows is not None else rows
        if self.lacks_time:
            yield "time", "its events have no ts: each counts as of when it is processed (ts.no_column)"
        for seen in self.seen:
            yield "seen", seen
        if self.replaced_by is not None:
            one = self.replaced_by
            at = units.format_time(one.changed_at, units.TO_THE_MINUTE)
            yield "note", f"replaced by {one.id}, delivered {at}: no events wait for it"
        elif source.released and source.state in SOURCE_ASIDE and source.type is FeedType.PROFILE:
            yield "note", "released: no events wait for it"

    @property
    def needs_person(self) -> bool:
        """Whether it stands still until a person decides."""
        return self.source.state in SOURCE_ASIDE

    def to_json(self) -> dict[str, Any]:
        """Return the documented fields."""
        source = self.source
        return {
            "id": source.id,
            "file": source.name,
            "feed": source.feed,
            "type": source.type.value,
            "destination": source.destination,
            "state": source.state.value,
            "size": source.size,
            "sha256": source.sha256,
            "records": source.records,
            "refused_rows": source.refused_rows,
            "duplicate_rows": source.duplicate_rows,
            "refused_folder": str(self.refused_rows.parent) if self.refused_rows is not None else None,
            "earliest_ts": source.earliest_ts,
            "claimed_at": to_text(source.claimed_at),
            "changed_at": to_text(source.changed_at),
            "reason": self.reason,
            "next": list(self.next_steps),
            "attempts": source.attempts,
            "retry_at": to_text(source.retry_at),
            "released": source.released,
            "replaced_by": self.replaced_by.id if self.replaced_by is not None else None,
            "parts": [_part_to_json(part) for part in self.parts],
        }


def describe_rows(source: Source, *, are_given_up: bool = False) -> str | None:
    """Return how many rows of a source are sent, where that is not all of them, and what became of the others. Pure."""
    if source.records is None or not (source.refused_rows or source.duplicate_rows):
        return None
    came = source.records + source.refused_rows + source.duplicate_rows
    said = [f"{source.records:,} of {came:,} rows {'sent' if source.state in SOURCE_DONE else 'to be sent'}"]
    said += [f"{source.duplicate_rows:,} left out as duplicates"] if source.duplicate_rows else []
    said += [f"{source.refused_rows:,} refused{' and given up' * are_given_up}"] if source.refused_rows else []
    return ", ".join(said)


def summarize_parts(parts: tuple[Part, ...]) -> str:
    """Return how the parts of a source stand, in one short line. Pure."""
    if not parts:
        return "-"
    counts = Counter(part.state for part in parts)
    done = counts.pop(PartState.DELIVERED, 0)
    others = [f"{number} {state}" for state, number in counts.items()]
    return ", ".join([f"{done}/{len(parts)} delivered", *others])


def _part_to_json(part: Part) -> dict[str, Any]:
    return {
        "number": part.number,
        "of": part.of,
        "state": part.state.value,
        "records": part.records,
        "size": part.size,
        "data_name": part.data_name,
        "manifest_name": part.manifest_name,
        "delivered_at": to_text(part.delivered_at),
    }


def to_text(moment: datetime.datetime | None) -> str | None:
    """Return a moment as JSON has it. Pure."""
    return moment.isoformat() if moment is not None else None
