"""The order of delivery, decided purely: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import PendingProfiles, Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE

NAMED = 5
"""Profile sources that a gate names; the others are counted. Thousands may stand before each of thousands of events."""


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


class Backlog:
    """The profile sources of one destination that are not delivered: put in order once, asked for every event."""

    def __init__(self, profiles: Iterable[PendingProfiles]) -> None:
        ordered = sorted(profiles, key=_get_number)
        self.on_their_way = [source for source in ordered if source.state not in SOURCE_ASIDE]
        self.aside = [source for source in ordered if source.state in SOURCE_ASIDE and not source.released]
        """waiting for a person, who has not released them"""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Some profile sources: the first few of them, and how many they are."""

    named: tuple[PendingProfiles, ...] = ()
    """``NAMED`` at most; those that wait for a person come first"""
    count: int = 0
    aside: int = 0
    """how many of them wait for a person"""

    def __str__(self) -> str:
        named = ", ".join(f"{source.id} ({source.name}, {source.state})" for source in self.named)
        more = self.count - len(self.named)
        return f"{named} and {more} more" if more else named


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether an event source may go, and what it waits for."""

    is_open: bool
    waits_for: Group = Group()
    passes_over: Group = Group()
    """profile sources left behind by policy: worth an alert"""

    @property
    def needs_person(self) -> bool:
        """Whether something is waited for that does not go on by itself."""
        return self.waits_for.aside > 0

    def explain(self) -> str | None:
        """Return one line for people; None where nothing is waited for."""
        return None if self.is_open else f"waits for the profiles claimed before it: {self.waits_for}"


def decide_gate(event: Source, backlog: Backlog, policy: BlockedProfiles) -> Gate:
    """Decide whether ``event`` may be sent, given its destination's backlog of profiles. Pure.

    Of these, the ones claimed before it count. Those on their way are always waited for; those quarantined or held
    under ``hold``, unless a person released them, or the event.
    """
    if event.released:
        return Gate(is_open=True, passes_over=_pick(event, aside=backlog.aside, on_their_way=backlog.on_their_way))
    if policy is BlockedProfiles.CONTINUE:
        waits_for = _pick(event, on_their_way=backlog.on_their_way)
        return Gate(is_open=not waits_for.count, waits_for=waits_for, passes_over=_pick(event, aside=backlog.aside))
    waits_for = _pick(event, aside=backlog.aside, on_their_way=backlog.on_their_way)
    return Gate(is_open=not waits_for.count, waits_for=waits_for)


def _pick(
    event: Source, *, aside: Sequence[PendingProfiles] = (), on_their_way: Sequence[PendingProfiles] = ()
) -> Group:
    """Return those claimed before ``event``; both lists are in the order of claims, and neither is copied."""
    aside_count = bisect.bisect_left(aside, event.number, key=_get_number)
    count = aside_count + bisect.bisect_left(on_their_way, event.number, key=_get_number)
    first = (*aside[: min(aside_count, NAMED)], *on_their_way[: min(count - aside_count, NAMED)])
    return Group(named=first[:NAMED], count=count, aside=aside_count)


def _get_number(source: PendingProfiles) -> int:
    return source.number
