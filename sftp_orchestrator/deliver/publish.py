"""Publishes manifests: the commit of a data file, and the one step whose outcome must never be guessed."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from sftp_orchestrator import failpoints, threads
from sftp_orchestrator.config.model import Destination, Verify
from sftp_orchestrator.deliver.connections import ConnectionPool
from sftp_orchestrator.deliver.door import require_fit
from sftp_orchestrator.deliver.remote import Remote
from sftp_orchestrator.deliver.retry import Retrying
from sftp_orchestrator.deliver.upload import get_shown_size, put
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part
from sftp_orchestrator.ledger.states import PartState
from sftp_orchestrator.prepare.parts.part_content import BytesContent

_LOG = structlog.get_logger()
T = TypeVar("T")

PUBLISH_GRACE_SECONDS = 20.0
"""How long a stop waits for a manifest under way: it must leave room within the 30 s that systemd and Docker give."""


class Finding(enum.Enum):
    """What a look at the receiver says about a part in ``publishing``."""

    DELIVERED = enum.auto()
    NOT_PUBLISHED = enum.auto()
    UNKNOWN = enum.auto()


def judge(part: Part, *, manifest_size: int | None, data_size: int | None) -> tuple[Finding, str]:
    """Decide what became of a manifest whose outcome is not noted, from the sizes at the receiver. Pure.

    There in full: delivered. Data there, manifest not: it was not taken, for a receiver takes the two together.
    Anything else cannot be told apart from "taken".
    """
    if manifest_size == len(part.manifest):
        return Finding.DELIVERED, "the manifest is there in full"
    if manifest_size is not None:
        return Finding.UNKNOWN, f"the manifest is there with {manifest_size} of {len(part.manifest)} bytes"
    if data_size == part.size:
        return Finding.NOT_PUBLISHED, "the data is there and the manifest is not"
    if data_size is None:
        return Finding.UNKNOWN, "neither data nor manifest is there: the receiver may have taken them"
    return Finding.UNKNOWN, f"the manifest is not there, and the data has {data_size} of {part.size} bytes"


class Publisher:
    """Publishes the manifests of one destination. The caller keeps the order: one at a time."""

    def __init__(
        self,
        destination: Destination,
        pool: ConnectionPool,
        ledger: Ledger,
        retrying: Retrying,
        hurry: asyncio.Event,
        write: Callable[[Callable[[], None]], Awaitable[None]],
    ) -> None:
        """``write`` calls what changes the ledger, in a transaction that others may share."""
        self._destination = destination
        self._pool = pool
        self._ledger = ledger
        self._retrying = retrying
        self._hurry = hurry
        self._write = write

    async def publish(self, part: Part) -> Part:
        """Publish the manifest of a part in ``uploaded`` or ``publishing``; return the part as it then stands.

        ``delivered``: done. ``ready``: its data is not at the receiver any more. ``uncertain``: nobody can tell.
        Cancelled, it ends at once, unless a manifest is on its way: that is seen through, as long as a stop may take.

        Raises:
            DecisionNeeded: what would leave is not what the receiver takes.
            Failure: the receiver could not be reached or refused; the part stands where a restart finds it.
        """
        return await self._retrying.call(lambda: self._advance(part), f"publish {part.manifest_name}")

    async def publish_several(self, parts: Sequence[Part], require: Callable[[Part], None]) -> list[Failure | None]:
        """Publish manifests of ``uploaded`` parts, one after the other, with their intents noted in one go.

        Returns for each of the first so many, perhaps none, that it is ``delivered``, or why ``require``, which is
        called in a thread before anything of it leaves, did not let it go. What follows is left to ``publish``: the
        receiver did not show its data, or something came between. Where only the intent was noted it is taken back.
        Several intents leave no more doubt after a crash than one: the data of each was just seen at the receiver, and
        lies there without a manifest until its turn. Cancelled as ``publish``.
        """
        async with self._pool.lend() as remote:
            shown = await self._list_shown(remote, parts)
            if not shown:
                return []
            stop = asyncio.Event()
            commit = asyncio.create_task(self._commit_several(remote, shown, require, stop))
            return await finish_even_when_cancelled(
                commit, grace_seconds=PUBLISH_GRACE_SECONDS, hurry=self._hurry, stop=stop
            )

    async def settle(self, part: Part) -> Part:
        """Find out what became of a part in ``publishing``; may be repeated. Part of every start."""
        return await self._retrying.call(lambda: self._settle_now(part), f"look for {part.manifest_name}")

    async def _advance(self, part: Part) -> Part:
        part = await self._get(part)
        if part.state is PartState.PUBLISHING:
            part = await self._settle_now(part)
        if part.state is not PartState.UPLOADED:
            return part
        require_fit(part, self._destination)
        async with self._pool.lend() as remote:
            if not await self._has_data(remote, part):
                reason = "its data is not at the receiver any more"
                await threads.see_through(self._ledger.parts.upload_again, part, reason)
                _LOG.warning("upload_repeated", source=part.source_id, part=part.number, reason=reason)
                return await self._get(part)
            commit = asyncio.create_task(self._commit(remote, part))
            await finish_even_when_cancelled(commit, grace_seconds=PUBLISH_GRACE_SECONDS, hurry=self._hurry)
        return await self._get(part)

    async def _commit(self, remote: Remote, part: Part) -> None:
        """Intent, act, outcome: what should not be left half done."""
        await threads.see_through(self._ledger.parts.begin_publishing, part)
        await self._put(remote, part)
        await threads.see_through(self._ledger.parts.finish_publishing, part)

    async def _list_shown(self, remote: Remote, parts: Sequence[Part]) -> Sequence[Part]:
        """Return the first parts whose data the receiver shows in full."""
        verify = self._destination.verify
        if verify is Verify.NEVER:
            return ()
        try:
            sizes = await asyncio.gather(*(get_shown_size(remote, part.data_name, verify=verify) for part in parts))
        except Failure:
            return ()  # ``publish`` asks again, and tells.
        differing = (place for place, part in enumerate(parts) if sizes[place] != part.size)
        return parts[: next(differing, len(parts))]

    async def _commit_several(
        self, remote: Remote, parts: Sequence[Part], require: Callable[[Part], None], stop: asyncio.Event
    ) -> list[Failure | None]:
        """Intents, then act and outcome of each, until ``stop``; an intent that no act follows is taken back."""
        refusals = await self._begin_several(parts, require)
        for place, part in enumerate(parts):
            if refusals[place] is not None:
                continue
            unsent = [later for later, refusal in zip(parts[place:], refusals[place:], strict=True) if refusal is None]
            if stop.is_set():
                await self._take_back(unsent)
                return refusals[:place]
            try:
                await self._put(remote, part)
            except Failure:
                await self._take_back(unsent[1:])
                return refusals[:place]
            await self._write(functools.partial(self._ledger.parts.finish_publishing, part))
        return refusals

    async def _begin_several(self, parts: Sequence[Part], require: Callable[[Part], None]) -> list[Failure | None]:
        """Note the intents of parts in one transaction; return for each why it may not leave.

        Where one part of a source may not, none behind it does.
        """
        refused: dict[str, tuple[int, Failure]] = {}
        """by source: the first part that may not"""

        def begin(part: Part) -> None:
            number, refusal = refused.get(part.source_id, (part.number, None))
            if refusal is not None and number < part.number:
                raise refusal
            try:
                require_fit(part, self._destination)
                require(part)
                self._ledger.parts.begin_publishing(part)
            except Failure as error:
                refused[part.source_id] = part.number, error
                raise

        begun = await threads.see_through(
            self._ledger.write_together, [functools.partial(begin, part) for part in parts], begin=refused.clear
        )
        return [_require_known(outcome) for outcome in begun]

    async def _take_back(self, parts: Sequence[Part]) -> None:
        again = self._ledger.parts.publish_again
        writes = [functools.partial(again, part, "its turn did not come") for part in parts]
        await threads.see_through(self._ledger.write_together, writes)

    async def _put(self, remote: Remote, part: Part) -> None:
        try:
            # A clean close says that it is there; its size is not asked for, as a receiver may take it away at once.
            with failpoints.around("publish.manifest"):
                await put(remote, part.manifest_name, BytesContent(part.manifest), rename=self._destination.rename)
        except Failure as error:
            _LOG.warning("publish_interrupted", source=part.source_id, part=part.number, error=str(error))
            raise

    async def _settle_now(self, part: Part) -> Part:
        async with self._pool.lend() as remote:
            manifest_size = await get_shown_size(remote, part.manifest_name, verify=self._destination.verify)
            data_size = await get_shown_size(remote, part.data_name, verify=self._destination.verify)
        finding, why = judge(part, manifest_size=manifest_size, data_size=data_size)
        moves = {
            Finding.DELIVERED: lambda: self._ledger.parts.finish_publishing(part),
            Finding.NOT_PUBLISHED: lambda: self._ledger.parts.publish_again(part, why),
            Finding.UNKNOWN: lambda: self._ledger.parts.doubt(part, why),
        }
        await threads.see_through(moves[finding])
        _LOG.info("publishing_settled", source=part.source_id, part=part.number, finding=finding.name.lower(), why=why)
        return await self._get(part)

    async def _has_data(self, remote: Remote, part: Part) -> bool:
        if self._destination.verify is Verify.NEVER:
            return True
        found = await get_shown_size(remote, part.data_name, verify=self._destination.verify)
        return found == part.size or (found is None and self._destination.verify is Verify.BEST_EFFORT)

    async def _get(self, part: Part) -> Part:
        return await asyncio.to_thread(self._ledger.parts.get, part.source_id, part.number)


def _require_known(outcome: Exception | None) -> Failure | None:
    """Return why a part may not leave; raise what is no failure of ours: a defect."""
    if outcome is not None and not isinstance(outcome, Failure):
        raise outcome
    return outcome


async def finish_even_when_cancelled(
    task: asyncio.Task[T], *, grace_seconds: float, hurry: asyncio.Event, stop: asyncio.Event | None = None
) -> T:
    """Return what ``task`` returns; when we are cancelled meanwhile, give it ``grace_seconds`` to end first.

    A manifest on its way is better seen through than left for a restart to wonder about; ``hurry`` ends the grace.
    ``stop`` is set when it begins.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        # Not a second cancellation: a TaskGroup that is already ending passes none on to its tasks.
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait([task, hurried], timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Failure):
                await task
        elif not task.cancelled():
            task.exception()
        raise
