"""The steps of a destination's lanes: a part is made ready, uploaded and published, a source is finished."""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from sftp_orchestrator import failpoints, threads
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.door import require_fit
from sftp_orchestrator.deliver.faults import as_source_fault, blamed_on, may_be_of_one_file, note_drop
from sftp_orchestrator.deliver.lane import MayBegin, Steps
from sftp_orchestrator.deliver.publish import Publisher
from sftp_orchestrator.deliver.reading import LengthDiffers
from sftp_orchestrator.deliver.remote import Content
from sftp_orchestrator.deliver.retry import Retrying
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.deliver.tuning import Tuner
from sftp_orchestrator.deliver.upload import upload
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded, Failure, SourceFault, Transient
from sftp_orchestrator.ledger.moves import DAEMON
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import PartState
from sftp_orchestrator.measuring import Stage
from sftp_orchestrator.progress import Phase
from sftp_orchestrator.together import Together

_LOG = structlog.get_logger()

MOST_SENDINGS = 5
"""Generations of names that a source gets by itself; whoever loses more of them is looked at by a person."""
STUBBORN_RUNS = 3
"""A data file that was not taken in so many runs in a row, and is not in the next one, is itself at fault. Runs that
did not get that far, for want of a receiver or of profiles before it, are none of these."""
MOST_STUBBORN = 3
"""… and so many of them in one run are the receiver's fault again: it is not asked for every file."""
_HAS_DATA = frozenset({PartState.UPLOADED, PartState.PUBLISHING, PartState.DELIVERED, PartState.UNCERTAIN})


class Sending:
    """Does what the lanes of one destination ask for, in one run; each step is idempotent and notes its outcome."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        stations: Stations,
        pool: ConnectionPool,
        retrying: Retrying,
        tuner: Tuner,
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
        self._small = Together(self._preparation.prepare_small)
        self._writes: Together[Callable[[], Any], Any] = Together(self._ledger.write_together)
        self._finishes = Together(self._finish_all)
        self._publisher = Publisher(destination, pool, stations.ledger, retrying, stations.hurry, self._writes.call)
        self._given_up = 0

    def make_steps(self, may_begin: MayBegin) -> Steps:
        """Return the steps for a lane; ``may_begin`` is asked before a source is begun."""
        return Steps(
            list_parts=self._list_parts,
            is_small=self._preparation.is_small,
            upload=self._upload,
            publish=self._publish,
            publish_several=self._publish_several,
            finish=self._finish,
            set_aside=self.set_aside,
            may_begin=may_begin,
        )

    async def settle(self, source: Source) -> None:
        """Find out what became of manifests of ``source`` whose outcome is not noted; raises ``Failure``."""
        for part in await asyncio.to_thread(self._ledger.parts.list_of, source.id):
            if part.state is PartState.PUBLISHING:
                await self._publisher.settle(part)

    async def set_aside(self, source: Source, error: Failure) -> None:
        """Note why ``source`` cannot go on in this run."""
        await note_drop(source, error, self._preparation, self._ledger)

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
                await asyncio.to_thread(self._preparation.standing.require, source)
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
                self._preparation.standing.require(source)

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


def _ask_person(source: Source, part: Part, cause: str) -> DecisionNeeded:
    return DecisionNeeded(
        "publish",
        f"{source.name} part {part.number}/{part.of}",
        cause,
        hint=f"look there for {part.manifest_name}",
    )


def _label(source: Source, part: Part) -> str:
    return f"{source.name} {part.number}/{part.of}"
