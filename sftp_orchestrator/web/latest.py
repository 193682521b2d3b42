"""The answer to a slow question, shared by all who ask it at about the same time, and in nobody's way at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from sftp_orchestrator import threads

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
        self._answer: Future[T] | None = None
        self._stale_at = 0.0
        self._is_forgotten = False

    @property
    def is_asking(self) -> bool:
        """Whether a question is under way."""
        return self._answer is not None and not self._answer.done()

    async def get(self) -> T:
        """Return, or raise, what ``ask`` does now, or did within the last ``keep_seconds``, longer where it is slow.

        Who gives up takes nothing from the others who wait.
        """
        while self._answer is None or self._is_old():
            if self.is_asking:
                await self.end()
            else:
                self._answer = threads.begin(self._make_question(), name="page")
                self._is_forgotten = False
        answer = self._answer
        await threads.has_ended(answer)
        return answer.result()

    async def end(self) -> None:
        """Wait until no question is under way."""
        if self._answer is not None:
            await threads.has_ended(self._answer)

    def forget(self) -> None:
        """Have what is known count as old: something was changed. Who waits gets what was asked before.

        Who asks next has it asked anew, once a question that is under way has ended.
        """
        self._is_forgotten = True

    def _is_old(self) -> bool:
        return self._is_forgotten or (not self.is_asking and self._clock() >= self._stale_at)

    def _make_question(self) -> Callable[[], T]:
        began, ask = self._clock(), self.ask

        def work() -> T:
            try:
                return ask()
            finally:
                now = self._clock()
                self._stale_at = now + max(self._keep_seconds, _IDLE_TIMES * (now - began))

        return work


class LatestOf(Generic[T]):
    """One ``Latest`` for each subject; of those that were asked about least lately, nothing is known any more."""

    def __init__(self, *, most: int = MOST_SUBJECTS) -> None:
        self._most = most
        self._by_subject: dict[str, Latest[T]] = {}

    async def get(self, subject: str, ask: Callable[[], T]) -> T:
        """Return, or raise, what ``ask`` does, or what another look at ``subject`` got as of late.

        Where as many questions as may be are under way, the end of one is waited for.
        """
        while subject not in self._by_subject and len(self._by_subject) >= self._most:
            await self._make_room()
        latest = self._by_subject.pop(subject, None) or Latest(ask)
        # What it goes by may be newer than at the first look.
        latest.ask = ask
        self._by_subject[subject] = latest
        return await latest.get()

    def forget(self, subject: str) -> None:
        """Have what is known of ``subject`` count as old; who waits gets what was asked before."""
        if subject in self._by_subject:
            self._by_subject[subject].forget()

    async def _make_room(self) -> None:
        """Forget the subject asked about least lately; where all are being asked about, wait until one is not."""
        idle = next((name for name, one in self._by_subject.items() if not one.is_asking), None)
        if idle is not None:
            del self._by_subject[idle]
        else:
            ends = [asyncio.ensure_future(one.end()) for one in self._by_subject.values()]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
