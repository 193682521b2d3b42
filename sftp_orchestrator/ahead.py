"""Files are read as soon as they are ours, while others go up or a schedule is waited for.

So the next run begins with its first upload, and a file that breaks a rule is told of when it comes, not at night.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import structlog

from sftp_orchestrator.deliver import order
from sftp_orchestrator.deliver.faults import note_drop
from sftp_orchestrator.deliver.preparing import TO_BE_READ, prepare
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.errors import DecisionNeeded, InputRefused, LocalFault
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.progress import beat_while
from sftp_orchestrator.web.pulse import STUCK_SECONDS, Pulse

_LOG = structlog.get_logger()

AGAIN_SECONDS = 2.0
"""How soon it is looked again whether a run has read what it is to deliver: that comes first."""


class ReadingAhead:
    """Reads what is claimed for one destination and is in no run, until it is cancelled.

    What is wrong with a file for good is noted; whatever else stands in the way is left for the run that it waits for,
    which meets it again: nothing that was read ahead goes sooner than its schedule, or later.
    """

    def __init__(self, destination: str, stations: Stations, pulse: Pulse) -> None:
        self._destination = destination
        self._station = f"reading ahead for {destination}"
        self._pulse = pulse
        self._board = stations.board
        self._ledger = stations.ledger
        self._preparation = stations.preparation
        self._wanted = asyncio.Event()
        self._put_down = asyncio.Event()
        self._in_hand: frozenset[str] = frozenset()
        self._in_run: frozenset[str] = frozenset()
        self._runs = 0
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

        What is in hand of them is put down first; ``beat`` is called while that goes on.
        """
        self._in_run, self._runs = frozenset(source.id for source in sources), self._runs + 1
        try:
            while self._in_hand & self._in_run:
                await beat_while(self._put_down.wait(), self._board, beat)
            if self.mark != mark:
                found = await asyncio.to_thread(self._ledger.sources.list_of, [source.id for source in sources])
                sources = [source for source in found if source.state in SOURCE_ON_ITS_WAY]
            self.look()
            yield sources
        finally:
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
                is_through = await self._read_all()
            except LocalFault as error:
                # What the ledger's trouble means for deliveries, these tell; and they read for themselves.
                _LOG.info("not_read_ahead", destination=self._destination, error=str(error))
                continue
            if not is_through:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_SECONDS):
                        await self._wanted.wait()
                self.look()

    async def _read_all(self) -> bool:
        """Read what may be read now; return False where there may be more a little later."""
        runs = self._runs
        found = await asyncio.to_thread(self._ledger.sources.list_in, TO_BE_READ)
        mine = [source for source in found if source.destination == self._destination]
        if any(source.id in self._in_run for source in mine):
            return False
        self._left &= {source.id for source in mine}
        free = [source for source in mine if source.retry_at is None and source.id not in self._left]
        for batch in self._preparation.make_batches([*order.list_profiles(free), *order.list_events(free)]):
            if runs != self._runs:
                return False
            self._in_hand = frozenset(source.id for source in batch)
            try:
                await beat_while(self._read(batch), self._board, self._beat)
            finally:
                self._pulse.rest(self._station)
                self._in_hand, self.mark = frozenset(), self.mark + 1
                self._put_down.set()
                self._put_down.clear()
        return True

    async def _read(self, batch: Sequence[Source]) -> None:
        try:
            outcomes = await prepare(batch, self._preparation)
        except Exception:  # noqa: BLE001 - logged with its traceback; a defect in it must not end the deliveries
            _LOG.error("reading_ahead_crashed", destination=self._destination, exc_info=True)
            self._left.update(source.id for source in batch)
            return
        for source, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, (InputRefused, DecisionNeeded)):
                await note_drop(source, outcome, self._preparation, self._ledger)
            elif not isinstance(outcome, Source):
                self._left.add(source.id)
                _LOG.info("not_read_ahead", destination=self._destination, source=source.id, error=str(outcome))

    def _beat(self) -> None:
        self._pulse.beat(self._station, within_seconds=STUCK_SECONDS)
