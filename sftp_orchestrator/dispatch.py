"""When a destination's runs start: at a tick, on arrival, or because something is due again; one at a time.

Decided purely by ``choose`` from what is known at one moment. A destination that is slow or away keeps back no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import structlog

from sftp_orchestrator.ahead import ReadingAhead
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.scheduling import ON_ARRIVAL
from sftp_orchestrator.deliver.lane import begin_all
from sftp_orchestrator.deliver.run import Runner
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.gathering import GATHER_SECONDS, Gathering
from sftp_orchestrator.intake.intake import Scan
from sftp_orchestrator.ledger.records import RunRequest, Source
from sftp_orchestrator.ledger.requests import STALE_REQUEST
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.progress import beat_while
from sftp_orchestrator.repeating import Repeating
from sftp_orchestrator.schedule import Admission, Plan, Plans, Seen
from sftp_orchestrator.web.pulse import STUCK_SECONDS, Pulse

_LOG = structlog.get_logger()

DECISIONS_POLL_SECONDS = 2.0
"""How soon a person's ``retry``, ``release``, ``discard`` or ``resolve``, made in another process, is noticed."""
LONGEST_POLL_SECONDS = 30.0
"""… where so much waits that a look takes seconds: as often as staging is scanned by default."""
_LOOK_SHARE = 0.1
"""Of the time, at most, goes into looks: with 100,000 sources that wait each takes two seconds of a core."""
CLEAR_PAUSE = datetime.timedelta(hours=1)
"""After data of what was discarded could not be removed at the receiver, before a run goes there for that again."""
FAULT_PAUSE_SECONDS = 10.0
"""After a fault of this machine, before the ledger is asked again."""
_SLACK = datetime.timedelta(seconds=5)
"""Until it is noticed that a run is wanted, and looked at staging for it."""


class Scans:
    """The scans of staging as dispatchers see them: what one is claiming is not all there yet."""

    def __init__(self) -> None:
        self._begun = 0
        self._is_under_way = False
        self._started = (0.0, datetime.datetime.min.replace(tzinfo=datetime.UTC))
        self.looked_at: datetime.datetime | None = None
        """when the last scan began that was carried through"""

    def begin(self, *, now: float, at: datetime.datetime) -> None:
        """Note that a scan begins: at ``now`` seconds of the monotonic clock, ``at`` by the wall clock."""
        self._begun += 1
        self._is_under_way = True
        self._started = (now, at)

    def end(self, *, is_whole: bool) -> None:
        """Note that it ended, carried through or not."""
        self._is_under_way = False
        if is_whole:
            self.looked_at = self._started[1]

    def get_mark(self, *, now: float) -> int | None:
        """Return what tells whether a scan began since; None in the middle of one that has not taken too long yet."""
        if self._is_under_way and now - self._started[0] < GATHER_SECONDS:
            return None
        return self._begun


@dataclass(frozen=True, kw_only=True)
class Tick:
    """The newest tick of a schedule that is due, where that schedule is open."""

    plan: Plan
    at: datetime.datetime


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run to be started."""

    trigger: str
    sources: Sequence[Source]
    ticks: Sequence[Tick] = ()
    """what it serves"""
    asked: Sequence[RunRequest] = ()
    """what it answers"""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is known when it is decided whether a run starts."""

    asked: Sequence[RunRequest] = ()
    """what persons want run now, whatever is closed"""
    may_answer: bool = False
    """what lay in staging when they asked is claimed, as far as it came to rest"""
    wanted: Sequence[Source] = ()
    """everything on its way that they want"""
    ticks: Sequence[Tick]
    """those that are due; of several schedules they are one run"""
    may_serve_ticks: bool
    """what lay in staging when they came due was looked at, and what was complete then is claimed"""
    scheduled: Sequence[Source]
    """everything on its way that goes by one of these schedules"""
    due: Sequence[Source]
    """what may go now without a tick: on arrival all that waits for nothing, else what is to be tried again"""
    is_arrival: bool
    """of these, some go on arrival"""
    has_news: bool
    """a run over ``due`` would change something"""
    must_wait: Callable[[Sequence[Source]], bool]
    """whether these should wait for profiles that are not complete yet"""
    has_leftovers: bool = False
    """data of what was discarded lies at the receiver, which may be gone to, and was not since"""


def choose(moment: Moment) -> Start | None:
    """Return the run to be started now; None where none is. Pure."""
    if moment.asked and moment.may_answer and not moment.must_wait(moment.wanted):
        return Start(trigger="now", sources=moment.wanted, asked=moment.asked)
    if moment.ticks and moment.may_serve_ticks and not moment.must_wait(moment.scheduled):
        return Start(trigger="schedule", sources=moment.scheduled, ticks=moment.ticks)
    if moment.due and moment.has_news and not moment.must_wait(moment.due):
        return Start(trigger="arrival" if moment.is_arrival else "retry", sources=moment.due)
    if moment.has_leftovers:
        return Start(trigger="discard", sources=())
    return None


def get_poll_seconds(look_seconds: float) -> float:
    """Return how long to wait after a look at what waits that took ``look_seconds``. Pure."""
    return min(LONGEST_POLL_SECONDS, max(DECISIONS_POLL_SECONDS, look_seconds / _LOOK_SHARE))


class Dispatcher:
    """Starts the runs of one destination until it is cancelled."""

    def __init__(
        self,
        destination: str,
        configuration: Configuration,
        stations: Stations,
        *,
        scans: Scans,
        rescan: asyncio.Event,
        pulse: Pulse,
        tidy: Callable[[], Awaitable[None]],
    ) -> None:
        """``rescan`` asks for a scan soon; ``tidy`` is called after each run, and when something was discarded."""
        self._destination = destination
        self._ledger = stations.ledger
        self._board = stations.board
        self._runner = Runner(configuration=configuration, stations=stations)
        self._plans = Plans.make(configuration, stations.ledger.runs, destination)
        feeds = {
            name: feed
            for name, feed in configuration.feeds.items()
            if configuration.get_destination_name(name) == destination
        }
        self._gathering = Gathering(feeds)
        self._ahead = ReadingAhead(destination, configuration, stations, pulse)
        self._seen = Seen()
        self._trouble = Repeating()
        self._discards = self._rows_discarded = 0
        """how many there were at the last look"""
        self._clears_at: datetime.datetime | None = None
        """when a run goes there, for that alone, where data of what was discarded lies"""
        self._scans = scans
        self._rescan = rescan
        self._pulse = pulse
        self._tidy = tidy
        self._wake = asyncio.Event()
        self._settle_time = datetime.timedelta(seconds=configuration.intake.settle_seconds) + _SLACK
        self._asked_since = _now() - STALE_REQUEST

    def note(self, scan: Scan) -> None:
        """Take in what a scan found."""
        self._gathering.note(scan, now=_get_seconds())
        self._wake.set()
        if self._ahead.is_beside_run:
            self._ahead.look()

    async def run(self) -> None:
        """Start runs as they come due, and have read meanwhile what is for later ones."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ahead.run())
            group.create_task(self._start_runs())

    async def _start_runs(self) -> None:
        has_told = False
        while True:
            self._wake.clear()
            self._beat()
            began = _get_seconds()
            try:
                if not has_told:
                    for plan in self._plans.list_all():
                        await asyncio.to_thread(plan.begin, _now())
                        await self._tell_of_next(plan)
                    has_told = True
                await self._heed_discards()
                has_run = await self._run_if_due()
                if has_run:
                    await self._tidy()
                self._tell_of_recovery()
                if has_run:
                    continue
            except LocalFault as error:
                # The ledger is locked or its disk full: nothing was changed, and it goes on when that is over.
                self._tell_of_failure(error)
                await asyncio.sleep(FAULT_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(get_poll_seconds(_get_seconds() - began)):
                    await self._wake.wait()

    def _tell_of_failure(self, error: LocalFault) -> None:
        occurred = self._trouble.note(error)
        log = _LOG.bind(destination=self._destination, error=str(error))
        if occurred.is_first:
            log.error("delivery_failed")
        elif occurred.is_told:
            log.warning("delivery_still_fails", failures=occurred.failures, seconds=occurred.seconds)

    def _tell_of_recovery(self) -> None:
        over = self._trouble.end()
        if over is not None:
            log = _LOG.bind(destination=self._destination)
            log.info("delivery_recovered", failures=over.failures, seconds=over.seconds)

    async def _heed_discards(self) -> None:
        """Have put away what was discarded since the last look; events that waited for it are looked at again."""
        discards = await asyncio.to_thread(self._ledger.discards.count)
        rows = await asyncio.to_thread(self._ledger.discards.count_rows)
        if discards != self._discards:
            self._seen = Seen()
            self._clears_at = _now()
        if (discards, rows) != (self._discards, self._rows_discarded):
            self._discards, self._rows_discarded = discards, rows
            await self._tidy()

    async def _run_if_due(self) -> bool:
        """Run where a tick, an arrival or a wait that is over calls for it; return whether one did."""
        mark = self._scans.get_mark(now=_get_seconds())
        if mark is None:
            return False
        started, read = _now(), self._ahead.mark
        start = choose(await self._look(started))
        # What a scan claims meanwhile is only the beginning of what it will: a run over it would break the order.
        if self._scans.get_mark(now=_get_seconds()) != mark:
            return False
        if start is None:
            self._ahead.look()
            return False
        admission = Admission(self._plans, _now)
        may_begin = begin_all if start.asked else admission.may_begin
        for request in start.asked:
            _LOG.info("run_wanted", destination=self._destination, feed=request.feed, by=request.by)
        async with self._ahead.leaving(start.sources, mark=read, beat=self._beat) as sources:
            run = self._runner.run(
                start.trigger,
                sources,
                may_begin=may_begin,
                is_insisted=bool(start.asked),
                clearing=() if start.sources else (self._destination,),
            )
            await beat_while(run, self._board, self._beat)
        await self._note_clearing()
        if start.asked:
            await asyncio.to_thread(self._ledger.requests.answer, self._destination, start.asked[-1].number)
        left = admission.refused
        if left:
            _LOG.info("run_ended_by_window", destination=self._destination, sources=len(left))
        for tick in start.ticks:
            # What it was cut short of it goes on with once its schedule is open: it is due till then.
            if tick.plan.timing.feed not in left.values():
                await asyncio.to_thread(tick.plan.take, tick.at)
        tried = [source for source in start.sources if source.id not in left]
        self._seen.note(tried, self._list_due(await self._list_waiting(), _now()), started=started)
        for tick in start.ticks:
            await self._tell_of_next(tick.plan)
        return True

    async def _note_clearing(self) -> None:
        """Have what a run could not remove at the receiver tried again by itself, if not with a run before."""
        if self._clears_at is not None:
            is_left = await asyncio.to_thread(self._ledger.leftovers.list_of, self._destination)
            self._clears_at = _now() + CLEAR_PAUSE if is_left else None

    async def _tell_of_next(self, plan: Plan) -> None:
        at = await asyncio.to_thread(plan.find_next, _now())
        if plan.timing.is_scheduled or at is not None:
            _LOG.info(
                "delivery_scheduled",
                destination=self._destination,
                feed=plan.timing.feed,
                at=at.isoformat() if at is not None else None,
                schedule=", ".join(plan.timing.lines) or ON_ARRIVAL,
            )

    async def _look(self, now: datetime.datetime) -> Moment:
        ticks = await asyncio.to_thread(_find_ticks, self._plans, now)
        waiting = await self._list_waiting()
        due = self._list_due(waiting, now)
        feeds = {tick.plan.timing.feed for tick in ticks}
        # Where the clock was set back, what is asked for now seems to be older.
        since = min(self._asked_since, now - STALE_REQUEST)
        asked = await asyncio.to_thread(self._ledger.requests.list_open, self._destination, since=since)
        named = {request.feed for request in asked}
        return Moment(
            asked=asked,
            may_answer=bool(asked) and self._may_answer(asked[-1].asked_at, now),
            wanted=[source for source in waiting if None in named or source.feed in named],
            ticks=ticks,
            may_serve_ticks=bool(ticks) and self._may_serve(max(tick.at for tick in ticks), now),
            scheduled=[source for source in waiting if self._plans.get(source).timing.feed in feeds],
            due=due,
            is_arrival=any(not self._plans.get(source).timing.is_scheduled for source in due),
            has_news=self._seen.has_news(due),
            must_wait=lambda sources: self._gathering.must_wait(sources, now=_get_seconds()),
            has_leftovers=self._clears_at is not None and self._clears_at <= now and self._may_clear(now),
        )

    def _may_serve(self, tick: datetime.datetime, now: datetime.datetime) -> bool:
        looked_at = self._scans.looked_at
        if (looked_at is None or looked_at < tick) and now - tick < datetime.timedelta(seconds=GATHER_SECONDS):
            self._rescan.set()
            return False
        return self._gathering.has_taken_stock(now=_get_seconds())

    def _may_answer(self, asked_at: datetime.datetime, now: datetime.datetime) -> bool:
        """Whether what lay in staging when a run was asked for is claimed, or had the time to come to rest."""
        if not self._may_serve(asked_at, now):
            return False
        looked_at, settled_at = self._scans.looked_at, asked_at + self._settle_time
        if not self._gathering.is_settling or looked_at is None or looked_at >= settled_at:
            return True
        if now >= settled_at:
            self._rescan.set()
        return False

    async def _list_waiting(self) -> list[Source]:
        found = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_ON_ITS_WAY)
        return [source for source in found if source.destination == self._destination]

    def _list_due(self, waiting: Sequence[Source], now: datetime.datetime) -> list[Source]:
        opened = {plan.timing.feed for plan in self._plans.list_all() if plan.timing.opening.is_open(now)}
        return [source for source in waiting if self._runner.is_due(source) and self._may_go(source, opened)]

    def _may_clear(self, now: datetime.datetime) -> bool:
        is_open = any(plan.timing.feed is None and plan.timing.opening.is_open(now) for plan in self._plans.list_all())
        return is_open and self._runner.pauses.is_over(self._destination, now)

    def _may_go(self, source: Source, opened: AbstractSet[str | None]) -> bool:
        """Whether its schedule, one of those that are ``opened`` now, lets it go without a tick."""
        timing = self._plans.get(source).timing
        if source.is_wanted:
            return True
        return timing.feed in opened and (source.retry_at is not None or not timing.is_scheduled)

    def _beat(self) -> None:
        self._pulse.beat(f"delivery to {self._destination}", within_seconds=STUCK_SECONDS)


def _find_ticks(plans: Plans, now: datetime.datetime) -> list[Tick]:
    found = []
    for plan in plans.list_all():
        # At every look: the clock may be set back while we run.
        plan.begin(now)
        if plan.timing.opening.is_open(now) and (due := plan.find_due(now)) is not None:
            found.append(Tick(plan=plan, at=due))
    return found


def _get_seconds() -> float:
    return asyncio.get_running_loop().time()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
