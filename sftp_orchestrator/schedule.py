"""When runs start: cron ticks, each taken once and missed ones as one, arrivals, and what became due again."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sftp_orchestrator.config.cron import get_trigger
from sftp_orchestrator.config.model import ON_ARRIVAL
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.runs import Runs

_RECENT = datetime.timedelta(days=1)

Signature = tuple[str, bool, datetime.datetime | None]


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """The cron ticks of one schedule line in one time zone."""

    line: str
    zone: ZoneInfo
    runs: Runs

    @property
    def _key(self) -> str:
        return f"{self.line} {self.zone.key}"

    def begin(self, now: datetime.datetime) -> None:
        """Note from when on ticks count, the first time this schedule is seen; later calls change nothing."""
        if self.runs.get_last_tick(self._key) is None:
            self.runs.take_tick(self._key, now)

    def find_due(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the newest tick since the last one taken was due; None where none is. Missed ones count as one.

        It stays due until it is taken, so that a run that a crash cut short is gone on with at the next start.
        """
        return get_newest_due(self.line, self.zone, last=self.runs.get_last_tick(self._key) or now, now=now)

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
        tick = _get_next(line, zone, start)
        while tick is not None and tick <= now:
            newest = tick
            tick = _get_next(line, zone, tick)
        if newest is not None:
            break
    return newest


def _get_next(line: str, zone: ZoneInfo, after: datetime.datetime) -> datetime.datetime | None:
    trigger = get_trigger(line, zone)
    at_fixed_hours = "*" not in line.split()[1]
    start = after
    while True:
        # Added in UTC: arithmetic in local time forgets which of the two hours of the autumn change is meant.
        start += datetime.timedelta(microseconds=1)
        tick: datetime.datetime | None = trigger.get_next_fire_time(None, start.astimezone(zone))
        if tick is None:
            return None
        in_utc = tick.astimezone(datetime.UTC)
        # As in cron(8), a job at a fixed hour does not run again when the clock is set back over it.
        repeated = at_fixed_hours and in_utc.astimezone(zone).fold == 1
        if in_utc > after and not repeated:
            return in_utc
        start = max(in_utc, start)


def is_on_arrival(line: str) -> bool:
    """Return whether a schedule line means "as soon as something is there"."""
    return line == ON_ARRIVAL


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
