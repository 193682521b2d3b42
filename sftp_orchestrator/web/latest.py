"""The answer to a slow question, shared by all who ask it at about the same time, and in nobody's way at the end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_SUBJECTS = 64
"""More than may be watched at the same time."""

KEEP_SECONDS = 1.0
"""How long an answer counts as new: for whoever looks, a second ago is now."""
_IDLE_TIMES = 4.0
"""After a question nothing is asked for so many times what it took: a page that is watched takes a fifth of a core."""


class Latest(Generic[T]):
    """Asks ``ask``, which blocks, in a thread of its own, one at a time however many want to know.

    The thread is none of the event loop's: a question that hangs takes none away from the daemon's own work, and
    neither the loop nor the process waits for it at the end. So ``ask`` must only read.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        *,
        keep_seconds: float = KEEP_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ask = ask
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._answer: asyncio.Future[T] | None = None
        self._stale_at = 0.0

    async def get(self) -> T:
        """Return, or raise, what ``ask`` does now, or did within the last ``keep_seconds``, longer where it is slow.

        Who gives up takes nothing from the others who wait.
        """
        if self._answer is None or (self._answer.done() and self._clock() >= self._stale_at):
            self._answer = self._begin()
        return await asyncio.shield(self._answer)

    def forget(self) -> None:
        """Have what is known count as old: something was changed. Who waits gets what was asked before."""
        self._answer = None

    def _begin(self) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        began, ask = self._clock(), self.ask

        def settle(step: Callable[[], None]) -> None:
            now = self._clock()
            self._stale_at = now + max(self._keep_seconds, _IDLE_TIMES * (now - began))
            step()

        def work() -> None:
            try:
                step = functools.partial(answer.set_result, ask())
            except Exception as error:  # noqa: BLE001 - not swallowed: raised by whoever waits for the answer
                step = functools.partial(answer.set_exception, error)
            # The loop may have ended meanwhile: then nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, step)

        threading.Thread(target=work, name="page", daemon=True).start()
        return answer


class LatestOf(Generic[T]):
    """One ``Latest`` for each subject; of those that were asked about least lately, nothing is known any more."""

    def __init__(self, *, most: int = MOST_SUBJECTS) -> None:
        self._most = most
        self._by_subject: dict[str, Latest[T]] = {}

    async def get(self, subject: str, ask: Callable[[], T]) -> T:
        """Return, or raise, what ``ask`` does, or what another look at ``subject`` got as of late."""
        latest = self._by_subject.pop(subject, None) or Latest(ask)
        # What it goes by may be newer than at the first look.
        latest.ask = ask
        self._by_subject[subject] = latest
        if len(self._by_subject) > self._most:
            del self._by_subject[next(iter(self._by_subject))]
        return await latest.get()

    def forget(self, subject: str) -> None:
        """Have what is known of ``subject`` count as old; who waits gets what was asked before."""
        self._by_subject.pop(subject, None)
