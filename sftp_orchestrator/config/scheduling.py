"""The sections about time: when deliveries start, when they may, and by when a feed's files are expected."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from sftp_orchestrator.config import cron, dates, times, windows
from sftp_orchestrator.config.dates import Dates
from sftp_orchestrator.config.keys import AS_WRITTEN, Words
from sftp_orchestrator.config.section import Section
from sftp_orchestrator.config.windows import Windows

ON_ARRIVAL = "on_arrival"
_WANTED = "must be 'on_arrival', a cron line, or a list of cron lines"

PATTERN_MEANINGS = {**times.PATTERN_MEANINGS, **windows.PATTERN_MEANINGS, **dates.PATTERN_MEANINGS}
"""What each pattern asks for, in words."""


def require_timezone(timezone: str) -> str:
    """Return the name of a zone as it is; raises ``ValueError`` where there is none of this name."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = "must be a name of the tz database, such as 'Europe/Berlin'"
        raise ValueError(msg) from error
    return timezone


def require_deliver(value: object) -> str | tuple[str, ...]:
    """Return ``on_arrival``, a cron line or several as they were written; raises ``ValueError``. Pure."""
    if value == ON_ARRIVAL:
        return ON_ARRIVAL
    if isinstance(value, str):
        return _require_line(value, "must be 'on_arrival' or a cron line: ")
    if not isinstance(value, list | tuple) or not value or not all(isinstance(line, str) for line in value):
        raise ValueError(_WANTED)
    if ON_ARRIVAL in value:
        msg = "must have 'on_arrival' alone: whatever else would start has gone by then"
        raise ValueError(msg)
    if len(set(value)) < len(value):
        msg = "must name each cron line once"
        raise ValueError(msg)
    return tuple(_require_line(line, f"must be a list of cron lines; of '{line}': ") for line in value)


def _require_line(line: str, wanted: str) -> str:
    try:
        cron.get_trigger(line, UTC)
    except ValueError as error:
        msg = f"{wanted}{error}"
        raise ValueError(msg) from error
    return line


_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}

Deliver = Annotated[
    str | tuple[str, ...],
    PlainValidator(require_deliver),
    AS_WRITTEN,
    WithJsonSchema(_SCHEMA),
    Words("cron line, list of cron lines, or on_arrival"),
]
"""As it is written: ``on_arrival``, ``0 2 * * *``, or ``["0 2 * * *", "0 14 * * mon-fri"]``."""
Timezone = Annotated[str, AfterValidator(require_timezone)]


class Schedule(Section):
    """When deliveries start; destinations and feeds may have a schedule of their own."""

    deliver: Deliver = Field(default=ON_ARRIVAL, examples=["0 2 * * *"])
    """cron, such as "0 2 * * *" (daily at 02:00), or a list; or "on_arrival", the default: once a file is complete"""
    timezone: Timezone | None = None
    """null = the outermost one; or that of all times of this schedule"""
    only: Windows = ()
    """when a run may begin: "22:00-06:00", "mon-fri 22:00-06:00", "sat,sun", or a list of such; [] = always"""
    except_dates: Dates = ()
    """days on which none begins: [2026-12-25], or the path of a file with a date a line; [] = none"""


class OwnSchedule(Section):
    """When deliveries of one destination or feed start. What is left out is that of the schedule around it.

    Around a feed's is its destination's, around that the outermost one. All times are those of the zone that results.
    """

    deliver: Deliver | None = None
    """null, or cron, a list of cron lines, or "on_arrival" """
    timezone: Timezone | None = None
    """null, or that of all times of this schedule"""
    only: Windows | None = None
    """null, or when a run may begin; [] = always"""
    except_dates: Dates | None = None
    """null, or days on which none begins; [] = none"""


class Expected(Section):
    """By when a file of the feed has to be there; where none is, it is told."""

    by: str = Field(pattern=times.TIME_OF_DAY, examples=["03:00"])
    """the time of day, in the zone of the feed's schedule; a file counts from the deadline before on"""
    days: str | None = Field(default=None, pattern=times.DAYS_PATTERN, examples=["mon-fri"])
    """null = every day; or the days that have this deadline, such as mon-fri or mon,thu"""
