"""The order of delivery: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

import datetime

import pytest

from sftp_orchestrator.config.model import BlockedProfiles
from sftp_orchestrator.deliver import order
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from tests.support.records import make_source

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


@pytest.mark.parametrize("policy", list(BlockedProfiles))
@pytest.mark.parametrize("state", [SourceState.CLAIMED, SourceState.PLANNED, SourceState.READY])
def test_events_always_wait_for_profiles_on_their_way(policy: BlockedProfiles, state: SourceState) -> None:
    """No policy lets events overtake profiles that are being delivered."""
    gate = order.decide_gate(make_source(number=2), [make_source(number=1, id="p", state=state)], policy)
    assert not gate.is_open
    assert "p" in str(gate.explain())


@pytest.mark.parametrize("state", [SourceState.QUARANTINED, SourceState.HELD])
def test_profiles_aside_are_waited_for_or_passed_over_by_policy(state: SourceState) -> None:
    """``hold`` waits for a person, ``continue`` goes on and says whom it left behind."""
    aside = make_source(number=1, state=state)
    assert not order.decide_gate(make_source(number=2), [aside], BlockedProfiles.HOLD).is_open
    passed = order.decide_gate(make_source(number=2), [aside], BlockedProfiles.CONTINUE)
    assert passed.is_open
    assert passed.passes_over == (aside,)


def test_a_person_releases_either_side() -> None:
    """A released event waits for nobody; a released profile source that is aside is waited for by nobody."""
    aside = make_source(number=1, state=SourceState.QUARANTINED)
    assert order.decide_gate(make_source(number=2, released=True), [aside], BlockedProfiles.HOLD).is_open
    released = make_source(number=1, state=SourceState.QUARANTINED, released=True)
    assert order.decide_gate(make_source(number=2), [released], BlockedProfiles.HOLD).is_open
