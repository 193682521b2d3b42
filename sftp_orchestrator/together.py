"""Many small calls of blocking work done as few: those that come while others are under way go together, in one thread.

A change of threads takes longer than a small move of the ledger, and a commit longer still: a thousand small files
need not pay for both a dozen times each.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

MOST_AT_ONCE = 64
"""None waits for more than so many others."""


class Together(Generic[A, B]):
    """Calls ``function`` with what was asked for meanwhile, in the order of asking; one call at a time.

    It returns an outcome for each, and an exception is one: that is raised to who asked for it. What it raises itself
    is raised to all.
    """

    def __init__(self, function: Callable[[Sequence[A]], Sequence[B | Exception]]) -> None:
        self._function = function
        self._waiting: deque[tuple[A, asyncio.Future[B]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def call(self, item: A) -> B:
        """Return the outcome of ``item``. Cancelled before its turn it is not done; else it is seen through first."""
        outcome: asyncio.Future[B] = asyncio.get_running_loop().create_future()
        entry = (item, outcome)
        self._waiting.append(entry)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        try:
            return await asyncio.shield(outcome)
        except asyncio.CancelledError:
            if entry in self._waiting:
                self._waiting.remove(entry)
            elif not outcome.done():
                await asyncio.wait([outcome])
            if outcome.done() and not outcome.cancelled():
                outcome.exception()  # nobody asks any more, and asyncio need not complain of that
            raise

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                try:
                    _settle(batch, await self._do([item for item, _ in batch]))
                except BaseException as error:
                    # The loop ends: nobody may wait for ever for what is not done any more.
                    _settle(batch, [error] * len(batch))
                    _settle(self._waiting, [error] * len(self._waiting))
                    raise
        finally:
            self._working = None

    async def _do(self, items: Sequence[A]) -> Sequence[B | Exception]:
        try:
            return await asyncio.to_thread(self._function, items)
        except Exception as error:  # noqa: BLE001 - raised to everyone who asked
            return [error] * len(items)


def _settle(asked: Iterable[tuple[A, asyncio.Future[B]]], found: Sequence[B | BaseException]) -> None:
    for (_, outcome), value in zip(asked, found, strict=True):
        if isinstance(value, asyncio.CancelledError):
            outcome.cancel()
        elif isinstance(value, BaseException):
            outcome.set_exception(value)
        else:
            outcome.set_result(value)
