"""The order of delivery: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

import datetime

import pytest

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.deliver import order
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import PendingProfiles, Source
from sftp_orchestrator.ledger.states import SourceState
from tests.support.records import make_pending, make_source

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def _ids(sources: list[Source]) -> list[str]:
    return [source.id for source in sources]


def test_profiles_go_in_the_order_of_their_claims() -> None:
    """A later upsert of the same user must win, so profiles keep the order of arrival."""
    sources = [make_source(number=n, type=FeedType.PROFILE) for n in (3, 1, 2)]
    assert [source.number for source in order.list_profiles(sources)] == [1, 2, 3]


def test_events_go_oldest_first_whatever_their_arrival() -> None:
    """The earliest ts decides; arrival only where it is equal."""
    sources = [
        make_source(number=1, id="new", earliest_ts=300),
        make_source(number=2, id="old", earliest_ts=100),
        make_source(number=4, id="tie-late", earliest_ts=200),
        make_source(number=3, id="tie-early", earliest_ts=200),
    ]
    assert _ids(order.list_events(sources)) == ["old", "tie-early", "tie-late", "new"]


def test_events_without_ts_take_the_place_of_their_arrival() -> None:
    """No ts means "when processed": after past events, before future ones."""
    sources = [
        make_source(number=1, id="no-ts", claimed_at=NOW),
        make_source(number=2, id="past", earliest_ts=int(NOW.timestamp()) - 1),
        make_source(number=3, id="future", earliest_ts=int(NOW.timestamp()) + 1),
    ]
    assert _ids(order.list_events(sources)) == ["past", "no-ts", "future"]


def _decide(event: Source, *profiles: PendingProfiles, policy: BlockedProfiles = BlockedProfiles.HOLD) -> order.Gate:
    return order.decide_gate(event, order.Backlog(profiles), policy)


@pytest.mark.parametrize("policy", list(BlockedProfiles))
@pytest.mark.parametrize("state", [SourceState.CLAIMED, SourceState.PLANNED, SourceState.READY])
def test_events_always_wait_for_profiles_on_their_way(policy: BlockedProfiles, state: SourceState) -> None:
    """No policy lets events overtake profiles that are being delivered."""
    gate = _decide(make_source(number=2), make_pending(number=1, id="p", state=state), policy=policy)
    assert not gate.is_open
    assert not gate.needs_person
    assert "p" in str(gate.explain())


@pytest.mark.parametrize("state", [SourceState.QUARANTINED, SourceState.HELD])
def test_profiles_aside_are_waited_for_or_passed_over_by_policy(state: SourceState) -> None:
    """``hold`` waits for a person, ``continue`` goes on and says whom it left behind."""
    aside = make_pending(number=1, state=state)
    held = _decide(make_source(number=2), aside)
    assert (held.is_open, held.needs_person) == (False, True)
    passed = _decide(make_source(number=2), aside, policy=BlockedProfiles.CONTINUE)
    assert (passed.is_open, passed.explain()) == (True, None)
    assert (passed.passes_over.named, passed.passes_over.count) == ((aside,), 1)


def test_profiles_claimed_later_are_nothing_to_wait_for() -> None:
    """Only what was claimed before an event counts, in whatever order it is given."""
    later = make_pending(number=3, state=SourceState.HELD)
    assert _decide(make_source(number=2), later, make_pending(number=4)).is_open
    waits_for = _decide(make_source(number=5), later, make_pending(number=4), make_pending(number=1)).waits_for
    assert [source.number for source in waits_for.named] == [3, 1, 4]


def test_a_person_releases_either_side() -> None:
    """A released event waits for nobody; a released profile source that is aside is waited for by nobody."""
    aside = make_pending(number=1, state=SourceState.QUARANTINED)
    event = _decide(make_source(number=2, released=True), aside)
    assert (event.is_open, event.passes_over.named) == (True, (aside,))
    released = make_pending(number=1, state=SourceState.QUARANTINED, released=True)
    assert _decide(make_source(number=2), released).is_open


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, " and 1 more"), (3000, " and 2995 more")])
def test_of_many_profiles_the_first_few_are_named(count: int, more: str) -> None:
    """Those that wait for a person come first; the rest is a number, so that a reason stays one short line."""
    profiles = [make_pending(number=number) for number in range(1, count)]
    aside = make_pending(number=count, state=SourceState.HELD)
    reason = _decide(make_source(number=9999), *profiles, aside).explain()
    named = ", ".join(f"profiles{number} (customers-{number}.csv, claimed)" for number in range(1, 5))
    assert reason == (
        f"waits for the profiles claimed before it: profiles{count} (customers-{count}.csv, held), {named}{more}"
    )
