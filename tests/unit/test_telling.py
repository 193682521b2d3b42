"""What is told of alerts, and when: grouped, not a storm, and neither lost nor repeated by a restart."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence

import pytest

from sftp_orchestrator.alerts.conditions import Condition
from sftp_orchestrator.alerts.telling import Group, decide
from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.ledger.records import Alert

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
GROUP_SECONDS = 60.0


class Day:
    """Time that passes, and what the ledger knows: all that a restart leaves."""

    def __init__(self, *, kinds: Sequence[AlertKind] = tuple(AlertKind), group_seconds: float = GROUP_SECONDS) -> None:
        self.now = START
        self.known: dict[tuple[str, str], Alert] = {}
        self._kinds = kinds
        self._group_seconds = group_seconds

    def look(self, *conditions: Condition, after: datetime.timedelta = MINUTE) -> list[Group]:
        """Let time pass, look, and note what was decided; return what is told."""
        self.now += after
        decision = decide(
            [one for one in conditions if one.kind in self._kinds],
            list(self.known.values()),
            self.now,
            kinds=self._kinds,
            group_seconds=self._group_seconds,
        )
        for one in decision.forgotten:
            del self.known[one.kind, one.subject]
        self.known |= {(one.kind, one.subject): one for one in decision.kept}
        return list(decision.groups)


def _quarantined(*sources: str) -> list[Condition]:
    return [Condition(kind=AlertKind.QUARANTINED, subject=source) for source in sources]


def _key(level: str) -> Condition:
    return Condition(kind=AlertKind.KEY_EXPIRING, subject="production", level=level)


def _disk(level: str) -> Condition:
    return Condition(kind=AlertKind.DISK_LOW, subject="workspace", level=level)


def _failing(level: str) -> Condition:
    return Condition(kind=AlertKind.RETRIES_EXHAUSTED, subject="destination production", level=level)


def _list_told(groups: Sequence[Group]) -> list[tuple[str, list[str]]]:
    return [
        ("over " * group.is_over + "still " * group.is_repeated + group.kind, [one.subject for one in group.alerts])
        for group in groups
    ]


def test_what_comes_up_within_the_time_of_a_group_is_one_message() -> None:
    """The first waits for the others; later ones wait for theirs, and are told with how many there are in all."""
    day = Day()
    assert day.look(*_quarantined("a"), after=0 * MINUTE) == []
    assert day.look(*_quarantined("a", "b", "c"), after=0.5 * MINUTE) == []
    told = day.look(*_quarantined("a", "b", "c"), after=0.5 * MINUTE)
    assert _list_told(told) == [("quarantined", ["a", "b", "c"])]
    assert day.look(*_quarantined("a", "b", "c", "d")) == []
    (group,) = day.look(*_quarantined("a", "b", "c", "d"))
    assert ([one.subject for one in group.alerts], group.standing) == (["d"], 4)
    assert day.look(*_quarantined("a", "b", "c", "d"), after=HOUR) == []


def test_what_came_and_went_within_the_time_of_a_group_is_not_told() -> None:
    """Such as profiles that are sent again by themselves, or a receiver that was away for a blink."""
    day = Day()
    day.look(*_quarantined("a"), after=0 * MINUTE)
    assert day.look(after=0.5 * MINUTE) == []
    assert day.known == {}
    assert day.look() == []


def test_that_it_is_over_is_told_once_and_grouped_as_well() -> None:
    """Of what was told; and nothing is left of it then."""
    day = Day()
    day.look(*_quarantined("a", "b", "c"))
    day.look(*_quarantined("a", "b", "c"))
    assert day.look(*_quarantined("b", "c"), after=0 * MINUTE) == []
    assert day.look(*_quarantined("c"), after=0.5 * MINUTE) == []
    (group,) = day.look(*_quarantined("c"), after=0.5 * MINUTE)
    assert _list_told([group]) == [("over quarantined", ["a", "b"])]
    assert group.standing == 1
    assert set(day.known) == {("quarantined", "c")}
    assert day.look(*_quarantined("c")) == []


def test_what_comes_back_before_its_end_was_told_goes_on() -> None:
    """``retry`` of a file that nobody corrected: nothing new, and nothing over."""
    day = Day()
    day.look(*_quarantined("a"))
    day.look(*_quarantined("a"))
    day.look(after=0 * MINUTE)
    assert day.look(*_quarantined("a"), after=0.5 * MINUTE) == []
    assert day.look(*_quarantined("a"), after=HOUR) == []


def test_what_comes_back_after_its_end_was_told_is_told_anew() -> None:
    """It is another time."""
    day = Day()
    for some in (["a"], ["a"], [], []):
        day.look(*_quarantined(*some))
    assert day.known == {}
    day.look(*_quarantined("a"))
    assert _list_told(day.look(*_quarantined("a"))) == [("quarantined", ["a"])]


def test_what_lasts_is_told_once_a_day_all_of_a_kind_together() -> None:
    """However many came up at however many times of day: one message a day, and of each no sooner than a day later."""
    day = Day()
    names: list[str] = []
    told: list[tuple[datetime.datetime, str]] = []
    for hour in range(72):
        names += [f"s{hour:02}"] if hour < 5 else []
        for group in day.look(*_quarantined(*names), after=HOUR):
            if group.is_repeated:
                told += [(day.now, one.subject) for one in group.alerts]
    moments = sorted({at for at, _ in told})
    assert len(moments) <= 3
    assert all(later - earlier >= DAY for earlier, later in itertools.pairwise(moments))
    assert {subject for _, subject in told} == set(names)


def test_a_failure_that_needs_a_person_is_told_though_another_was() -> None:
    """A host key that changed while nobody answered; and once only, though the line is cut in between."""
    day = Day()
    away, host_key, login = (_failing(level) for level in ("", "host_key", "login"))
    told = [day.look(one) for one in (away, away, host_key, host_key, away, away, host_key, host_key)]
    told += [day.look(login, after=HOUR), day.look(login)]
    assert [_list_told(groups) for groups in told if groups] == [
        [("retries_exhausted", ["destination production"])]
    ] * 3
    assert [place for place, groups in enumerate(told) if groups] == [1, 3, 9]
    assert day.look() == []
    assert [_list_told(day.look())] == [[("over retries_exhausted", ["destination production"])]]


def test_hosts_behind_one_name_that_fail_by_turns_are_told_once_an_hour() -> None:
    """One refuses our key, the other shows another host key: each turn is worse, and none is a message by itself."""
    day = Day()
    turns = itertools.cycle([_failing("login"), _failing("host_key")])
    told = [day.now for _ in range(5 * 60) if day.look(next(turns))]
    assert 4 <= len(told) <= 5
    assert all(later - earlier >= HOUR for earlier, later in itertools.pairwise(told))
    turned = [place for place in range(70) if day.look(_failing("login"))]
    assert len(turned) <= 1
    assert not any(day.look(_failing("login"), after=HOUR) for _ in range(20))


@pytest.mark.parametrize("levels", [("login", "host_key"), ("", "login"), ("60", "30")])
def test_turns_within_the_time_of_a_group_keep_nothing_from_being_told(levels: tuple[str, str]) -> None:
    """It is told when the first of them waited long enough, however often it turned since."""
    day = Day(group_seconds=3600)
    make = _key if levels == ("60", "30") else _failing
    turns = itertools.cycle([make(level) for level in levels])
    told = [number for number in range(90) if day.look(next(turns))]
    assert told[:1] == [60]


def test_that_more_rows_were_refused_is_told_a_day_after_the_last_telling() -> None:
    """Of each feed by itself, as news and not as what lasts; that nothing more is refused is not told."""
    day = Day()
    one, two = (Condition(kind=AlertKind.REFUSED_ROWS, subject=feed) for feed in ("one", "two"))
    day.look(one)
    assert _list_told(day.look(one)) == [("refused_rows", ["one"])]
    assert day.look(one, two) == []
    assert _list_told(day.look(one, two)) == [("refused_rows", ["two"])]
    assert [day.look(one, two, after=HOUR) for _ in range(23)] == [[]] * 23
    assert day.look(one, two, after=HOUR - 2 * MINUTE) == []
    assert _list_told(day.look(one, two)) == [("refused_rows", ["one"])]
    assert [_list_told(day.look(one, two)) for _ in range(3)] == [[], [("refused_rows", ["two"])], []]
    assert day.look() == []
    assert day.known == {}


def test_a_restart_neither_repeats_nor_loses() -> None:
    """All that is decided by is what the ledger knows: a look is as good as the first one."""
    day = Day()
    day.look(*_quarantined("a"))
    day.look(*_quarantined("a"))
    other = Day()
    other.known, other.now = dict(day.known), day.now
    assert other.look(*_quarantined("a", "b"), after=HOUR) == []
    assert _list_told(other.look(after=HOUR)) == []
    assert _list_told(other.look()) == [("over quarantined", ["a"])]


def test_a_key_is_told_of_at_each_threshold_and_each_day_of_its_last_week() -> None:
    """60, 30 and 7 days before, and when it expired; not each day for two months."""
    day, told = Day(), []
    for left in range(70, -3, -1):
        level = "expired" if left <= 0 else next((str(days) for days in (7, 30, 60) if left <= days), None)
        conditions = [_key(level)] if level is not None else []
        if any(day.look(*conditions, after=DAY)):
            told.append(left)
    # A day later than it came up, as a look is a day here.
    assert told[:2] == [59, 29]
    assert told[2:] == [6, 5, 4, 3, 2, 1, -1, -2]
    day.look()
    assert _list_told(day.look()) == [("over key_expiring", ["production"])]


def test_what_gets_worse_is_told_anew_and_what_gets_better_is_not() -> None:
    """A disk: low, then paused; then low again is no news, and free again is."""
    day = Day()
    told = [_list_told(day.look(*some)) for some in ([_disk("low")],) * 2 + ([_disk("paused")],) * 2]
    assert told == [[], [("disk_low", ["workspace"])], [], [("disk_low", ["workspace"])]]
    assert [day.look(_disk("low")) for _ in range(3)] == [[], [], []]
    day.look()
    assert _list_told(day.look()) == [("over disk_low", ["workspace"])]


def test_kinds_that_nobody_wants_are_not_told_nor_their_end() -> None:
    """Also where they were told before the configuration said so."""
    day = Day()
    day.look(*_quarantined("a"))
    day.look(*_quarantined("a"))
    only = Day(kinds=[AlertKind.HELD, AlertKind.RECOVERED])
    only.known, only.now = dict(day.known), day.now
    assert only.look(*_quarantined("a", "b")) == []
    assert only.known == {}


def test_who_wants_no_ends_is_told_of_none() -> None:
    """Without ``recovered`` among the kinds."""
    day = Day(kinds=[AlertKind.QUARANTINED])
    day.look(*_quarantined("a"))
    assert _list_told(day.look(*_quarantined("a"))) == [("quarantined", ["a"])]
    assert day.look() == []
    assert day.known == {}


def test_at_the_end_of_a_pass_nothing_waits_for_more() -> None:
    """Without a time to group by, all is told at once: new ones, and ends."""
    day = Day(group_seconds=0)
    assert _list_told(day.look(*_quarantined("a"))) == [("quarantined", ["a"])]
    assert _list_told(day.look(*_quarantined("b"))) == [("quarantined", ["b"]), ("over quarantined", ["a"])]


@pytest.mark.parametrize("back", [2 * DAY, 400 * DAY])
def test_a_clock_that_is_set_back_silences_nothing(back: datetime.timedelta) -> None:
    """What was told by a clock that was ahead is told again, rather than not for a year."""
    day = Day()
    day.look(*_quarantined("a"))
    day.look(*_quarantined("a"))
    day.now -= back
    assert _list_told(day.look(*_quarantined("a"))) == [("still quarantined", ["a"])]
    day.look(*_quarantined("a", "b"))
    assert _list_told(day.look(*_quarantined("a", "b"))) == [("quarantined", ["b"])]
