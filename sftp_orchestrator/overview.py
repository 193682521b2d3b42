"""What stands where: the one query that ``status``, ``history``, the page and the metrics read.

The JSON made of these is a promise (``docs/reference/json.md``): fields are added, never renamed or removed.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.order import Gate, decide_gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.intake import Survey, open_staging, survey
from sftp_orchestrator.intake.staging import Obstacle
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source, display_path
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, PartState, SourceState
from sftp_orchestrator.workspace import Workspace

UNCERTAIN = "uncertain"
WAITING = "waiting"


@dataclass(frozen=True, kw_only=True)
class SourceView:
    """A source with its parts, what it waits for, and what a person may do about it."""

    source: Source
    parts: tuple[Part, ...]
    waits_for: str | None
    next_steps: tuple[str, ...] = ()
    """for people, what to do first; commands stand alone. Empty where it goes on by itself"""

    @property
    def word(self) -> str:
        """How people call its state: that of the ledger, or ``uncertain``, or ``waiting`` for profiles."""
        if any(part.state is PartState.UNCERTAIN for part in self.parts):
            return UNCERTAIN
        return WAITING if self.waits_for else self.source.state.value

    @property
    def reason(self) -> str | None:
        """Why it does not go on, for people."""
        return self.waits_for or self.source.reason

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
            "earliest_ts": source.earliest_ts,
            "claimed_at": _to_text(source.claimed_at),
            "changed_at": _to_text(source.changed_at),
            "reason": self.reason,
            "attempts": source.attempts,
            "retry_at": _to_text(source.retry_at),
            "released": source.released,
            "parts": [_part_to_json(part) for part in self.parts],
        }


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything that is not done, and how much is."""

    at: datetime.datetime
    staging: Survey
    counts: dict[str, int]
    sources: tuple[SourceView, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the documented fields."""
        return {
            "at": _to_text(self.at),
            "staging": {
                "arriving": [
                    {"file": display_path(candidate.relative_path), "feed": feed, "size": candidate.size}
                    for candidate, feed in self.staging.matched
                ],
                "left_alone": [
                    {"file": display_path(obstacle.relative_path), "reason": obstacle.reason}
                    for obstacle in self.staging.left_alone
                ],
            },
            "counts": {state.value: self.counts.get(state.value, 0) for state in SourceState},
            "sources": [view.to_json() for view in self.sources],
        }


def get_overview(configuration: Configuration, ledger: Ledger) -> Overview:
    """Return what waits, runs, is quarantined, held or uncertain now. Raises ``LocalFault``."""
    waiting = ledger.sources.list_in(SOURCE_ON_ITS_WAY | SOURCE_ASIDE | {SourceState.DELIVERED})
    now = datetime.datetime.now(datetime.UTC)
    return Overview(
        at=now,
        staging=_survey(configuration),
        counts=ledger.count_sources(),
        sources=tuple(_view(source, configuration, ledger, now) for source in waiting),
    )


def _survey(configuration: Configuration) -> Survey:
    """Return what lies in staging; where that cannot be looked at, this is what is told, and the ledger beside it."""
    try:
        return survey(open_staging(configuration).look(), configuration)
    except LocalFault as error:
        return Survey(matched=(), left_alone=(Obstacle(relative_path=b".", reason=str(error)),))


def list_done(ledger: Ledger, *, limit: int) -> list[SourceView]:
    """Return the sources that were archived last, the newest first, with their parts."""
    return [
        SourceView(source=source, parts=tuple(ledger.parts.list_of(source.id)), waits_for=None)
        for source in ledger.sources.list_last_archived(limit)
    ]


def summarize_parts(parts: tuple[Part, ...]) -> str:
    """Return how the parts of a source stand, in one short line. Pure."""
    if not parts:
        return "-"
    counts = Counter(part.state for part in parts)
    done = counts.pop(PartState.DELIVERED, 0)
    others = [f"{number} {state}" for state, number in counts.items()]
    return ", ".join([f"{done}/{len(parts)} delivered", *others])


def _view(source: Source, configuration: Configuration, ledger: Ledger, now: datetime.datetime) -> SourceView:
    gate: Gate | None = None
    destination = configuration.destinations.get(source.destination)
    if source.type is FeedType.EVENT and source.state in SOURCE_ON_ITS_WAY and destination is not None:
        earlier = ledger.sources.list_blocking_profiles(source.destination, before=source.number)
        gate = decide_gate(source, earlier, destination.blocked_profiles)
    view = SourceView(
        source=source,
        parts=tuple(ledger.parts.list_of(source.id)),
        waits_for=gate.explain() if gate is not None else None,
    )
    return replace(view, next_steps=advise(view, gate, Workspace(root=configuration.workspace), now))


def advise(view: SourceView, gate: Gate | None, workspace: Workspace, now: datetime.datetime) -> tuple[str, ...]:
    """Return what a person may do about a source, commands ready to be typed. Pure."""
    source, command = view.source, "sftp-orchestrator"
    if view.word == UNCERTAIN:
        return (
            "look there whether the receiver took it; then say so:",
            f"{command} resolve {source.id} --delivered",
            f"{command} resolve {source.id} --resend",
        )
    if source.state is SourceState.QUARANTINED:
        folder = workspace.get_quarantine(source.id)
        return (
            f"read {folder}/report.json",
            "then correct the file beside it, and:",
            f"{command} retry {source.id}",
            "or drop a corrected file",
        )
    if source.state is SourceState.HELD:
        return ("once the reason is dealt with:", f"{command} retry {source.id}", f"{command} release {source.id}")
    if gate is not None and any(profiles.state in SOURCE_ASIDE for profiles in gate.waits_for):
        return ("deal with these profiles first; or send the events without them:", f"{command} release {source.id}")
    return _advise_to_wait(source, now)


def _advise_to_wait(source: Source, now: datetime.datetime) -> tuple[str, ...]:
    if source.retry_at is None or source.state not in SOURCE_ON_ITS_WAY:
        return ()
    if source.retry_at <= now:
        return ("it is tried again by itself, with the next run",)
    return (
        f"it is tried again by itself at {source.retry_at:%Y-%m-%d %H:%M:%S} UTC; or now:",
        f"sftp-orchestrator retry {source.id}",
    )


def _part_to_json(part: Part) -> dict[str, Any]:
    return {
        "number": part.number,
        "of": part.of,
        "state": part.state.value,
        "records": part.records,
        "size": part.size,
        "data_name": part.data_name,
        "manifest_name": part.manifest_name,
        "delivered_at": _to_text(part.delivered_at),
    }


def _to_text(moment: datetime.datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
