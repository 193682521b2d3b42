"""What single keys of a schedule cannot show: ticks that never fall into its windows, dates that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sftp_orchestrator.config import cron, dates
from sftp_orchestrator.config.findings import Finding, KeyPath
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.scheduling import ON_ARRIVAL, OwnSchedule, Schedule
from sftp_orchestrator.config.timing import get_schedule, to_list
from sftp_orchestrator.config.windows import Window
from sftp_orchestrator.errors import ConfigurationError


def check_schedules(configuration: Configuration) -> Iterator[Finding]:
    """Yield what is wrong, without lines, at the level where it was brought about; reads files of dates."""
    outermost = configuration.schedule
    yield from _check(("schedule",), outermost, outermost)
    for name, destination in configuration.destinations.items():
        if destination.schedule is not None:
            whole = get_schedule(configuration, name)
            yield from _check(("destinations", name, "schedule"), destination.schedule, whole)
    for name, feed in configuration.feeds.items():
        target = configuration.get_destination_name(name)
        # One that is not there is told of beside the feed.
        if feed.schedule is not None and target in configuration.destinations:
            yield from _check(("feeds", name, "schedule"), feed.schedule, get_schedule(configuration, target, name))


def _check(path: KeyPath, given: Schedule | OwnSchedule, whole: Schedule) -> Iterator[Finding]:
    yield from _check_ticks(path, given, whole)
    if isinstance(given.except_dates, Path):
        try:
            dates.read_dates(given.except_dates)
        except ConfigurationError as error:
            yield Finding(path=(*path, "except_dates"), said=str(error))


def _check_ticks(path: KeyPath, given: Schedule | OwnSchedule, whole: Schedule) -> Iterator[Finding]:
    if whole.deliver == ON_ARRIVAL or (given.deliver is None and given.only is None):
        return
    windows = [Window.parse(text) for text in to_list(whole.only)]
    for index, line in enumerate(to_list(whole.deliver)):
        if windows and not _can_fall_into(line, windows):
            place: KeyPath = ("only",) if given.deliver is None else ("deliver",)
            if given.deliver is not None and not isinstance(whole.deliver, str):
                place = ("deliver", index)
            yield Finding(
                path=(*path, *place),
                said=f"no tick of '{line}' ever falls into {' or '.join(to_list(whole.only))} (only)",
                hint="to deliver whenever it opens, write deliver: on_arrival",
            )


def _can_fall_into(line: str, windows: list[Window]) -> bool:
    days = cron.list_weekdays(line)
    return any(window.holds(day, minute) for window in windows for minute in cron.list_minutes(line) for day in days)
