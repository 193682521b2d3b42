"""When runs start: cron ticks, each taken once and missed ones as one, arrivals, and what became due again.

And when they may: a tick that falls into a time that is closed is taken as soon as it opens, once.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from zoneinfo import ZoneInfo

import structlog

from sftp_orchestrator.config.cron import get_newest_due, get_next_due
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.timing import Timing, list_timings
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.runs import Runs
from sftp_orchestrator.ledger.tables import MAX_SCHEDULE_CHARACTERS

_LOG = structlog.get_logger()

_SET_BACK = datetime.timedelta(minutes=5)
"""A tick taken so far ahead of now was taken by a clock that was wrong; by less, clocks are put right every day."""

Signature = tuple[str, bool, datetime.datetime | None]


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """The ticks of one cron line in one time zone, for one destination, or for one feed of it."""

    line: str
    zone: ZoneInfo
    runs: Runs
    destination: str
    feed: str | None = None
    purpose: str | None = None
    """where they start no runs"""

    @property
    def _key(self) -> str:
        key = " ".join(filter(None, (self._shared_key, self.destination, self.feed, self.purpose)))
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
                "clock_set_back",
                destination=self.destination,
                feed=self.feed,
                last_tick=last.isoformat(),
                now=now.isoformat(),
            )
        if self.runs.get_last_tick(self._key) is None:
            earlier = self.runs.get_last_tick(self._shared_key) if self.feed is None else None
            self.runs.take_tick(self._key, earlier or now)

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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One schedule at work: the ticks of all its lines as those of one, and when it is open."""

    timing: Timing
    ticks: tuple[Ticks, ...] = ()

    @classmethod
    def make(cls, timing: Timing, runs: Runs) -> Self:
        """Return a schedule with its ticks in the ledger; without lines it starts runs on arrival."""
        own = (timing.destination, timing.feed)
        return cls(
            timing=timing,
            ticks=tuple(
                Ticks(line=line, zone=timing.zone, runs=runs, destination=own[0], feed=own[1]) for line in timing.lines
            ),
        )

    def begin(self, now: datetime.datetime) -> None:
        """Do as ``Ticks.begin`` for each line."""
        for ticks in self.ticks:
            ticks.begin(now)

    def find_due(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the newest tick of any line that is not taken was due; None where none is."""
        return max((due for ticks in self.ticks if (due := ticks.find_due(now)) is not None), default=None)

    def take(self, due: datetime.datetime) -> None:
        """Note that the run of a tick, and of all before it, has ended."""
        for ticks in self.ticks:
            if (newest := ticks.find_due(due)) is not None:
                ticks.take(newest)

    def find_next(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the next run starts: in the past where a tick is due and may be served, else once it is open.

        On arrival, None while that is any time.
        """
        opening = self.timing.opening
        if not self.ticks:
            return None if opening.is_open(now) else opening.find_opening(now)
        due = self.find_due(now)
        if due is None:
            return self.find_following(now)
        return due if opening.is_open(now) else opening.find_opening(now)

    def find_following(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when the first run starts for a tick that is still to come. Pure."""
        timing = self.timing
        ticks = [at for line in timing.lines if (at := get_next_due(line, timing.zone, after=now)) is not None]
        return timing.opening.find_opening(min(ticks)) if ticks else None


class Plans:
    """The schedules of one destination: its own, and those of feeds that have another."""

    def __init__(self, plans: Iterable[Plan]) -> None:
        """One of ``plans`` is for no feed."""
        self._by_feed = {plan.timing.feed: plan for plan in plans}

    @classmethod
    def make(cls, configuration: Configuration, runs: Runs, destination: str) -> Self:
        """Return those of the configuration; raises ``ConfigurationError`` where a file of dates cannot be read."""
        return cls(Plan.make(timing, runs) for timing in list_timings(configuration, destination))

    def list_all(self) -> list[Plan]:
        """Return all, the destination's own first."""
        return list(self._by_feed.values())

    def get(self, source: Source) -> Plan:
        """Return the one that ``source`` goes by."""
        return self._by_feed.get(source.feed) or self._by_feed[None]


class Admission:
    """Says of each source, just before a run begins it, whether that may be; remembers which may not."""

    def __init__(self, plans: Plans, clock: Callable[[], datetime.datetime]) -> None:
        self._plans = plans
        self._clock = clock
        self._refused: dict[str, str | None] = {}

    def may_begin(self, source: Source) -> bool:
        """Return whether its schedule is open; what a person wants tried is begun at any time."""
        plan = self._plans.get(source)
        if source.is_wanted or plan.timing.opening.is_open(self._clock()):
            return True
        self._refused[source.id] = plan.timing.feed
        return False

    @property
    def refused(self) -> Mapping[str, str | None]:
        """The ids of the sources that were not begun, each with the feed of its schedule, whose ticks are due still."""
        return self._refused


class Seen:
    """Remembers which due sources a run has left as they are: a run over them again would change nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, Signature] = {}

    def has_news(self, due: Sequence[Source]) -> bool:
        """Return whether any of ``due`` is new, or not as the last run over it left it."""
        return any(self._seen.get(source.id) != _get_signature(source) for source in due)

    def note(self, tried: Sequence[Source], left: Sequence[Source], *, started: datetime.datetime) -> None:
        """Take in what a run that ``started`` then with the sources ``tried`` has ``left`` due.

        What came or was decided meanwhile is news: the run may have passed it by. One that tried nothing tells nothing.
        """
        if not tried:
            return
        ids = {source.id for source in tried}
        self._seen = {
            source.id: _get_signature(source)
            for source in left
            if source.id in ids and not (source.wanted_at is not None and source.wanted_at >= started)
        }


def _get_signature(source: Source) -> Signature:
    return source.state.value, source.released, source.retry_at
