"""The order of delivery, decided purely: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE


def list_profiles(sources: Sequence[Source]) -> list[Source]:
    """Return the profile sources in the order of their claims: a later upsert of a user must win."""
    return sorted((s for s in sources if s.type is FeedType.PROFILE), key=lambda source: source.number)


def list_events(sources: Sequence[Source]) -> list[Source]:
    """Return the event sources, oldest events first; then by arrival, then by name.

    Events without ``ts`` happen "when processed" (CleverTap), so they take the place of their claim's time.
    """

    def key(source: Source) -> tuple[float, int, bytes]:
        earliest = source.earliest_ts if source.earliest_ts is not None else source.claimed_at.timestamp()
        return (earliest, source.number, source.relative_path)

    return sorted((s for s in sources if s.type is FeedType.EVENT), key=key)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether an event source may go, and what it waits for."""

    is_open: bool
    waits_for: tuple[Source, ...] = ()
    passes_over: tuple[Source, ...] = ()
    """profile sources left behind by policy: worth an alert"""

    def explain(self) -> str | None:
        """Return one line for people; None where nothing is waited for."""
        if self.is_open:
            return None
        waited = ", ".join(f"{source.id} ({source.name}, {source.state})" for source in self.waits_for)
        return f"waits for the profiles claimed before it: {waited}"


def decide_gate(event: Source, earlier_profiles: Sequence[Source], policy: BlockedProfiles) -> Gate:
    """Decide whether ``event`` may be sent, given the undelivered profile sources claimed before it. Pure.

    Profiles on their way are always waited for. Those quarantined or held are waited for under ``hold``,
    unless a person released them, or the event.
    """
    on_their_way = tuple(source for source in earlier_profiles if source.state not in SOURCE_ASIDE)
    aside = tuple(source for source in earlier_profiles if source.state in SOURCE_ASIDE and not source.released)
    if event.released:
        return Gate(is_open=True, passes_over=(*on_their_way, *aside))
    if policy is BlockedProfiles.CONTINUE:
        return Gate(is_open=not on_their_way, waits_for=on_their_way, passes_over=aside)
    return Gate(is_open=not on_their_way and not aside, waits_for=(*on_their_way, *aside))
