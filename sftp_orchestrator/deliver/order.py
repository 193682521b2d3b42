"""The order of delivery, decided purely: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SourceState

Replacements = Mapping[str, Source]
"""What was delivered in the place of quarantined profile sources, by the ids of these."""
NO_REPLACEMENTS: Replacements = MappingProxyType({})


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
    replaced: tuple[Source, ...] = ()
    """quarantined profile sources whose place a file took that was claimed after this event: worth an alert"""

    @property
    def needs_person(self) -> bool:
        """Whether something is waited for that does not go on by itself."""
        return any(source.state in SOURCE_ASIDE for source in self.waits_for)

    def explain(self) -> str | None:
        """Return one line for people; None where nothing is waited for."""
        if self.is_open:
            return None
        waited = ", ".join(f"{source.id} ({source.name}, {source.state})" for source in self.waits_for)
        return f"waits for the profiles claimed before it: {waited}"


def decide_gate(
    event: Source,
    earlier_profiles: Sequence[Source],
    policy: BlockedProfiles,
    replacements: Replacements = NO_REPLACEMENTS,
) -> Gate:
    """Decide whether ``event`` may be sent, given the undelivered profile sources claimed before it. Pure.

    Profiles on their way are always waited for. Those quarantined or held are waited for under ``hold``,
    unless a person released them, or the event, or a later file took the place of a quarantined one.
    """
    on_their_way = tuple(source for source in earlier_profiles if source.state not in SOURCE_ASIDE)
    left = [source for source in earlier_profiles if source.state in SOURCE_ASIDE and not source.released]
    # Events claimed after the file that took its place have waited for that one, and need not be told of.
    replaced = tuple(s for s in left if s.id in replacements and replacements[s.id].number > event.number)
    aside = tuple(source for source in left if source.id not in replacements)
    if event.released:
        return Gate(is_open=True, passes_over=(*on_their_way, *aside), replaced=replaced)
    if policy is BlockedProfiles.CONTINUE:
        return Gate(is_open=not on_their_way, waits_for=on_their_way, passes_over=aside, replaced=replaced)
    return Gate(is_open=not on_their_way and not aside, waits_for=(*on_their_way, *aside), replaced=replaced)


def find_replacements(quarantined: Iterable[Source], delivered: Iterable[Source]) -> dict[str, Source]:
    """Return for the ids of quarantined profile sources what was delivered in their place, where something was. Pure.

    That is the first source claimed later, of the same feed and destination, and dropped under the same path. A held
    source has no replacement: whether its content is at the receiver already is what a person has to say.
    """
    later = sorted(delivered, key=lambda source: source.number)
    found = {}
    for source in quarantined:
        if source.state is not SourceState.QUARANTINED or source.type is not FeedType.PROFILE:
            continue
        match = next((one for one in later if one.number > source.number and _fits_in(one, source)), None)
        if match is not None:
            found[source.id] = match
    return found


def _fits_in(later: Source, source: Source) -> bool:
    return (later.feed, later.destination, later.type, later.relative_path) == (
        source.feed,
        source.destination,
        source.type,
        source.relative_path,
    )
