"""The order of delivery, decided purely: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import PendingProfiles, Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SourceState

Replacements = Mapping[str, Source]
"""What was delivered in the place of quarantined profile sources, by the ids of these."""
NO_REPLACEMENTS: Replacements = MappingProxyType({})

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

    def __init__(
        self,
        profiles: Iterable[PendingProfiles],
        replacements: Replacements = NO_REPLACEMENTS,
        *,
        on_their_way: Sequence[int] | None = None,
        aside: Sequence[int] | None = None,
    ) -> None:
        """Of either kind the first ``NAMED`` do, where the numbers of all are given as well, rising.

        But all that have a replacement; and of those aside without these, and without those that were released.
        """
        ordered = sorted(profiles, key=_get_number)
        moving = [source for source in ordered if source.state not in SOURCE_ASIDE]
        self._named_on_their_way = moving[:NAMED]
        self._on_their_way = [source.number for source in moving] if on_their_way is None else on_their_way
        left = [source for source in ordered if source.state in SOURCE_ASIDE and not source.released]
        waiting = [source for source in left if source.id not in replacements]
        self._named_aside = waiting[:NAMED]
        self._aside = [source.number for source in waiting] if aside is None else aside
        """waiting for a person, who has not released them, nor did a later file take their place"""
        replaced = [(replacements[source.id].number, source) for source in left if source.id in replacements]
        self._replaced = sorted(replaced, key=_get_first)
        """whose place a file took, behind its number: for the events claimed between the two"""
        self._replaced_numbers = [source.number for _, source in replaced]

    def pick(self, event: Source, *, aside: bool = False, on_their_way: bool = False) -> Group:
        """Return those claimed before ``event``, of either kind that is asked for; neither list is copied."""
        aside_count = bisect.bisect_left(self._aside, event.number) if aside else 0
        moving_count = bisect.bisect_left(self._on_their_way, event.number) if on_their_way else 0
        first = (*self._named_aside[: min(aside_count, NAMED)], *self._named_on_their_way[: min(moving_count, NAMED)])
        return Group(named=first[:NAMED], count=aside_count + moving_count, aside=aside_count)

    def pick_replaced(self, event: Source) -> Group:
        """Return those claimed before ``event`` whose place a file took that was claimed after it.

        Events claimed after that file have waited for it, and need not be told of.
        """
        first = bisect.bisect_right(self._replaced, event.number, key=_get_first)
        # Whoever was replaced before the event was claimed before it, too: what is left of the earlier ones is ours.
        count = bisect.bisect_left(self._replaced_numbers, event.number) - first
        rest = (self._replaced[place][1] for place in range(first, len(self._replaced)))
        earlier = (source for source in rest if source.number < event.number)
        return Group(named=tuple(itertools.islice(earlier, min(count, NAMED))), count=count)


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
    replaced: Group = Group()
    """quarantined profile sources whose place a file took that was claimed after this event: worth an alert"""

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
    under ``hold``, unless a person released them, or the event, or a later file took the place of a quarantined one.
    """
    replaced = backlog.pick_replaced(event)
    if event.released:
        passes_over = backlog.pick(event, aside=True, on_their_way=True)
        return Gate(is_open=True, passes_over=passes_over, replaced=replaced)
    if policy is BlockedProfiles.CONTINUE:
        waits_for, passes_over = backlog.pick(event, on_their_way=True), backlog.pick(event, aside=True)
        return Gate(is_open=not waits_for.count, waits_for=waits_for, passes_over=passes_over, replaced=replaced)
    waits_for = backlog.pick(event, aside=True, on_their_way=True)
    return Gate(is_open=not waits_for.count, waits_for=waits_for, replaced=replaced)


def find_replacements(quarantined: Iterable[Source], delivered: Iterable[Source]) -> dict[str, Source]:
    """Return for the ids of quarantined profile sources what was delivered in their place, where something was. Pure.

    That is the first source claimed later, of the same feed and destination, and dropped under the same path. A held
    source has no replacement: whether its content is at the receiver already is what a person has to say.
    """
    by_place: defaultdict[_Place, list[Source]] = defaultdict(list)
    for source in sorted(delivered, key=_get_number):
        by_place[_get_place(source)].append(source)
    found = {}
    for source in quarantined:
        if source.state is not SourceState.QUARANTINED or source.type is not FeedType.PROFILE:
            continue
        same = by_place.get(_get_place(source), [])
        later = bisect.bisect_right(same, source.number, key=_get_number)
        if later < len(same):
            found[source.id] = same[later]
    return found


_Place = tuple[str, str, FeedType, bytes]


def _get_place(source: Source) -> _Place:
    return (source.feed, source.destination, source.type, source.relative_path)


def _get_number(source: PendingProfiles | Source) -> int:
    return source.number


def _get_first(pair: tuple[int, PendingProfiles]) -> int:
    return pair[0]
