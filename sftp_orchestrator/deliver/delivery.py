"""One destination's share of a run: prepare what is claimed, then profiles, then events, each in its lane.

A failure of one source sets that source aside; a failure of the line, the receiver or the ledger ends the
destination's share, and its sources wait for the next run with the reason.
"""

from __future__ import annotations

import asyncio
import datetime
import math
from collections.abc import AsyncIterator, Sequence

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver import order
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.faults import (
    SOURCE_FAILURES,
    as_source_fault,
    may_be_of_one_file,
)
from sftp_orchestrator.deliver.lane import Lane, MayBegin, begin_all
from sftp_orchestrator.deliver.preparing import TO_BE_READ, prepare
from sftp_orchestrator.deliver.retry import Retrying
from sftp_orchestrator.deliver.sending import Sending
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.deliver.tuning import Tuner
from sftp_orchestrator.deliver.upload import remove
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import Failure, ReceiverRefused, SessionRefused
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.prepare.parts.planning import get_max_bytes
from sftp_orchestrator.prepare.planner import SMALL_BYTES

_LOG = structlog.get_logger()

LISTED_AT_ONCE = 64
"""Sources whose parts are asked of the ledger at a time."""


class Delivery:
    """Delivers to one destination, once."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        stations: Stations,
        pool: ConnectionPool,
        retrying: Retrying,
        tuner: Tuner,
        may_begin: MayBegin = begin_all,
    ) -> None:
        self._name = name
        self._destination = destination
        self._ledger = stations.ledger
        self._preparation = stations.preparation
        self._pool = pool
        self._tuner = tuner
        self._may_begin = may_begin
        self._sending = Sending(name, destination, stations, pool, retrying, tuner)

    async def deliver(self, sources: Sequence[Source]) -> None:
        """Take every source as far as it goes.

        Raises:
            ExceptionGroup: of ``Failure``, when the line, the receiver or the ledger stood in the way.
        """
        publishing = await asyncio.to_thread(self._ledger.parts.list_sources_in, PartState.PUBLISHING)
        sources = [source for source in sources if source.id not in publishing or await self._is_settled(source)]
        now = datetime.datetime.now(datetime.UTC)
        sources = await threads.see_through(self._preparation.standing.renew, sources, now)
        profiles, events = order.list_profiles(sources), [s for s in sources if s.type is FeedType.EVENT]
        async with asyncio.TaskGroup() as group:
            prepared = {source.id: asyncio.Future[Source | None]() for source in sources}
            warming = self._begin_to_warm_up(sources, group)
            group.create_task(self._prepare_all([*profiles, *events], prepared))
            await self._run_lane(profiles, prepared)
            outcomes = [await prepared[event.id] for event in events]
            # What may not be begun need not be told what else it would wait for.
            ready = [event for event in outcomes if event is not None and self._may_begin(event)]
            await self._run_lane(await self._list_admitted(ready), prepared)
            if warming is not None:
                # Nothing is left to be sent: no run waits for logins that nobody needs.
                warming.cancel()
        await self._remove_leftovers()

    # Before the lanes.

    async def _is_settled(self, source: Source) -> bool:
        """Find out what became of manifests whose outcome is not noted. Recovery, and nothing else, starts a run.

        Return False where that cannot be told of this source now; the others go on, unless the line itself is lost.
        """
        try:
            await self._sending.settle(source)
        except Failure as error:
            if not isinstance(error, SOURCE_FAILURES) and not may_be_of_one_file(error):
                raise
            fault = error if isinstance(error, SOURCE_FAILURES) else as_source_fault(error)
            await self._sending.set_aside(source, fault)
            return False
        return True

    def _begin_to_warm_up(self, sources: Sequence[Source], group: asyncio.TaskGroup) -> asyncio.Task[None] | None:
        """Open connections while files are read: a dozen round trips each, for which nothing needs to wait."""
        if not any(source.state in TO_BE_READ for source in sources):
            return None
        return group.create_task(self._pool.warm_up(self._count_wanted(sources)))

    def _count_wanted(self, sources: Sequence[Source]) -> int:
        """Return how many connections will be used at the same time, as far as sizes tell before a look."""
        large = (source.size for source in sources if source.size > SMALL_BYTES)
        parts = sum(math.ceil(size / get_max_bytes(self._destination)) for size in large)
        # Manifests go beside the data of later parts.
        return min(parts, self._tuner.slots.size) + 1 if parts > 1 else 1

    async def _prepare_all(self, sources: Sequence[Source], prepared: dict[str, asyncio.Future[Source | None]]) -> None:
        for batch in self._preparation.make_batches(sources):
            begun = [source for source in batch if self._may_begin(source)]
            outcomes = dict(zip((source.id for source in begun), await self._prepare(begun), strict=True))
            for source in batch:
                # A stop cancels what is waited for just before it cancels us.
                if not prepared[source.id].cancelled():
                    prepared[source.id].set_result(outcomes.get(source.id))
        self._preparation.note_through(self._name)

    async def _prepare(self, batch: Sequence[Source]) -> list[Source | None]:
        """Return each source once its parts are planned, None where it cannot go on in this run."""
        return [
            await self._take_outcome(source, outcome)
            for source, outcome in zip(batch, await prepare(batch, self._preparation), strict=True)
        ]

    async def _take_outcome(self, source: Source, outcome: Source | Failure) -> Source | None:
        if isinstance(outcome, Source):
            return outcome
        await self._sending.set_aside(source, outcome)
        return None

    async def _list_admitted(self, events: Sequence[Source]) -> list[Source]:
        replacements = await asyncio.to_thread(self._find_replacements)
        profiles = await asyncio.to_thread(self._ledger.sources.list_pending_profiles, self._name)
        backlog = order.Backlog(profiles, replacements)
        admitted, waiting = [], {}
        for event in order.list_events(events):
            gate = order.decide_gate(event, backlog, self._destination.blocked_profiles)
            if gate.is_open:
                admitted.append(event)
                _warn_of_profiles(event, gate, replacements)
            else:
                waiting[event.id] = gate.explain() or ""
        if waiting:
            first, reason = next(iter(waiting.items()))
            _LOG.warning("events_wait", destination=self._name, sources=len(waiting), source=first, reason=reason)
        # Due at once again: under a schedule, too, they follow as soon as these profiles went.
        now = datetime.datetime.now(datetime.UTC)
        await threads.see_through(self._ledger.sources.note_waits, waiting, retry_at=now)
        return admitted

    def _find_replacements(self) -> order.Replacements:
        """Return what was delivered in the place of quarantined profiles; blocking."""
        quarantined = order.list_profiles(self._ledger.sources.list_in({SourceState.QUARANTINED}))
        return order.find_replacements(quarantined, self._ledger.outcomes.list_delivered_later(quarantined))

    async def _run_lane(self, sources: Sequence[Source], prepared: dict[str, asyncio.Future[Source | None]]) -> None:
        async def in_order() -> AsyncIterator[list[Source]]:
            ready: list[Source] = []
            for source in sources:
                if ready and (len(ready) == LISTED_AT_ONCE or not prepared[source.id].done()):
                    yield ready
                    ready = []
                outcome = await prepared[source.id]
                if outcome is not None:
                    ready.append(outcome)
            if ready:
                yield ready

        if sources:
            lane = Lane(self._sending.make_steps(self._may_begin), width=self._tuner.most, slots=self._tuner.slots)
            async with self._tuner.tuning(lambda: self._pool.limit):
                await lane.run(in_order())

    # After the lanes.

    async def _remove_leftovers(self) -> None:
        """Remove data whose source was planned anew, as far as the receiver lets us: nobody needs it, and it is plain.

        What goes wrong with it is no failure of the run.
        """
        for leftover in await asyncio.to_thread(self._ledger.leftovers.list_of, self._name):
            log = _LOG.bind(destination=self._name, source=leftover.source_id, name=leftover.data_name)
            try:
                async with self._pool.lend() as remote:
                    await remove(remote, leftover.data_name, rename=self._destination.rename)
            except Failure as error:
                log.warning("leftover_stays", error=str(error))
                if not isinstance(error, ReceiverRefused) or isinstance(error, SessionRefused):
                    return  # Not even asked: the next run asks again.
            else:
                log.info("leftover_removed")
            await threads.see_through(self._ledger.leftovers.forget, leftover)


def _warn_of_profiles(event: Source, gate: order.Gate, replacements: order.Replacements) -> None:
    """Tell of profiles that are not at the receiver, though events go that were claimed after them."""
    if gate.passes_over.count:
        named = [source.id for source in gate.passes_over.named]
        _LOG.warning("profiles_passed_over", source=event.id, profiles=named, count=gate.passes_over.count)
    for source in gate.replaced.named:
        _LOG.warning(
            "profiles_replaced",
            source=event.id,
            profiles=source.id,
            file=source.name,
            replaced_by=replacements[source.id].id,
            count=gate.replaced.count,
        )
