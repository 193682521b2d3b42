"""What stands where: the one query that ``status``, ``history``, the page and the metrics read.

The JSON made of these is a promise (``docs/reference/json.md``): fields are added, never renamed or removed.
"""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sftp_orchestrator.config.model import Configuration, FeedType
from sftp_orchestrator.deliver.order import decide_gate
from sftp_orchestrator.intake.intake import Survey, open_staging, survey
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source, display_path
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, PartState, SourceState


@dataclass(frozen=True, kw_only=True)
class SourceView:
    """A source with its parts, and what it waits for."""

    source: Source
    parts: tuple[Part, ...]
    waits_for: str | None

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
            "earliest_ts": source.earliest_ts,
            "claimed_at": _to_text(source.claimed_at),
            "changed_at": _to_text(source.changed_at),
            "reason": self.waits_for or source.reason,
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
    return Overview(
        at=datetime.datetime.now(datetime.UTC),
        staging=survey(open_staging(configuration).look(), configuration),
        counts=ledger.count_sources(),
        sources=tuple(_view(source, configuration, ledger) for source in waiting),
    )


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


def _view(source: Source, configuration: Configuration, ledger: Ledger) -> SourceView:
    waits_for = None
    destination = configuration.destinations.get(source.destination)
    if source.type is FeedType.EVENT and source.state in SOURCE_ON_ITS_WAY and destination is not None:
        earlier = ledger.sources.list_blocking_profiles(source.destination, before=source.number)
        waits_for = decide_gate(source, earlier, destination.blocked_profiles).explain()
    return SourceView(source=source, parts=tuple(ledger.parts.list_of(source.id)), waits_for=waits_for)


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
