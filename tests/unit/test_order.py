"""The order of delivery: profiles before events, events by time, and what an event waits for."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

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


def _decide(
    event: Source,
    *profiles: PendingProfiles,
    policy: BlockedProfiles = BlockedProfiles.HOLD,
    replacements: order.Replacements = order.NO_REPLACEMENTS,
) -> order.Gate:
    return order.decide_gate(event, order.Backlog(profiles, replacements), policy)


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


BAD = make_source(number=1, id="bad", type=FeedType.PROFILE, relative_path=b"a/c.csv", state=SourceState.QUARANTINED)
GOOD = make_source(number=5, id="good", type=FeedType.PROFILE, relative_path=b"a/c.csv", state=SourceState.ARCHIVED)
PENDING_BAD = make_pending(number=1, id="bad", relative_path=b"a/c.csv", state=SourceState.QUARANTINED)


def test_a_file_delivered_later_under_the_same_path_takes_the_place_of_a_quarantined_one() -> None:
    """Events wait no longer for refused profiles once the corrected file is delivered, and it is told."""
    replacements = order.find_replacements([BAD], [GOOD])
    assert replacements == {"bad": GOOD}
    between = _decide(make_source(number=3), PENDING_BAD, replacements=replacements)
    assert (between.is_open, between.replaced) == (True, order.Group(named=(PENDING_BAD,), count=1))
    later = _decide(make_source(number=7), PENDING_BAD, replacements=replacements)
    assert (later.is_open, later.replaced.count) == (True, 0)
    policy = _decide(make_source(number=3), PENDING_BAD, policy=BlockedProfiles.CONTINUE, replacements=replacements)
    assert (policy.is_open, policy.passes_over.count, policy.replaced) == (True, 0, between.replaced)


def test_events_wait_for_what_is_on_its_way_whatever_was_replaced() -> None:
    """A replacement opens the gate for its own file alone."""
    other = make_pending(number=2, id="other", state=SourceState.QUARANTINED)
    moving = make_pending(number=2, id="moving", state=SourceState.PLANNED)
    for blocking in (other, moving):
        gate = _decide(make_source(number=9), PENDING_BAD, blocking, replacements={"bad": GOOD})
        assert (gate.is_open, gate.waits_for.named, gate.needs_person) == (False, (blocking,), blocking is other)


def test_of_many_replaced_profiles_those_around_an_event_are_told() -> None:
    """Those claimed before it and replaced after it count, all of them, and the first few are named."""
    bad = [make_pending(number=number, state=SourceState.QUARANTINED) for number in range(1, 31)]
    places = {source.id: 100 - source.number if source.number % 2 else 40 for source in bad}
    replacements = {source_id: make_source(number=number) for source_id, number in places.items()}
    for number in (0, 1, 12, 35, 50, 90, 200):
        expected = [source.number for source in bad if source.number < number < places[source.id]]
        replaced = _decide(make_source(number=number), *bad, replacements=replacements).replaced
        assert replaced.count == len(expected)
        assert len(replaced.named) == min(len(expected), order.NAMED)
        assert {source.number for source in replaced.named} <= set(expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 0},
        {"feed": "others"},
        {"destination": "elsewhere"},
        {"relative_path": b"b/c.csv"},
        {"type": FeedType.EVENT},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nothing_else_takes_the_place_of_quarantined_profiles(changes: dict[str, Any]) -> None:
    """An earlier file, another feed's, another receiver's or one of another path stands in for nothing."""
    assert order.find_replacements([BAD], [replace(GOOD, **changes)]) == {}


@pytest.mark.parametrize("state", [state for state in SourceState if state is not SourceState.QUARANTINED])
def test_only_what_is_quarantined_is_ever_replaced(state: SourceState) -> None:
    """Whether a held file's content is at the receiver is what a person has to say; what moves is waited for."""
    assert order.find_replacements([replace(BAD, state=state)], [GOOD]) == {}


def test_the_first_of_several_later_files_is_the_one_that_took_its_place() -> None:
    """Two bad files before the good one are both replaced, and a third good one changes nothing."""
    second = replace(BAD, number=2, id="bad2")
    third = replace(GOOD, number=6, id="good2")
    assert order.find_replacements([BAD, second], [third, GOOD]) == {"bad": GOOD, "bad2": GOOD}
