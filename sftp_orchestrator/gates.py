"""What events wait for, as it stands in the ledger: asked for all that wait, or for the few that are shown."""

from __future__ import annotations

from collections.abc import Sequence

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.order import NAMED, Backlog, Gate, decide_gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source, to_pending
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY
from sftp_orchestrator.outlook import Outlook


def decide_gates(
    sources: Sequence[Source], configuration: Configuration, ledger: Ledger, outlook: Outlook, *, is_whole: bool
) -> dict[str, Gate]:
    """Return for the ids of those ``sources`` that are events on their way what they wait for; raises ``LocalFault``.

    They are all that wait, or a few: then the profiles before them are counted, and only the first are read.
    """
    found: dict[str, Gate] = {}
    for name, destination in configuration.destinations.items():
        events = [
            source
            for source in sources
            if (source.destination, source.type) == (name, FeedType.EVENT) and source.state in SOURCE_ON_ITS_WAY
        ]
        if events:
            backlog = _make_backlog(name, ledger, outlook, is_whole=is_whole)
            found |= {event.id: decide_gate(event, backlog, destination.blocked_profiles) for event in events}
    return found


def _make_backlog(destination: str, ledger: Ledger, outlook: Outlook, *, is_whole: bool) -> Backlog:
    if is_whole:
        return Backlog(ledger.sources.list_pending_profiles(destination), outlook.replacements)
    # For a few events: all are counted, and the first ones named.
    sources, replacements = ledger.sources, outlook.replacements
    replaced = {one.number: one for one in sources.list_of(replacements) if one.destination == destination}
    most = NAMED + len(replaced)
    named = {
        one.number: one
        for one in (
            *sources.list_pending_profiles(destination, states=SOURCE_ON_ITS_WAY, limit=NAMED),
            *sources.list_pending_profiles(destination, states=SOURCE_ASIDE, released=False, limit=most),
            *map(to_pending, replaced.values()),
        )
    }
    aside = sources.list_profile_numbers(destination, states=SOURCE_ASIDE, released=False)
    return Backlog(
        named.values(),
        replacements,
        on_their_way=sources.list_profile_numbers(destination, states=SOURCE_ON_ITS_WAY),
        aside=[number for number in aside if number not in replaced],
    )
