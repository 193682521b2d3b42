"""Schedules as they take effect: that of each destination, and of each feed that has one of its own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

from sftp_orchestrator.config import dates, times
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.scheduling import ON_ARRIVAL, Expected, OwnSchedule, Schedule
from sftp_orchestrator.config.windows import Opening, Window

_read_once = functools.cache(dates.read_dates)
"""A daemon goes by the dates that it began with, as by the rest of its configuration; raises as ``read_dates``."""


def forget_dates() -> None:
    """Have files of dates read anew: the configuration was."""
    _read_once.cache_clear()


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When runs to one destination start, and when they may."""

    destination: str
    feed: str | None = None
    """None: for all its feeds that have no schedule of their own"""
    lines: tuple[str, ...] = ()
    """of cron; without them, on arrival"""
    opening: Opening

    @property
    def zone(self) -> ZoneInfo:
        """The zone of all its times."""
        return self.opening.zone

    @property
    def is_scheduled(self) -> bool:
        """Whether it waits for ticks; else files go as they arrive."""
        return bool(self.lines)

    @classmethod
    def make(cls, configuration: Configuration, destination: str, feed: str | None = None) -> Self:
        """Return the schedule that holds there; raises ``ConfigurationError`` where its dates cannot be read."""
        schedule = get_schedule(configuration, destination, feed)
        deliver = schedule.deliver
        return cls(
            destination=destination,
            feed=feed,
            lines=() if deliver == ON_ARRIVAL else to_list(deliver),
            opening=Opening(
                zone=ZoneInfo(schedule.timezone or configuration.timezone),
                windows=tuple(Window.parse(text) for text in to_list(schedule.only)),
                closed_on=_read_once(schedule.except_dates),
            ),
        )


def list_timings(configuration: Configuration, destination: str) -> list[Timing]:
    """Return a destination's schedules, its own first, then those of feeds; raises as ``Timing.make``."""
    own = [
        name
        for name, feed in configuration.feeds.items()
        if feed.schedule is not None and configuration.get_destination_name(name) == destination
    ]
    return [Timing.make(configuration, destination, feed) for feed in (None, *own)]


def get_schedule(configuration: Configuration, destination: str, feed: str | None = None) -> Schedule:
    """Return the schedule of a destination, or of a feed of it, each key from the innermost level that has it. Pure."""
    levels: list[OwnSchedule | None] = [configuration.destinations[destination].schedule]
    if feed is not None:
        levels.append(configuration.feeds[feed].schedule)
    given = {
        name: value
        for level in levels
        if level is not None
        for name in OwnSchedule.model_fields
        if (value := getattr(level, name)) is not None
    }
    return configuration.schedule.model_copy(update=given)


def get_deadline_line(expected: Expected) -> str:
    """Return the deadlines of a feed as a cron line, so that on days of a clock change they are as its ticks. Pure."""
    by, days = times.parse_time(expected.by), _get_days(expected)
    named = "*" if days == times.EVERY_DAY else ",".join(times.WEEK[day] for day in sorted(days))
    return f"{by.minute} {by.hour} * * {named}"


def get_longest_gap_days(expected: Expected) -> int:
    """Return how many days lie between two deadlines of a feed at most. Pure."""
    days = sorted(_get_days(expected))
    return max((after - before - 1) % 7 + 1 for before, after in zip(days, [*days[1:], days[0]], strict=True))


def _get_days(expected: Expected) -> frozenset[int]:
    return times.parse_days(expected.days) if expected.days is not None else times.EVERY_DAY


def to_list(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return what may be one or several as several. Pure."""
    return (given,) if isinstance(given, str) else given
