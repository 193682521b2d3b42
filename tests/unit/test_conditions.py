"""What is worth an alert at one moment."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.alerts.conditions import (
    EXPIRED,
    LOW,
    PAUSED,
    Condition,
    Facts,
    Fate,
    find_conditions,
    find_fates,
    find_untold,
    get_disk_level,
    get_key_level,
    is_worse,
)
from sftp_orchestrator.alerts.telling import decide
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Alert, MissingFile, Source, Untaken
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.measuring import RefusedReload
from tests.support.configuration import write_configuration
from tests.support.records import make_pause, make_source

AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ROOM = Room(folder=Path("/w"), free_bytes=100, pause_below_bytes=10, is_paused=False, staging_free_bytes=None)
NOTHING = Facts(
    took_until={},
    at=AT,
    aside={},
    uncertain=(),
    without_rows={},
    stubborn={},
    pauses={},
    missing={},
    key_ends={"production": None},
    room=ROOM,
)


@pytest.fixture(name="small_configuration")
def make_small_configuration(tmp_path: Path) -> Configuration:
    """One feed that expects nothing, and one destination: production."""
    return write_configuration(tmp_path).configuration


def _find(**changes: Any) -> list[tuple[AlertKind, str, str]]:
    found = find_conditions(replace(NOTHING, **changes), tuple(AlertKind), is_low=False)
    return [(one.kind, one.subject, one.level) for one in found]


UNTAKEN = Untaken(relative_path=b"purchases.csv", feed="purchases", reason="it does not fit", since=AT)


def test_where_all_is_well_nothing_is_told() -> None:
    """No source aside, no destination failing, room enough, keys that last."""
    assert _find() == []


def test_each_kind_is_found() -> None:
    """Sources by their ids, destinations, feeds, keys and the disk by their names."""
    missing = MissingFile(feed="customers", due_at=AT, noticed_at=AT)
    assert _find(
        aside={"s1": SourceState.QUARANTINED, "s2": SourceState.HELD},
        without_rows={"purchases": [make_source()]},
        pauses={"production": make_pause()},
        missing={"customers": missing},
        untaken={"purchases": [UNTAKEN]},
        key_ends={"production": AT + datetime.timedelta(days=20)},
        room=replace(ROOM, is_paused=True),
        refused_reload=RefusedReload(at=AT, cause="it is wrong"),
    ) == [
        (AlertKind.QUARANTINED, "s1", ""),
        (AlertKind.HELD, "s2", ""),
        (AlertKind.REFUSED_ROWS, "purchases", ""),
        (AlertKind.RETRIES_EXHAUSTED, "destination production", ""),
        (AlertKind.FILE_MISSING, "customers", ""),
        (AlertKind.NOT_TAKEN, "purchases", ""),
        (AlertKind.KEY_EXPIRING, "production", "30"),
        (AlertKind.DISK_LOW, "workspace", PAUSED),
        (AlertKind.CONFIGURATION, "configuration", ""),
    ]


@pytest.mark.parametrize("kind", PauseKind)
def test_a_failure_that_needs_a_person_is_told_by_its_kind(kind: PauseKind) -> None:
    """All others are one kind: they end by themselves, and each is as bad as the one before."""
    ((_, _, level),) = _find(pauses={"production": make_pause(kind=kind)})
    assert level == (kind.value if kind.needs_person else "")


def test_another_failure_that_needs_a_person_is_worse() -> None:
    """Whatever was told before; that the line is cut as well is no news."""
    assert is_worse("host_key", "")
    assert is_worse("host_key", "login")
    assert is_worse("login", "host_key")
    assert not is_worse("login", "login")
    assert not is_worse("", "login")


def test_a_file_that_is_held_as_it_is_uncertain_is_told_of_once() -> None:
    """As uncertain, which says what to do; and not as one that fails again and again."""
    found = _find(aside={"s1": SourceState.HELD}, uncertain={"s1"}, stubborn={"s1": "production"})
    assert found == [(AlertKind.UNCERTAIN, "s1", "")]


def test_no_single_file_is_to_blame_where_nothing_gets_through() -> None:
    """A file that fails again and again is told of, unless its destination fails as a whole."""
    stubborn = {"s1": "production", "s2": "other"}
    found = _find(stubborn=stubborn, pauses={"production": make_pause()})
    assert [(kind, subject) for kind, subject, _ in found] == [
        (AlertKind.RETRIES_EXHAUSTED, "s2"),
        (AlertKind.RETRIES_EXHAUSTED, "destination production"),
    ]


@pytest.mark.parametrize(
    ("changes", "fate"),
    [
        ({"stubborn": {"s1": "production"}, "pauses": {"production": make_pause()}}, Fate.SUSPENDED),
        ({"stubborn": {"s1": "production"}, "uncertain": {"s1"}}, Fate.SUSPENDED),
        ({"stubborn": {"s1": "production"}, "pauses": {"other": make_pause()}}, None),
        ({"pauses": {"production": make_pause()}}, Fate.OVER),
        ({}, Fate.OVER),
    ],
)
def test_that_a_file_fails_is_suspended_while_another_alert_tells_of_it(
    changes: dict[str, Any], fate: Fate | None, small_configuration: Configuration
) -> None:
    """Neither over nor forgotten; and over once it does not fail any more, whatever its destination does."""
    facts = replace(NOTHING, **changes)
    alert = Alert(kind=AlertKind.RETRIES_EXHAUSTED.value, subject="s1", level="", since=AT)
    found = find_conditions(facts, tuple(AlertKind), is_low=False)
    fates = find_fates([alert], found, facts, small_configuration)
    assert [one for one, alerts in fates.items() if alerts == [alert]] == ([fate] if fate else [])


def test_what_is_in_the_configuration_no_longer_is_forgotten(small_configuration: Configuration) -> None:
    """A feed that expects nothing, a key that nobody reads, a destination; a file never."""
    subjects = {
        AlertKind.FILE_MISSING: "purchases",
        AlertKind.KEY_EXPIRING: "elsewhere",
        AlertKind.RETRIES_EXHAUSTED: "destination elsewhere",
        AlertKind.HELD: "s1",
    }
    known = [Alert(kind=kind.value, subject=subject, level="", since=AT) for kind, subject in subjects.items()]
    fates = find_fates(known, [], NOTHING, small_configuration)
    assert fates == {Fate.OVER: known[3:], Fate.FORGOTTEN: known[:3], Fate.SUSPENDED: []}


def _make_told(feed: str, at: datetime.datetime) -> Alert:
    return Alert(kind=AlertKind.REFUSED_ROWS.value, subject=feed, level="", since=at, first_told_at=at, told_at=at)


def test_files_without_their_rows_are_untold_that_came_since_their_feed_was_told_of() -> None:
    """Each is told in one message; by a clock that was ahead nothing was told."""
    hour = datetime.timedelta(hours=1)
    sources = [make_source(number=number, changed_at=AT + number * hour) for number in range(3)]
    sources += [make_source(number=3, feed="customers")]
    known = [_make_told("purchases", AT + hour), _make_told("elsewhere", AT)]
    assert find_untold(sources, known, AT + 3 * hour) == {"purchases": [sources[2]], "customers": [sources[3]]}
    assert find_untold(sources, known, AT)["purchases"] == sources[:3]
    untold = replace(known[0], told_at=None, first_told_at=None)
    assert find_untold(sources, [untold], AT + 3 * hour)["purchases"] == sources[:3]


@pytest.mark.parametrize(("days", "fate"), [(0, Fate.SUSPENDED), (6.9, Fate.SUSPENDED), (7, Fate.OVER)])
def test_that_rows_were_told_of_is_known_as_long_as_their_files_are_listed(
    days: float, fate: Fate, small_configuration: Configuration
) -> None:
    """Also where nothing more is refused meanwhile: no file is told of twice."""
    alert = _make_told("purchases", AT - datetime.timedelta(days=days))
    assert find_fates([alert], [], NOTHING, small_configuration)[fate] == [alert]


def test_a_feed_that_always_bears_refused_rows_is_told_of_once_a_day(small_configuration: Configuration) -> None:
    """A file with one every five minutes, each of which is told in one message; though each look is by a new start."""
    known: dict[str, Alert] = {}
    sources: list[Source] = []
    told: list[tuple[datetime.datetime, list[Source]]] = []
    for number in range(4 * 288):
        now = AT + number * datetime.timedelta(minutes=5)
        sources.append(make_source(number=number, changed_at=now - datetime.timedelta(seconds=5)))
        alerts = list(known.values())
        facts = replace(NOTHING, at=now, without_rows=find_untold(sources, alerts, now))
        found = find_conditions(facts, tuple(AlertKind), is_low=False)
        kept_back = find_fates(alerts, found, facts, small_configuration)[Fate.SUSPENDED]
        watched = [one for one in alerts if one not in kept_back]
        decision = decide(found, watched, now, kinds=tuple(AlertKind), group_seconds=60)
        assert decision.forgotten == ()
        known |= {one.subject: one for one in decision.kept}
        told += [(now, list(facts.without_rows["purchases"])) for _ in decision.groups]
    assert [at.date().day for at, _ in told] == [1, 2, 3, 4]
    assert [source for _, files in told for source in files] == sources[: sum(len(files) for _, files in told)]


def test_only_the_kinds_that_are_asked_for_are_found() -> None:
    """Whatever else is so."""
    facts = replace(NOTHING, aside={"s1": SourceState.QUARANTINED, "s2": SourceState.HELD})
    assert find_conditions(facts, [AlertKind.HELD], is_low=False) == [Condition(kind=AlertKind.HELD, subject="s2")]


@pytest.mark.parametrize(
    ("days", "level"),
    [(61, None), (60, "60"), (31, "60"), (30, "30"), (7.01, "30"), (7, "7"), (0.1, "7"), (0, EXPIRED), (-9, EXPIRED)],
)
def test_a_key_is_worth_an_alert_at_60_30_and_7_days_and_when_it_expired(days: float, level: str | None) -> None:
    """The fewest days of these that it is good for."""
    assert get_key_level(AT + datetime.timedelta(days=days), AT) == level


def test_a_key_without_an_end_is_worth_none() -> None:
    """It never expires."""
    assert get_key_level(None, AT) is None


@pytest.mark.parametrize(
    ("free", "is_low", "level"),
    [(20, False, None), (19, False, LOW), (24, True, LOW), (25, True, None), (19, True, LOW)],
)
def test_a_disk_is_low_below_twice_of_what_pauses_the_intake(free: int, is_low: bool, level: str | None) -> None:  # noqa: FBT001 - a parameter
    """Before it comes to that; and until a quarter more is free, so that a disk at the edge is told of once."""
    assert get_disk_level(replace(ROOM, free_bytes=free), is_low=is_low) == level


def test_levels_get_worse_in_their_order() -> None:
    """Of keys and of disks; a level is no worse than itself."""
    keys, disks = ("60", "30", "7", EXPIRED), (LOW, PAUSED)
    for levels in (keys, disks):
        for place, level in enumerate(levels):
            assert [is_worse(other, level) for other in levels] == [number > place for number in range(len(levels))]


def test_what_is_repeated_each_day() -> None:
    """Everything but a key that is good for more than a week."""
    levels = [Condition(kind=AlertKind.KEY_EXPIRING, subject="p", level=level) for level in ("60", "30", "7", EXPIRED)]
    assert [one.is_repeated for one in levels] == [False, False, True, True]
    assert Condition(kind=AlertKind.HELD, subject="s1").is_repeated
