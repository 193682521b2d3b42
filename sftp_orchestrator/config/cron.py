"""A cron line as crontab(5) means it, carried out by APScheduler.

APScheduler's own ``from_crontab`` differs from cron in two ways that would deliver on the wrong day: it counts weekdays
from Monday = 0 (cron: Sunday = 0 or 7), and it demands both the day of the month and the weekday where cron takes
either.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = 5
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""A line with no date after this one has none at all."""


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
