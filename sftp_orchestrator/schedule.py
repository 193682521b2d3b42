"""When runs start: cron ticks, each taken once and missed ones as one, arrivals, and what became due again."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

import structlog

from sftp_orchestrator.config.cron import get_trigger
from sftp_orchestrator.config.model import ON_ARRIVAL, Configuration
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.runs import Runs
from sftp_orchestrator.ledger.tables import MAX_SCHEDULE_CHARACTERS

_LOG = structlog.get_logger()

_RECENT = datetime.timedelta(days=1)
_MOMENT = datetime.timedelta(microseconds=1)
_SET_BACK = datetime.timedelta(minutes=5)
"""A tick taken so far ahead of now was taken by a clock that was wrong; by less, clocks are put right every day."""
_LONGEST_SHIFT = datetime.timedelta(hours=3)
"""No zone's clock was ever set by more, but for those that crossed the date line."""

Signature = tuple[str, bool, datetime.datetime | None]


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """The cron ticks of one schedule line in one time zone, for one destination."""

    line: str
    zone: ZoneInfo
    runs: Runs
    destination: str

    @classmethod
    def make(cls, configuration: Configuration, runs: Runs, destination: str) -> Self | None:
        """Return the ticks of the configuration's schedule; None where files are delivered on arrival."""
        line = configuration.schedule.deliver
        if line == ON_ARRIVAL:
            return None
        return cls(line=line, zone=configuration.zone, runs=runs, destination=destination)

    @property
    def _key(self) -> str:
        key = f"{self._shared_key} {self.destination}"
        return key if len(key) <= MAX_SCHEDULE_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()

    @property
    def _shared_key(self) -> str:
        """Under which the ticks of all destinations were taken before each had its own."""
        return f"{self.line} {self.zone.key}"

    def begin(self, now: datetime.datetime) -> None:
        """Note from when on ticks count, the first time this schedule is seen; later calls change nothing.

        But where the clock was set back since the last tick was taken: till then no tick would be due any more.
        """
        last = self.runs.get_last_tick(self._key)
        if last is not None and last - now > _SET_BACK:
            self.runs.forget_ticks(self._key, after=now)
            _LOG.warning(
                "clock_set_back", destination=self.destination, last_tick=last.isoformat(), now=now.isoformat()
            )
        if self.runs.get_last_tick(self._key) is None:
            self.runs.take_tick(self._key, self.runs.get_last_tick(self._shared_key) or now)

    def find_due(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the newest tick since the last one taken was due; None where none is. Missed ones count as one.

        It stays due until it is taken, so that a run that a crash cut short is gone on with at the next start.
        """
        return get_newest_due(self.line, self.zone, last=self.runs.get_last_tick(self._key) or now, now=now)

    def find_next(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the next run starts: in the past where a tick is due and its run has not ended yet."""
        return self.find_due(now) or get_next_due(self.line, self.zone, after=now)

    def take(self, due: datetime.datetime) -> None:
        """Note that the run of a tick, and of all before it, has ended."""
        self.runs.take_tick(self._key, due)


def get_newest_due(
    line: str, zone: ZoneInfo, *, last: datetime.datetime, now: datetime.datetime
) -> datetime.datetime | None:
    """Return the newest tick after ``last`` that is due at ``now``; None where none is. Pure."""
    newest = None
    # Begin near now: a daemon that was off for a year need not count every minute of it.
    for start in (max(last, now - _RECENT), last):
        tick = get_next_due(line, zone, after=start)
        while tick is not None and tick <= now:
            newest = tick
            tick = get_next_due(line, zone, after=tick)
        if newest is not None:
            break
    return newest


def get_next_due(line: str, zone: ZoneInfo, *, after: datetime.datetime) -> datetime.datetime | None:
    """Return the first tick behind ``after``, in UTC; None where there is none any more. Pure.

    As in cron(8), a job at a fixed hour runs once on every day, also where the clock is set forward over its time (then
    as much later) or back over it (then the first time); one of every hour runs in each hour that there is.
    """
    if "*" in line.split()[1]:
        return _get_next_of_every_hour(line, zone, after)
    # Counted on a clock that is never set, and moved to the zone's own afterwards.
    trigger = get_trigger(line, datetime.UTC)
    clock = after.astimezone(zone).replace(tzinfo=datetime.UTC) - _LONGEST_SHIFT
    while (found := trigger.get_next_fire_time(None, clock)) is not None:
        # What the zone leaves out is counted by the time before the change: as much later as the clock was set forward.
        tick: datetime.datetime = found.replace(tzinfo=zone, fold=0).astimezone(datetime.UTC)
        if tick > after:
            return tick
        clock = found + _MOMENT
    return None


def _get_next_of_every_hour(line: str, zone: ZoneInfo, after: datetime.datetime) -> datetime.datetime | None:
    trigger = get_trigger(line, zone)
    start = after
    while True:
        # Added in UTC: arithmetic in local time forgets which of the two hours of the autumn change is meant.
        start += _MOMENT
        tick: datetime.datetime | None = trigger.get_next_fire_time(None, start.astimezone(zone))
        if tick is None:
            return None
        in_utc = tick.astimezone(datetime.UTC)
        if in_utc > after:
            return in_utc
        start = max(in_utc, start)


class Seen:
    """Remembers which due sources a run has left as they are: a run over them again would change nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, Signature] = {}

    def has_news(self, due: Sequence[Source]) -> bool:
        """Return whether any of ``due`` is new, or not as the last run over it left it."""
        return any(self._seen.get(source.id) != _get_signature(source) for source in due)

    def note(self, tried: Sequence[Source], left: Sequence[Source], *, started: datetime.datetime) -> None:
        """Take in what a run that ``started`` then with the sources ``tried`` has ``left`` due.

        What came or was decided meanwhile is news: the run may have passed it by.
        """
        ids = {source.id for source in tried}
        self._seen = {
            source.id: _get_signature(source)
            for source in left
            if source.id in ids and not (source.wanted_at is not None and source.wanted_at >= started)
        }


def _get_signature(source: Source) -> Signature:
    return source.state.value, source.released, source.retry_at
