"""Cron ticks: each once, missed ones as one, in the zone's own time."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.schedule import Seen, Ticks, get_newest_due, get_next_due
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


@pytest.mark.parametrize(
    ("line", "zone", "day", "due"),
    [
        pytest.param("0 0 * * *", "Africa/Cairo", "2026-04-24", "2026-04-23 22:00", id="midnight does not exist"),
        pytest.param("30 0 * * *", "America/Santiago", "2026-09-06", "2026-09-06 04:30", id="half past neither"),
        pytest.param("30 2 * * *", "Europe/Berlin", "2026-03-29", "2026-03-29 01:30", id="in the night"),
        pytest.param("30 1 * * *", "Australia/Lord_Howe", "2026-04-05", "2026-04-04 14:30", id="half an hour twice"),
        pytest.param("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", "2026-10-03 15:45", id="half an hour never"),
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
    later = make_source(number=1, retry_at=AT + datetime.timedelta(seconds=1))
    seen.note([source], [later], started=AT)
    assert seen.has_news([later])
    seen.note([later], [later], started=AT + datetime.timedelta(seconds=2))
    assert not seen.has_news([later])
    waiting = make_source(number=1, retry_at=AT + datetime.timedelta(seconds=1), attempts=1)
    seen.note([source], [waiting], started=AT)
    assert not seen.has_news([waiting])


def test_a_wait_that_is_over_is_news() -> None:
    """A source that was not due when the run ended comes back by itself."""
    seen = Seen()
    source = make_source(number=1)
    seen.note([source], [], started=AT)
    assert seen.has_news([source])
