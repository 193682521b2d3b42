"""One lane: the parts of sources in a fixed order, uploaded side by side, published one by one in that order."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from sftp_orchestrator.deliver.faults import SOURCE_FAILURES, may_be_of_one_file
from sftp_orchestrator.deliver.slots import Slots
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.records import Part, Source

_LOG = structlog.get_logger()

SetAside = Callable[[Source, Failure], Awaitable[None]]


@dataclass(kw_only=True)
class _Job:
    source: Source
    part: Part
    uploaded: asyncio.Future[Part | None] = field(default_factory=asyncio.Future)
    """the part once its data is there; None where its source drops out"""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What a lane does with a part and a source; each step is idempotent and notes its outcome in the ledger."""

    list_parts: Callable[[Source], Awaitable[list[Part]]]
    """the parts of a source, in order"""
    upload: Callable[[Source, Part], Awaitable[Part]]
    """make ready what is not, and put the data at the receiver; the part is ``uploaded`` or further then"""
    publish: Callable[[Source, Part], Awaitable[None]]
    """publish its manifest; the part is ``delivered`` then"""
    finish: Callable[[Source], Awaitable[None]]
    """note that every part of a source is delivered"""
    set_aside: SetAside
    """note why a source drops out; the lane goes on with the others"""


class Lane:
    """Runs once. What ends it early is a failure that concerns them all: the line, the receiver, the ledger.

    As many uploads go on as ``slots`` have room for, ``width`` at most.
    """

    def __init__(self, steps: Steps, *, width: int, slots: Slots | None = None) -> None:
        self._steps = steps
        self._width = width
        self._slots = slots or Slots(width)
        self._has_all = False
        self._dropped: dict[str, Failure] = {}
        self._is_ending = False
        self._under_way: Counter[str] = Counter()
        self._passed_over: list[str] = []
        # One job waits beside those under way; more would only prepare pieces long before their turn.
        self._to_upload: asyncio.Queue[_Job | None] = asyncio.Queue(maxsize=1)
        self._to_publish: asyncio.Queue[_Job | Source | None] = asyncio.Queue()

    async def run(self, sources: AsyncIterable[Source]) -> None:
        """Deliver ``sources`` in the order in which they come.

        Raises:
            ExceptionGroup: of ``Failure``; what was begun stands in the ledger, to be gone on with.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed(sources))
            group.create_task(self._publish_all())
            for _ in range(self._width):
                group.create_task(self._upload_all())

    async def _feed(self, sources: AsyncIterable[Source]) -> None:
        async for source in sources:
            for part in await self._steps.list_parts(source):
                job = _Job(source=source, part=part)
                await self._to_publish.put(job)
                await self._to_upload.put(job)
            await self._to_publish.put(source)
        self._has_all = True
        await self._to_publish.put(None)
        for _ in range(self._width):
            await self._to_upload.put(None)

    @property
    def has_waiting(self) -> bool:
        """Whether one more upload would begin if there were room for it."""
        return not (self._has_all or self._to_upload.empty())

    async def _upload_all(self) -> None:
        is_going_on = True
        while is_going_on:
            # The room comes first: a job is taken by whoever can begin with it.
            async with self._slots:
                is_going_on = await self._upload_next()

    async def _upload_next(self) -> bool:
        """Upload what is next in the order; return False where nothing is."""
        job = await self._to_upload.get()
        if job is None or self._is_ending:
            return False
        part: Part | None = None
        try:
            if job.source.id not in self._dropped:
                async with self._working_on(job.source):
                    part = await self._steps.upload(job.source, job.part)
        except Failure as error:
            if not may_be_of_one_file(error):
                raise
            self._end_at(job, error)
        else:
            job.uploaded.set_result(part)
        return True

    def _end_at(self, job: _Job, error: Failure) -> None:
        """Begin no further upload; what precedes ``job`` in the order is delivered before its turn raises ``error``."""
        self._is_ending = True
        job.uploaded.set_exception(error)
        job.uploaded.exception()  # The lane may end before its turn: asyncio need not complain that nobody asked.

    async def _publish_all(self) -> None:
        while (item := await self._to_publish.get()) is not None:
            if isinstance(item, Source):
                await self._finish(item)
                continue
            part = await item.uploaded
            if part is None or item.source.id in self._dropped:
                continue
            self._tell_of_order(item.source)
            async with self._working_on(item.source):
                await self._steps.publish(item.source, part)

    async def _finish(self, source: Source) -> None:
        if source.id in self._dropped:
            self._passed_over.append(source.id)
            return
        async with self._working_on(source):
            await self._steps.finish(source)

    def _tell_of_order(self, source: Source) -> None:
        if self._passed_over:
            _LOG.warning("order_broken", source=source.id, passed_over=self._passed_over)
            self._passed_over = []

    @contextlib.asynccontextmanager
    async def _working_on(self, source: Source) -> AsyncIterator[None]:
        """Let a failure of ``source`` drop it, and set it aside once nothing of it is under way any more.

        Setting aside may forget its parts: no step may come back to one that is gone.
        """
        self._under_way[source.id] += 1
        try:
            yield
        except SOURCE_FAILURES as error:
            self._dropped.setdefault(source.id, error)
        finally:
            self._under_way[source.id] -= 1
        if source.id in self._dropped and not self._under_way[source.id]:
            await self._steps.set_aside(source, self._dropped[source.id])
