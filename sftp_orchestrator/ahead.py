"""Files are read as soon as they are ours, while others go up or a schedule is waited for.

So the next run begins with its first upload, and a file that breaks a rule is told of when it comes, not at night.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver import order
from sftp_orchestrator.deliver.faults import note_drop
from sftp_orchestrator.deliver.preparing import TO_BE_READ, prepare
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.errors import DecisionNeeded, Failure, InputRefused, LocalFault
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.progress import beat_while
from sftp_orchestrator.web.pulse import STUCK_SECONDS, Pulse

_LOG = structlog.get_logger()

_LOOK_SHARE = 0.1
"""Of the time, at most, goes into looks at what is claimed: with 100,000 files each takes seconds."""
_BY_THE_CLOCK = frozenset({"ts.future"})
"""Rules that rows may break when they come, and not any more at their run."""


class ReadingAhead:
    """Reads what is claimed for one destination and is in no run, until it is cancelled.

    What is wrong with a file for good is noted; whatever else stands in the way is left for the run that it waits for,
    which meets it again: nothing that was read ahead goes sooner than its schedule, or later. A run comes first: none
    is read ahead while a run of any destination reads, and what is in hand is put down for one of this destination.
    """

    def __init__(self, destination: str, configuration: Configuration, stations: Stations, pulse: Pulse) -> None:
        self._destination = destination
        self._station = f"reading ahead for {destination}"
        self._configuration = configuration
        self._pulse = pulse
        self._board = stations.board
        self._ledger = stations.ledger
        self._preparation = stations.preparation
        self._wanted = asyncio.Event()
        self._batch: asyncio.Task[None] | None = None
        self._in_hand: frozenset[str] = frozenset()
        self._in_run: frozenset[str] = frozenset()
        self._gone: set[str] = set()
        """in runs that began since the last look: they may be further than they were then"""
        self._left: set[str] = set()
        """left for their run, as something stood in the way"""
        self.mark = 0
        """another one since a moment says that sources may be further than they were then"""

    def look(self) -> None:
        """Have what is claimed by now read ahead."""
        self._wanted.set()

    @contextlib.asynccontextmanager
    async def leaving(
        self, sources: Sequence[Source], *, mark: int, beat: Callable[[], None]
    ) -> AsyncIterator[Sequence[Source]]:
        """Leave ``sources``, as they stood at ``mark``, to a run: yield those on their way as they stand now.

        What is in hand is put down first: read to its end where some of it is the run's, and ``beat`` is called while
        that goes on.
        """
        self._in_run = frozenset(source.id for source in sources)
        self._gone |= self._in_run
        self._preparation.expect_run(self._destination)
        is_outdated = self._batch is not None or self.mark != mark
        try:
            if self._batch is not None:
                if not self._in_hand & self._in_run:
                    self._batch.cancel()
                await beat_while(_wait_for(self._batch), self._board, beat)
            if is_outdated:
                found = await asyncio.to_thread(self._ledger.sources.list_of, [source.id for source in sources])
                sources = [source for source in found if source.state in SOURCE_ON_ITS_WAY]
            self.look()
            yield sources
        finally:
            self._preparation.note_through(self._destination)
            self._in_run = frozenset()
            self.look()

    @property
    def is_beside_run(self) -> bool:
        """Whether a run is under way."""
        return bool(self._in_run)

    async def run(self) -> None:
        """Read ahead whenever asked to."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._read_all()
            except LocalFault as error:
                # What the ledger's trouble means for deliveries, these tell; and they read for themselves.
                _LOG.info("not_read_ahead", destination=self._destination, error=str(error))

    async def _read_all(self) -> None:
        await self._preparation.wait_for_runs()
        began = asyncio.get_running_loop().time()
        free = await self._list_free()
        looked = asyncio.get_running_loop().time()
        for batch in self._preparation.make_batches([*order.list_profiles(free), *order.list_events(free)]):
            # Another host may own the ledger by now: what it claimed is not ours to judge.
            await asyncio.to_thread(self._ledger.ownership.require)
            await self._preparation.wait_for_runs()
            await self._take_up([source for source in batch if source.id not in self._gone])
        await asyncio.sleep(max(0.0, (looked - began) / _LOOK_SHARE - (asyncio.get_running_loop().time() - looked)))

    async def _list_free(self) -> list[Source]:
        """Return what may be read ahead."""
        self._gone = set(self._in_run)
        await asyncio.to_thread(self._ledger.ownership.require)
        found = await asyncio.to_thread(self._ledger.sources.list_in, TO_BE_READ)
        mine = [source for source in found if source.destination == self._destination]
        self._left &= {source.id for source in mine}
        return [source for source in mine if source.retry_at is None and self._may_read(source)]

    def _may_read(self, source: Source) -> bool:
        """Whether what is found does not depend on what becomes of others until its run."""
        feed = self._configuration.feeds.get(source.feed)
        # Rows that an earlier file brings would be left out, though that one may stand aside till then.
        return feed is not None and not (feed.deduplicate and feed.deduplicate.days) and source.id not in self._left

    async def _take_up(self, batch: Sequence[Source]) -> None:
        """Read a batch, to its end unless a run comes first."""
        if not batch:
            return
        self._in_hand = frozenset(source.id for source in batch)
        self._batch = asyncio.ensure_future(beat_while(self._read(batch), self._board, self._beat))
        try:
            await self._batch
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
        finally:
            self._pulse.rest(self._station)
            self._batch, self._in_hand, self.mark = None, frozenset(), self.mark + 1

    async def _read(self, batch: Sequence[Source]) -> None:
        try:
            for source, outcome in zip(batch, await prepare(batch, self._preparation), strict=True):
                await self._take_in(source, outcome)
        except LocalFault:
            raise
        except Exception:  # noqa: BLE001 - logged with its traceback; a defect in it must not end the deliveries
            _LOG.error("reading_ahead_crashed", destination=self._destination, exc_info=True)
            self._left.update(source.id for source in batch)

    async def _take_in(self, source: Source, outcome: Source | Failure) -> None:
        if isinstance(outcome, DecisionNeeded) or (isinstance(outcome, InputRefused) and not _may_pass(outcome)):
            await note_drop(source, outcome, self._preparation, self._ledger)
        elif not isinstance(outcome, Source):
            self._left.add(source.id)
            _LOG.info("not_read_ahead", destination=self._destination, source=source.id, error=str(outcome))

    def _beat(self) -> None:
        self._pulse.beat(self._station, within_seconds=STUCK_SECONDS)


def _may_pass(refusal: InputRefused) -> bool:
    """Whether time alone may make good what a file is refused for. Pure."""
    return isinstance(refusal, Refused) and any(tally.rule in _BY_THE_CLOCK for tally in refusal.tallies)


async def _wait_for(task: asyncio.Task[None]) -> None:
    """Wait until ``task`` is done, whatever comes of it; it is not ours to cancel."""
    await asyncio.wait([task])
