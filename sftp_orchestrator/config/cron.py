"""A cron line as crontab(5) means it, carried out by APScheduler.

APScheduler's own ``from_crontab`` differs from cron in two ways that would deliver on the wrong day: it counts weekdays
from Monday = 0 (cron: Sunday = 0 or 7), and it demands both the day of the month and the weekday where cron takes
either.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""A line with no date after this one has none at all."""
_NEAR = (timedelta(hours=1), timedelta(days=1))
_MOMENT = timedelta(microseconds=1)
_LONGEST_SHIFT = timedelta(hours=3)
"""No zone's clock was ever set by more, but for those that crossed the date line."""


def get_trigger(line: str, zone: tzinfo) -> BaseTrigger:
    """Return the trigger that fires when crontab(5) would run ``line`` in ``zone``. Pure.

    Raises:
        ValueError: with the reason in plain words; also for a line that can never come true, such as 30 February.
    """
    fields = line.split()
    if len(fields) != _FIELDS:
        msg = f"a cron line has five fields: minute, hour, day, month, weekday; this has {len(fields)}"
        raise ValueError(msg)
    minute, hour, day, month, weekday = fields
    days = _name_weekdays(weekday)
    # crontab(5): a field that begins with a star does not restrict; where both restrict, one of them is enough.
    either = not day.startswith("*") and not weekday.startswith("*")
    choices = [(day, "*"), ("*", days)] if either else [(day, days)]
    triggers = [
        CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=day_of_week, timezone=zone)
        for day, day_of_week in choices
    ]
    trigger = triggers[0] if len(triggers) == 1 else OrTrigger(triggers)
    if trigger.get_next_fire_time(None, _ANY_DAY.astimezone(zone)) is None:
        msg = "this day never comes"
        raise ValueError(msg)
    return trigger


def get_newest_due(line: str, zone: ZoneInfo, *, last: datetime, now: datetime) -> datetime | None:
    """Return the newest tick after ``last`` that is due at ``now``; None where none is. Pure."""
    newest = None
    # Begin near now: a daemon that was off for a year need not count every minute of it.
    for start in (*(max(last, now - near) for near in _NEAR), last):
        tick = get_next_due(line, zone, after=start)
        while tick is not None and tick <= now:
            newest = tick
            tick = get_next_due(line, zone, after=tick)
        if newest is not None:
            break
    return newest


def get_next_due(line: str, zone: ZoneInfo, *, after: datetime) -> datetime | None:
    """Return the first tick behind ``after``, in UTC; None where there is none any more. Pure.

    As in cron(8), a job at a fixed hour runs once on every day, also where the clock is set forward over its time (then
    as much later) or back over it (then the first time); one of every hour runs in each hour that there is.
    """
    if "*" in line.split()[1]:
        return _get_next_of_every_hour(line, zone, after)
    # Counted on a clock that is never set, and moved to the zone's own afterwards.
    trigger = get_trigger(line, UTC)
    clock = after.astimezone(zone).replace(tzinfo=UTC) - _LONGEST_SHIFT
    while (found := trigger.get_next_fire_time(None, clock)) is not None:
        # What the zone leaves out is counted by the time before the change: as much later as the clock was set forward.
        tick: datetime = found.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if tick > after:
            return tick
        clock = found + _MOMENT
    return None


def _get_next_of_every_hour(line: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    trigger, clock = get_trigger(line, zone), get_trigger(line, UTC)
    start = after
    while True:
        # Added in UTC: arithmetic in local time forgets which of the two hours of the autumn change is meant.
        start += _MOMENT
        tick: datetime | None = trigger.get_next_fire_time(None, start.astimezone(zone))
        if tick is None:
            return None
        in_utc = tick.astimezone(UTC)
        # A tick that the clock is set forward over comes back as one of an hour that the line may not have.
        shown = in_utc.astimezone(zone).replace(tzinfo=UTC, fold=0)
        if in_utc > after and clock.get_next_fire_time(None, shown) == shown:
            return in_utc
        start = max(in_utc, start)


def list_minutes(line: str) -> list[int]:
    """Return the minutes of a day at which ``line`` may fire, on a clock that is never set. Pure."""
    minute, hour, *_ = line.split()
    trigger = get_trigger(f"{minute} {hour} * * *", UTC)
    found: list[int] = []
    tick = trigger.get_next_fire_time(None, _ANY_DAY)
    while tick is not None and tick < _ANY_DAY + timedelta(days=1):
        found.append(tick.hour * 60 + tick.minute)
        tick = trigger.get_next_fire_time(None, tick + _MOMENT)
    return found


def list_weekdays(line: str) -> frozenset[int]:
    """Return the days of the week on which ``line`` may fire, in some year or other; Monday is 0. Pure."""
    _, _, day, _, weekday = line.split()
    if weekday == "*" or not (day.startswith("*") or weekday.startswith("*")):
        return frozenset(range(7))
    return frozenset((number - 1) % 7 for term in weekday.split(",") for number in _expand(term))


def _name_weekdays(field: str) -> str:
    """Return cron's weekday ``field`` as a list of names, which mean the same to both; a bare star stays."""
    if field == "*":
        return field
    numbers = {number % 7 for term in field.split(",") for number in _expand(term)}
    return ",".join(_DAYS[number] for number in sorted(numbers))


def _expand(term: str) -> range:
    span, _, step = term.partition("/")
    first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
    start = _number(first)
    end = _number(last) if dash else (6 if step else start)
    if end == 0 and start > 0:
        end = 7
    width = int(step) if step.isascii() and step.isdigit() else 1 - bool("/" in term)
    if end < start or width < 1:
        msg = f"'{term}' is no weekday or range of weekdays"
        raise ValueError(msg)
    return range(start, end + 1, width)


def _number(day: str) -> int:
    if day.lower() in _DAYS:
        return _DAYS.index(day.lower())
    if len(day) == 1 and day in "01234567":
        return int(day)
    msg = f"'{day}' is no weekday: 0-7 (0 and 7 are Sunday) or sun … sat"
    raise ValueError(msg)
