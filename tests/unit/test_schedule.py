"""Cron ticks: each once, missed ones as one, in the zone's own time."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.config.cron import get_newest_due, get_next_due
from sftp_orchestrator.config.timing import Timing
from sftp_orchestrator.config.windows import Opening, Window
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.schedule import Admission, Plan, Plans, Seen, Ticks
from tests.support.records import make_source

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")
AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("line", "last", "now", "due"),
    [
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-02 01:59", None, id="not yet"),
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-02 02:00", "2026-01-02 02:00", id="on the minute"),
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-05 10:00", "2026-01-05 02:00", id="four missed as one"),
        pytest.param("0 0 1 * *", "2026-01-01 00:00", "2026-03-20 00:00", "2026-03-01 00:00", id="rare ones too"),
        pytest.param("* * * * *", "2025-01-01 00:00", "2026-01-01 00:00", "2026-01-01 00:00", id="a year of minutes"),
        pytest.param("0 2 * * *", "2026-01-02 02:00", "2026-01-01 09:00", None, id="clock set back"),
    ],
)
def test_the_newest_tick_that_came_due_is_found(line: str, last: str, now: str, due: str | None) -> None:
    """Whatever was missed counts as one tick, the newest."""
    found = get_newest_due(line, UTC, last=_utc(last), now=_utc(now))
    assert found == (_utc(due) if due else None)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        pytest.param("2026-03-28 01:30", "2026-03-29 12:00", "2026-03-29 01:30", id="the hour that does not exist"),
        pytest.param("2026-10-24 00:30", "2026-10-25 12:00", "2026-10-25 00:30", id="the hour that comes twice"),
    ],
)
def test_daylight_saving_neither_skips_nor_doubles(last: str, now: str, due: str) -> None:
    """02:30 in Berlin fires once on the days on which it exists never or twice."""
    found = get_newest_due("30 2 * * *", BERLIN, last=_utc(last), now=_utc(now))
    assert found is not None
    assert abs(found - _utc(due)) <= datetime.timedelta(hours=1)
    assert get_newest_due("30 2 * * *", BERLIN, last=found, now=_utc(now)) is None


def test_the_next_tick_is_the_first_after_now_in_utc() -> None:
    """02:00 in Berlin is 01:00 UTC in winter and 00:00 UTC in summer."""
    assert get_next_due("0 2 * * *", BERLIN, after=_utc("2026-01-01 00:59")) == _utc("2026-01-01 01:00")
    assert get_next_due("0 2 * * *", BERLIN, after=_utc("2026-01-01 01:00")) == _utc("2026-01-02 01:00")
    assert get_next_due("0 2 * * *", BERLIN, after=_utc("2026-07-01 00:00")) == _utc("2026-07-02 00:00")


def test_a_tick_that_was_not_served_is_next_until_it_is(tmp_path: Path) -> None:
    """What was missed, or is being delivered, is due; then comes the one after now."""
    now = _utc("2026-01-05 10:00")
    with Ledger.open("sqlite", tmp_path) as ledger:
        ticks = Ticks(line="0 2 * * *", zone=UTC, runs=ledger.runs, destination="production")
        assert ticks.find_next(now) == _utc("2026-01-06 02:00")
        ticks.begin(_utc("2026-01-04 10:00"))
        assert ticks.find_next(now) == _utc("2026-01-05 02:00")
        ticks.take(_utc("2026-01-05 02:00"))
        assert ticks.find_next(now) == _utc("2026-01-06 02:00")


@pytest.mark.parametrize(
    ("line", "zone", "day", "due"),
    [
        pytest.param("0 0 * * *", "Africa/Cairo", "2026-04-24", "2026-04-23 22:00", id="midnight does not exist"),
        pytest.param("30 0 * * *", "America/Santiago", "2026-09-06", "2026-09-06 04:30", id="half past neither"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 01:30", id="in the night"),
        pytest.param("30 1 * * *", "Australia/Lord_Howe", "2026-04-05", "2026-04-04 14:30", id="half an hour twice"),
        pytest.param("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", "2026-10-03 15:45", id="half an hour never"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-10-25", "2026-10-25 00:30", id="the hour that is twice"),
        pytest.param("30 2 * * *", "America/New_York", "2026-03-08", "2026-03-08 07:30", id="in New York's night"),
        pytest.param("30 1 * * *", "America/New_York", "2026-11-01", "2026-11-01 05:30", id="and its other one"),
        pytest.param("30 2 * * *", "Africa/Casablanca", "2026-02-15", "2026-02-15 01:30", id="Ramadan begins"),
        pytest.param("30 2 * * *", "Africa/Casablanca", "2026-03-22", "2026-03-22 02:30", id="Ramadan ends"),
        pytest.param(
            "0 23 * * *", "Africa/Cairo", "2026-10-29", "2026-10-29 20:00", id="an hour before midnight twice"
        ),
    ],
)
def test_a_daily_job_runs_once_on_every_day(line: str, zone: str, day: str, due: str) -> None:
    """In each zone, on the days on which its clock is set, and on those around them."""
    middle = _utc(day)
    days = datetime.timedelta(days=4)
    ticks: list[datetime.datetime] = []
    tick = get_next_due(line, ZoneInfo(zone), after=middle - days)
    while tick is not None and tick < middle + days:
        ticks.append(tick)
        tick = get_next_due(line, ZoneInfo(zone), after=tick)
    assert _utc(due) in ticks
    assert len(ticks) == 8
    gaps = {after - before for before, after in itertools.pairwise(ticks)}
    assert gaps <= {datetime.timedelta(hours=hours) for hours in (22.5, 23, 23.5, 24, 24.5, 25, 25.5)}


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_an_hourly_job_runs_in_each_hour_that_there_is(day: str) -> None:
    """No hour is left out, and the one that comes twice has two."""
    tick = get_next_due("0 * * * *", BERLIN, after=_utc(day) - datetime.timedelta(hours=5))
    for _ in range(30):
        assert tick is not None
        following = get_next_due("0 * * * *", BERLIN, after=tick)
        assert following is not None
        assert following - tick == datetime.timedelta(hours=1)
        tick = following


def test_each_destination_has_ticks_of_its_own(tmp_path: Path) -> None:
    """Taken for one it is still due for the other; those of before the two were told apart are taken for both."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        day = datetime.timedelta(days=1)
        ledger.runs.take_tick("0 2 * * * UTC", AT)
        names = ("one", "two" * 13)
        first, second = (Ticks(line="0 2 * * *", zone=UTC, runs=ledger.runs, destination=name) for name in names)
        for ticks in (first, second):
            ticks.begin(AT + 9 * day)
        due = first.find_due(AT + 9 * day)
        assert due is not None
        first.take(due)
        assert first.find_due(AT + 9 * day) is None
        assert second.find_due(AT + 9 * day) == due


def _make_plan(
    ledger: Ledger, *lines: str, zone: str = "UTC", only: str | None = None, feed: str | None = None
) -> Plan:
    windows = (Window.parse(only),) if only is not None else ()
    opening = Opening(zone=ZoneInfo(zone), windows=windows)
    return Plan.make(Timing(destination="production", feed=feed, lines=lines, opening=opening), ledger.runs)


def test_the_lines_of_a_schedule_are_one(tmp_path: Path) -> None:
    """Ticks that several lines missed are one; taken, none of them is due, and the next is that of any line."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        plan = _make_plan(ledger, "0 2 * * *", "30 14 * * mon-fri")
        plan.begin(_utc("2026-01-02 00:00"))
        now = _utc("2026-01-05 15:00")
        assert plan.find_due(now) == _utc("2026-01-05 14:30")
        assert plan.find_next(now) == _utc("2026-01-05 14:30")
        plan.take(_utc("2026-01-05 14:30"))
        assert plan.find_due(now) is None
        assert plan.find_next(now) == plan.find_following(now) == _utc("2026-01-06 02:00")


def test_a_line_that_is_added_forgets_nothing_of_the_others(tmp_path: Path) -> None:
    """What the first line missed is due still; the new one counts from now on."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        _make_plan(ledger, "0 2 * * *").begin(_utc("2026-01-01 00:00"))
        now = _utc("2026-01-02 10:00")
        plan = _make_plan(ledger, "0 2 * * *", "0 9 * * *")
        plan.begin(now)
        assert plan.find_due(now) == _utc("2026-01-02 02:00")


def test_a_feed_has_ticks_of_its_own(tmp_path: Path) -> None:
    """The same line for a feed and for the others of its destination are two ticks."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        plans = _make_plan(ledger, "0 2 * * *"), _make_plan(ledger, "0 2 * * *", feed="customers")
        for plan in plans:
            plan.begin(AT)
        now = _utc("2026-01-02 02:00")
        plans[0].take(now)
        assert [plan.find_due(now) for plan in plans] == [None, now]


def test_a_tick_that_falls_into_closed_hours_is_taken_once_it_opens(tmp_path: Path) -> None:
    """However many there were: one run, when the window opens; on the day of a change of the clock, too."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        plan = _make_plan(ledger, "*/10 * * * *", zone="Europe/Berlin", only="02:00-03:00")
        plan.begin(_utc("2026-03-28 03:00"))
        for now in ("2026-03-28 12:00", "2026-03-29 00:59"):
            assert plan.find_next(_utc(now)) == _utc("2026-03-29 01:00")
        opened = _utc("2026-03-29 01:00")
        due = plan.find_due(opened)
        assert due == opened
        plan.take(due)
        assert plan.find_due(opened) is None
        assert plan.find_next(_utc("2026-03-29 01:55")) == _utc("2026-03-29 01:50")
        plan.take(_utc("2026-03-29 01:50"))
        assert plan.find_next(_utc("2026-03-29 01:55")) == _utc("2026-03-30 00:00")


def test_on_arrival_has_a_next_run_only_while_it_is_closed(tmp_path: Path) -> None:
    """Open it starts at any time; closed, when it opens."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        plan = _make_plan(ledger, only="22:00-06:00")
        assert plan.find_next(_utc("2026-01-01 05:59")) is None
        assert plan.find_next(_utc("2026-01-01 06:00")) == _utc("2026-01-01 22:00")
        assert plan.find_due(_utc("2026-01-01 23:00")) is plan.find_following(AT) is None


def test_a_source_is_begun_only_while_its_schedule_is_open_unless_a_person_wants_it(tmp_path: Path) -> None:
    """Each goes by the schedule of its feed; which were refused, and whose ticks are due still, is remembered."""
    now = [_utc("2026-01-01 05:59")]
    with Ledger.open("sqlite", tmp_path) as ledger:
        plans = Plans([_make_plan(ledger, only="22:00-06:00"), _make_plan(ledger, feed="customers")])
        admission = Admission(plans, lambda: now[0])
        first, second = make_source(number=1), make_source(number=2)
        assert admission.may_begin(first)
        now[0] = _utc("2026-01-01 06:00")
        assert not admission.may_begin(second)
        assert admission.may_begin(make_source(number=3, feed="customers"))
        assert admission.may_begin(make_source(number=4, retry_at=AT, wanted_at=AT))
        assert admission.refused == {second.id: None}


def test_a_run_over_the_same_sources_is_news_once() -> None:
    """What a run tried and left as it is calls for no other run; what came meanwhile does."""
    seen = Seen()
    tried, came = make_source(number=1), make_source(number=2)
    assert seen.has_news([tried])
    seen.note([tried], [tried, came], started=AT)
    assert not seen.has_news([tried])
    assert seen.has_news([tried, came])


def test_a_decision_made_during_a_run_is_news() -> None:
    """A person's word while the run was under way may have come too late for it; one before it is used up."""
    seen = Seen()
    source = make_source(number=1)
    soon = AT + datetime.timedelta(seconds=1)
    later = make_source(number=1, retry_at=soon, wanted_at=soon)
    seen.note([source], [later], started=AT)
    assert seen.has_news([later])
    seen.note([later], [later], started=AT + datetime.timedelta(seconds=2))
    assert not seen.has_news([later])
    waiting = make_source(number=1, retry_at=soon)
    seen.note([source], [waiting], started=AT)
    assert not seen.has_news([waiting])


def test_a_wait_that_is_over_is_news() -> None:
    """A source that was not due when the run ended comes back by itself."""
    seen = Seen()
    source = make_source(number=1)
    seen.note([source], [], started=AT)
    assert seen.has_news([source])
