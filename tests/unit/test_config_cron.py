from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.config import cron

MONDAY = datetime(2025, 6, 2, tzinfo=UTC)


def _days(line: str, count: int) -> list[str]:
    trigger = cron.get_trigger(line, UTC)
    now, days = MONDAY, []
    for _ in range(count):
        now = trigger.get_next_fire_time(None, now + timedelta(seconds=1))
        days.append(f"{now:%a %d}")
    return days


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("0 2 * * 0", ["Sun 08", "Sun 15"]),
        ("0 2 * * 7", ["Sun 08", "Sun 15"]),
        ("0 2 * * 1", ["Mon 02", "Mon 09"]),
        ("0 2 * * sun", ["Sun 08", "Sun 15"]),
        ("0 2 * * MON,wed", ["Mon 02", "Wed 04", "Mon 09"]),
        ("0 2 * * 1-5", ["Mon 02", "Tue 03", "Wed 04", "Thu 05", "Fri 06", "Mon 09"]),
        ("0 2 * * fri-sun", ["Fri 06", "Sat 07", "Sun 08", "Fri 13"]),
        ("0 2 * * 5-7", ["Fri 06", "Sat 07", "Sun 08", "Fri 13"]),
        ("0 2 * * */2", ["Tue 03", "Thu 05", "Sat 07", "Sun 08"]),
        ("0 2 * * 1-5/2", ["Mon 02", "Wed 04", "Fri 06", "Mon 09"]),
        ("0 2 4 * *", ["Wed 04", "Fri 04"]),
        ("0 2 29 2 *", ["Tue 29"]),
    ],
)
def test_weekdays_are_crons(line: str, days: list[str]) -> None:
    """Weekdays mean what crontab(5) says: 0 and 7 are Sunday."""
    assert _days(line, len(days)) == days


def test_day_of_month_or_weekday() -> None:
    """Where both the day of the month and the weekday are restricted, one of them is enough (crontab(5))."""
    assert _days("0 2 4 * 1", 3) == ["Mon 02", "Wed 04", "Mon 09"]


def test_a_star_with_a_step_does_not_restrict() -> None:
    """A field that begins with a star counts as unrestricted: then both must match (crontab(5))."""
    assert _days("0 2 */2 * 1", 2) == ["Mon 09", "Mon 23"]


def test_fires_in_its_zone() -> None:
    """The hour is the zone's."""
    trigger = cron.get_trigger("30 2 * * *", ZoneInfo("Europe/Berlin"))
    assert trigger.get_next_fire_time(None, MONDAY).astimezone(UTC) == datetime(2025, 6, 2, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 2 * *", "this has 4"),
        ("@daily", "this has 1"),
        ("61 2 * * *", "61"),
        ("x 2 * * *", "x"),
        ("0 2 * * 8", "'8' is no weekday"),
        ("0 2 * * 5-1", "'5-1' is no weekday or range"),
        ("0 2 * * */0", "no weekday or range"),
        ("0 2 * * 1/x", "no weekday or range"),
        ("0 2 * * 1-", "is no weekday"),
        ("0 2 30 2 *", "never comes"),
    ],
)
def test_refuses_what_cron_refuses(line: str, said: str) -> None:
    """A line that is not cron's, or can never come true, is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(said)):
        cron.get_trigger(line, UTC)


@pytest.mark.parametrize(
    "line", ["0 */2 * * *", "30 */2 * * *", "*/20 1-5/2,*/4 * * *", "*/15 * * * *", "10 */3 * * 0"]
)
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2026, 2, 15, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2026, 3, 22, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),
    ],
)
def test_a_line_of_every_hour_fires_whenever_the_clock_shows_its_time(line: str, zone: str, day: datetime) -> None:
    """On the days on which a clock is set, too: in no hour that it has not, in both of one that comes twice."""
    clock, here = cron.get_trigger(line, UTC), ZoneInfo(zone)
    begin, end = day - timedelta(days=1), day + timedelta(days=1)
    expected = []
    for minute in range(1, 2 * 24 * 60):
        at = begin + timedelta(minutes=minute)
        shown = at.astimezone(here).replace(tzinfo=UTC, fold=0)
        expected += [at] if clock.get_next_fire_time(None, shown) == shown else []
    found = []
    tick = cron.get_next_due(line, here, after=begin)
    while tick is not None and tick < end:
        found.append(tick)
        tick = cron.get_next_due(line, here, after=tick)
    assert found == expected


def test_no_tick_comes_of_an_hour_that_the_clock_is_set_forward_over() -> None:
    """Every two hours in Berlin: after midnight comes four, for there is no two, and three is none of its hours."""
    ticks, tick = [], datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
    for _ in range(3):
        tick = cron.get_next_due("0 */2 * * *", ZoneInfo("Europe/Berlin"), after=tick) or tick
        ticks.append(f"{tick.astimezone(ZoneInfo('Europe/Berlin')):%H:%M}")
    assert ticks == ["00:00", "04:00", "06:00"]
