"""One lane: the parts of sources in a fixed order, uploaded side by side, published one by one in that order."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import Counter, deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from sftp_orchestrator.deliver.faults import SOURCE_FAILURES, may_be_of_one_file
from sftp_orchestrator.deliver.slots import Slots
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.records import Part, Source

_LOG = structlog.get_logger()

SMALL_AT_ONCE = 24
"""Small parts on their way besides the others: each waits for the ledger and for the line most of the time."""
PUBLISHED_AT_ONCE = 16
"""Manifests whose intents are noted together."""
SetAside = Callable[[Source, Failure], Awaitable[None]]
MayBegin = Callable[[Source], bool]
"""Asked just before a source is begun; what it refuses is left as it is, for a later run."""


def begin_all(_: Source) -> bool:
    """Let every source be begun. Pure."""
    return True


class _NotYet(enum.Enum):
    """What a part is that was not published with others."""

    NOT_YET = enum.auto()


_NOT_YET = _NotYet.NOT_YET


@dataclass(kw_only=True)
class _Job:
    source: Source
    part: Part
    uploaded: asyncio.Future[Part | None] = field(default_factory=asyncio.Future)
    """the part once its data is there; None where its source drops out"""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What a lane does with a part and a source; each step is idempotent and notes its outcome in the ledger."""

    list_parts: Callable[[Sequence[Source]], Awaitable[Mapping[str, Sequence[Part]]]]
    """the parts of sources, in order, by the id of each"""
    is_small: Callable[[Source, Part], bool]
    """whether a part takes no more than a blink to be made ready and sent"""
    upload: Callable[[Source, Part], Awaitable[Part]]
    """make ready what is not, and put the data at the receiver; the part is ``uploaded`` or further then"""
    publish: Callable[[Source, Part], Awaitable[None]]
    """publish its manifest; the part is ``delivered`` then"""
    publish_several: Callable[[Sequence[tuple[Source, Part]]], Awaitable[Sequence[Failure | None]]]
    """publish the first of several, as many as can be together: each is ``delivered`` then, or may not be"""
    finish: Callable[[Source], Awaitable[None]]
    """note that every part of a source is delivered"""
    set_aside: SetAside
    """note why a source drops out; the lane goes on with the others"""
    may_begin: MayBegin = begin_all
    """whether a source is begun, with the first part of it whose turn comes: none is left in its middle"""


class Lane:
    """Runs once. What ends it early is a failure that concerns them all: the line, the receiver, the ledger.

    As many uploads go on as ``slots`` have room for, ``width`` at most, and small ones beside them.
    """

    def __init__(self, steps: Steps, *, width: int, slots: Slots | None = None) -> None:
        self._steps = steps
        self._workers = width + SMALL_AT_ONCE
        self._slots = slots or Slots(width)
        """for parts that are not small"""
        self._dropped: dict[str, Failure] = {}
        self._aside: set[str] = set()
        self._begun: set[str] = set()
        self._left: set[str] = set()
        """not begun, as that may not be any more"""
        self._is_ending = False
        self._under_way: Counter[str] = Counter()
        self._passed_over: list[str] = []
        # One job waits beside those under way; more would only prepare pieces long before their turn.
        self._to_upload: asyncio.Queue[_Job | None] = asyncio.Queue(maxsize=1)
        self._to_publish: asyncio.Queue[_Job | Source | None] = asyncio.Queue()
        self._next: list[_Job | Source | None] = []
        """taken from there too early"""
        self._undecided: deque[Source] = deque()
        """of which nobody has asked yet whether they may begin, in their order"""
        self._group: asyncio.TaskGroup | None = None

    async def run(self, sources: AsyncIterable[Sequence[Source]]) -> None:
        """Deliver ``sources`` in the order in which they come, some at a time.

        Raises:
            ExceptionGroup: of ``Failure``; what was begun stands in the ledger, to be gone on with.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._feed(sources))
            group.create_task(self._publish_all())
            for _ in range(self._workers):
                group.create_task(self._upload_all())

    async def _feed(self, sources: AsyncIterable[Sequence[Source]]) -> None:
        async for some in sources:
            parts = await self._steps.list_parts(some)
            for source in some:
                if not self._steps.may_begin(source):
                    self._left.add(source.id)
                    continue
                self._undecided.append(source)
                for part in parts[source.id]:
                    job = _Job(source=source, part=part)
                    await self._to_publish.put(job)
                    await self._to_upload.put(job)
                await self._to_publish.put(source)
        await self._to_publish.put(None)
        for _ in range(self._workers):
            await self._to_upload.put(None)

    async def _upload_all(self) -> None:
        while (job := await self._to_upload.get()) is not None and not self._is_ending:
            part: Part | None = None
            try:
                if job.source.id not in self._dropped:
                    turn = contextlib.nullcontext() if self._steps.is_small(job.source, job.part) else self._slots
                    async with turn, self._working_on(job.source):
                        # Once more: its turn may have come much later than it was taken up.
                        if self._begin(job.source):
                            part = await self._steps.upload(job.source, job.part)
            except Failure as error:
                if not may_be_of_one_file(error):
                    raise
                self._end_at(job, error)
            else:
                job.uploaded.set_result(part)

    def _begin(self, source: Source) -> bool:
        """Return whether ``source`` is begun, or may be; once it is, it is seen through.

        What precedes it in the order is decided with it, though its own turn may come later: a small part waits for no
        slot, and must not overtake what the hour leaves behind a moment after.
        """
        while source.id not in self._begun and source.id not in self._left:
            first = self._undecided.popleft()
            (self._begun if self._steps.may_begin(first) else self._left).add(first.id)
        return source.id in self._begun

    def _end_at(self, job: _Job, error: Failure) -> None:
        """Begin no further upload; what precedes ``job`` in the order is delivered before its turn raises ``error``."""
        self._is_ending = True
        job.uploaded.set_exception(error)
        job.uploaded.exception()  # The lane may end before its turn: asyncio need not complain that nobody asked.

    async def _publish_all(self) -> None:
        while (first := await self._take()) is not None:
            if isinstance(first, Source):
                self._finish(first)
                continue
            await asyncio.wait([first.uploaded])
            items = [first, *self._take_ready()]
            published = await self._publish_several([item for item in items if isinstance(item, _Job)])
            for item in items:
                if isinstance(item, Source):
                    self._finish(item)
                else:
                    await self._publish(item, published.get(id(item), _NOT_YET))

    async def _take(self) -> _Job | Source | None:
        if self._next:
            return self._next.pop()
        return await self._to_publish.get()

    def _take_ready(self) -> Iterator[_Job | Source]:
        """Yield what follows in the order, as far as its data is there."""
        jobs = 1
        while jobs < PUBLISHED_AT_ONCE and not self._to_publish.empty():
            item = self._to_publish.get_nowait()
            if item is None or (isinstance(item, _Job) and not item.uploaded.done()):
                self._next.append(item)
                return
            jobs += isinstance(item, _Job)
            yield item

    async def _publish_several(self, jobs: Sequence[_Job]) -> dict[int, Failure | None]:
        """Publish the first of ``jobs`` together, as many as can be; return what became of these."""
        asked: list[tuple[_Job, Part]] = []
        for job in jobs:
            part = job.uploaded.result() if job.uploaded.exception() is None else None
            if part is None or job.source.id in self._dropped:
                break
            asked.append((job, part))
        if len(asked) < 2:
            return {}
        # Held as long as any of it is under way: a failure of one part must not set aside what another publishes.
        for job, _ in asked:
            self._under_way[job.source.id] += 1
        try:
            outcomes = await self._steps.publish_several([(job.source, part) for job, part in asked])
        finally:
            for job, _ in asked:
                self._under_way[job.source.id] -= 1
        return {id(job): outcome for (job, _), outcome in zip(asked, outcomes, strict=False)}

    async def _publish(self, job: _Job, outcome: Failure | _NotYet | None) -> None:
        """Publish a job's manifest, or take in what became of it."""
        part = await job.uploaded
        if part is None or (job.source.id in self._dropped and outcome is _NOT_YET):
            return
        self._tell_of_order(job.source)
        async with self._working_on(job.source):
            if outcome is _NOT_YET:
                await self._steps.publish(job.source, part)
            elif isinstance(outcome, Failure):
                raise outcome

    def _finish(self, source: Source) -> None:
        """Have a source noted as delivered, while those behind it go on."""
        if source.id in self._left:
            return
        if source.id in self._dropped:
            self._passed_over.append(source.id)
        elif self._group is not None:
            self._group.create_task(self._finish_one(source))

    async def _finish_one(self, source: Source) -> None:
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
        if source.id in self._dropped and not self._under_way[source.id] and source.id not in self._aside:
            self._aside.add(source.id)
            await self._steps.set_aside(source, self._dropped[source.id])
