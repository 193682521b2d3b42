"""One destination's share of a run: prepare what is claimed, then profiles, then events, each in its lane.

A failure of one source sets that source aside; a failure of the line, the receiver or the ledger ends the
destination's share, and its sources wait for the next run with the reason.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from sftp_orchestrator import failpoints, threads
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver import order
from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.door import require_fit
from sftp_orchestrator.deliver.faults import (
    SOURCE_FAILURES,
    as_source_fault,
    blamed_on,
    may_be_of_one_file,
    note_drop,
)
from sftp_orchestrator.deliver.lane import Lane, MayBegin, Steps, begin_all
from sftp_orchestrator.deliver.publish import Publisher
from sftp_orchestrator.deliver.reading import LengthDiffers
from sftp_orchestrator.deliver.remote import Content
from sftp_orchestrator.deliver.retry import Retrying
from sftp_orchestrator.deliver.tuning import Tuner
from sftp_orchestrator.deliver.upload import remove, upload
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded, Failure, ReceiverRefused, SessionRefused, SourceFault, Transient
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import DAEMON
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.measuring import Stage
from sftp_orchestrator.prepare.parts.planning import get_max_bytes
from sftp_orchestrator.prepare.planner import SMALL_BYTES
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.together import Together

_LOG = structlog.get_logger()

LISTED_AT_ONCE = 64
"""Sources whose parts are asked of the ledger at a time."""
MOST_SENDINGS = 5
"""Generations of names that a source gets by itself; whoever loses more of them is looked at by a person."""
STUBBORN_RUNS = 3
"""A data file that was not taken in so many runs in a row, and is not in the next one, is itself at fault. Runs that
did not get that far, for want of a receiver or of profiles before it, are none of these."""
MOST_STUBBORN = 3
"""… and so many of them in one run are the receiver's fault again: it is not asked for every file."""
_TO_BE_READ = frozenset({SourceState.CLAIMED, SourceState.INSPECTED})
_HAS_DATA = frozenset({PartState.UPLOADED, PartState.PUBLISHING, PartState.DELIVERED, PartState.UNCERTAIN})


@dataclass(frozen=True, kw_only=True)
class Stations:
    """What every destination of a run shares."""

    ledger: Ledger
    preparation: Preparation
    archive: Archive
    board: Board
    hurry: asyncio.Event
    """set when a stop may not wait for anything any more"""


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
        self._archive = stations.archive
        self._board = stations.board
        self._pool = pool
        self._retrying = retrying
        self._tuner = tuner
        self._may_begin = may_begin
        self._steps = Steps(
            list_parts=self._list_parts,
            is_small=self._preparation.is_small,
            upload=self._upload,
            publish=self._publish,
            publish_several=self._publish_several,
            finish=self._finish,
            set_aside=self._set_aside,
            may_begin=may_begin,
        )
        self._small = Together(self._preparation.prepare_small)
        self._writes: Together[Callable[[], Any], Any] = Together(self._ledger.write_together)
        self._finishes = Together(self._finish_all)
        self._publisher = Publisher(destination, pool, stations.ledger, retrying, stations.hurry, self._writes.call)
        self._given_up = 0

    async def deliver(self, sources: Sequence[Source]) -> None:
        """Take every source as far as it goes.

        Raises:
            ExceptionGroup: of ``Failure``, when the line, the receiver or the ledger stood in the way.
        """
        sources = [source for source in sources if await self._is_settled(source)]
        profiles, events = order.list_profiles(sources), [s for s in sources if s.type is FeedType.EVENT]
        async with asyncio.TaskGroup() as group:
            prepared = {source.id: asyncio.Future[Source | None]() for source in sources}
            if any(source.state in _TO_BE_READ for source in sources):
                # A dozen round trips, for which no file needs to wait that is still being read.
                group.create_task(self._pool.warm_up(self._count_wanted(sources)))
            group.create_task(self._prepare_all([*profiles, *events], prepared))
            await self._run_lane(profiles, prepared)
            outcomes = [await prepared[event.id] for event in events]
            # What may not be begun need not be told what else it would wait for.
            ready = [event for event in outcomes if event is not None and self._may_begin(event)]
            await self._run_lane(await self._list_admitted(ready), prepared)
        await self._remove_leftovers()

    # Before the lanes.

    async def _is_settled(self, source: Source) -> bool:
        """Find out what became of manifests whose outcome is not noted. Recovery, and nothing else, starts a run.

        Return False where that cannot be told of this source now; the others go on, unless the line itself is lost.
        """
        if source.state in _TO_BE_READ:
            return True  # It has no parts yet.
        try:
            for part in await asyncio.to_thread(self._ledger.parts.list_of, source.id):
                if part.state is PartState.PUBLISHING:
                    await self._publisher.settle(part)
        except Failure as error:
            if not isinstance(error, SOURCE_FAILURES) and not may_be_of_one_file(error):
                raise
            await self._set_aside(source, error if isinstance(error, SOURCE_FAILURES) else as_source_fault(error))
            return False
        return True

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

    async def _prepare(self, batch: Sequence[Source]) -> list[Source | None]:
        """Return each source once its parts are planned, None where it cannot go on in this run."""
        asked = [source for source in batch if source.state in _TO_BE_READ]
        outcomes: dict[str, Source | Exception] = {}
        if asked:
            try:
                found: Sequence[Source | Exception] = await self._preparation.prepare_sources(asked)
            except Failure as error:
                found = [error] * len(asked)
            outcomes = {source.id: outcome for source, outcome in zip(asked, found, strict=True)}
        return [await self._take_outcome(source, outcomes.get(source.id, source)) for source in batch]

    async def _take_outcome(self, source: Source, outcome: Source | Exception) -> Source | None:
        if isinstance(outcome, Source):
            return outcome
        try:
            with blamed_on(source):
                raise outcome
        except SOURCE_FAILURES as error:
            await self._set_aside(source, error)
            return None

    async def _set_aside(self, source: Source, error: Failure) -> None:
        await note_drop(source, error, self._preparation, self._ledger)

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
            lane = Lane(self._steps, width=self._tuner.most, slots=self._tuner.slots)
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

    # The lanes' steps.

    async def _list_parts(self, sources: Sequence[Source]) -> dict[str, list[Part]]:
        return await asyncio.to_thread(self._ledger.parts.list_of_all, [source.id for source in sources])

    async def _upload(self, source: Source, part: Part) -> Part:
        if part.state in _HAS_DATA:
            return part
        try:
            part, content = await self._make_ready(source, part)
            require_fit(part, self._destination)
            await self._retrying.call(lambda: self._send(source, part, content), f"upload {part.data_name}")
        except LengthDiffers as error:
            raise as_source_fault(error) from error
        except Failure as error:
            await self._require_patience(source, error)
            raise
        finally:
            self._board.end(_label(source, part))
        part = await self._writes.call(functools.partial(self._ledger.parts.finish_upload, part))
        _LOG.debug("part_uploaded", source=source.id, part=part.number, name=part.data_name, size=part.size)
        return part

    async def _make_ready(self, source: Source, part: Part) -> tuple[Part, Content]:
        with blamed_on(source):
            if self._preparation.is_small(source, part):
                return await self._small.call((source, part))
            part = await self._preparation.prepare_part(source, part)
            return part, await asyncio.to_thread(self._get_content, source, part)

    def _get_content(self, source: Source, part: Part) -> Content:
        """Return the bytes to send; blocking."""
        content = self._preparation.get_content(source, part)
        if content.size != part.size:
            # Its manifest could never be published: the receiver will not show the size that the ledger knows.
            raise SourceFault("read", part.data_name, f"it has {content.size} bytes, {part.size} were expected")
        return content

    async def _send(self, source: Source, part: Part, content: Content) -> None:
        label = _label(source, part)
        self._board.begin(label, Phase.UPLOAD, content.size)

        def progress(count: int) -> None:
            self._board.advance(label, count)
            self._tuner.note(count)

        async with self._pool.lend() as remote:
            with self._tuner.sending(), failpoints.around("upload.data"):
                await upload(
                    remote,
                    part.data_name,
                    content,
                    verify=self._destination.verify,
                    rename=self._destination.rename,
                    progress=progress,
                )

    async def _publish(self, source: Source, part: Part) -> None:
        """Publish a manifest; within a run, its data is sent again once at most, and once under new names."""
        label = _label(source, part)
        again, resent = 0, 0
        while part.state is not PartState.DELIVERED:
            if part.state is PartState.UNCERTAIN:
                resent += 1
                part = await self._resend(source, part, resent)
            if part.state not in _HAS_DATA:
                part = await self._upload(source, part)
            with blamed_on(source):
                await asyncio.to_thread(self._preparation.require_unchanged, source)
            self._board.begin(label, Phase.PUBLISH, len(part.manifest))
            try:
                part = await self._publisher.publish(part)
            finally:
                self._board.end(label)
            again += part.state is PartState.READY
            if again > 1:
                gone = Transient("publish", part.data_name, "its data is gone from the receiver again and again")
                await self._require_patience(source, gone)
                raise gone
        _LOG.debug("part_delivered", source=source.id, part=part.number, manifest=part.manifest_name)

    async def _require_patience(self, source: Source, error: Failure) -> None:
        """Note that the receiver did not take a file of ``source``; return where that is borne with once more.

        Raises:
            SourceFault: it was so in the runs before, too: one file must not keep back all behind it.
        """
        if not may_be_of_one_file(error):
            return
        await threads.see_through(self._ledger.sources.note_failure, source)
        if source.failures >= STUBBORN_RUNS and self._given_up < MOST_STUBBORN:
            self._given_up += 1
            raise as_source_fault(error) from error

    async def _resend(self, source: Source, part: Part, count: int) -> Part:
        """Give an uncertain part of profiles new names; events wait for a person (the receiver never deduplicates).

        Raises:
            DecisionNeeded: it is a part of events, or was sent too often.
            Transient: it is the second time in this run: not without a pause.
        """
        subject = f"{source.name} part {part.number}/{part.of}"
        unknown = "whether the receiver took it is not known"
        if source.type is FeedType.EVENT:
            raise _ask_person(source, part, f"{unknown}, and events must not be sent twice")
        sendings = (await asyncio.to_thread(self._ledger.sources.get, source.id)).sendings
        if sendings >= MOST_SENDINGS:
            raise _ask_person(source, part, f"{unknown}, and its source was given new names {sendings} times")
        if count > 1:
            raise Transient("publish", subject, f"{unknown}, again", hint="it is sent under new names in a later run")
        return await threads.see_through(self._preparation.resend, source, part, by=DAEMON)

    async def _publish_several(self, parts: Sequence[tuple[Source, Part]]) -> Sequence[Failure | None]:
        """Publish the first of several parts together; see ``Publisher.publish_several``."""
        sources = {source.id: source for source, _ in parts}
        uploaded = list(itertools.takewhile(lambda part: part.state is PartState.UPLOADED, (part for _, part in parts)))

        def require(part: Part) -> None:
            source = sources[part.source_id]
            with blamed_on(source):
                self._preparation.require_unchanged(source)

        began = time.monotonic()
        outcomes = await self._publisher.publish_several(uploaded, require)
        if outcomes:
            seconds = (time.monotonic() - began) / len(outcomes)
            self._board.measures.note_stage(Stage.PUBLISH, seconds, count=len(outcomes))
        for part, outcome in zip(uploaded, outcomes, strict=False):
            if outcome is None:
                _LOG.debug("part_delivered", source=part.source_id, part=part.number, manifest=part.manifest_name)
        return outcomes

    async def _finish(self, source: Source) -> None:
        await self._finishes.call(source)

    def _finish_all(self, sources: Sequence[Source]) -> list[Exception | None]:
        """Note that sources are delivered, and put their originals away; blocking."""
        outcomes = self._ledger.finish_deliveries([source.id for source in sources])
        delivered = [outcome for outcome in outcomes if isinstance(outcome, Source)]
        for source in delivered:
            seconds = (source.changed_at - source.claimed_at).total_seconds()
            self._board.measures.note_delivery(self._name, seconds)
            _LOG.info(
                "source_delivered",
                source=source.id,
                feed=source.feed,
                file=source.name,
                records=source.records,
                refused_rows=source.refused_rows,
                duplicate_rows=source.duplicate_rows,
                size=source.size,
                seconds=round(seconds, 3),
            )
        self._archive.put_away(delivered)
        return [None if isinstance(outcome, Source) else outcome for outcome in outcomes]


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


def _ask_person(source: Source, part: Part, cause: str) -> DecisionNeeded:
    return DecisionNeeded(
        "publish",
        f"{source.name} part {part.number}/{part.of}",
        cause,
        hint=f"look there for {part.manifest_name}, then `sftp-orchestrator resolve {source.id}` "
        "with --delivered or --resend",
    )


def _label(source: Source, part: Part) -> str:
    return f"{source.name} {part.number}/{part.of}"
