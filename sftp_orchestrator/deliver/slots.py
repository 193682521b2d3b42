"""Room for so many at the same time, and that number may change while they are at work."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Slots:
    """A context manager for each who works, in the order of asking; a semaphore of asyncio's cannot be made smaller."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: deque[asyncio.Future[None]] = deque()
        self.taken = 0
        """how many are inside; more than there is room for, for a while after it became less"""

    @property
    def size(self) -> int:
        """For how many there is room."""
        return self._size

    @property
    def has_waiting(self) -> bool:
        """Whether one more would enter if there were room."""
        return any(not turn.done() for turn in self._queue)

    def resize(self, size: int) -> None:
        """Make room for ``size`` from now on; whoever is inside already is not disturbed."""
        self._size = size
        self._serve()

    async def __aenter__(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.taken -= 1
        self._serve()

    def _serve(self) -> None:
        while self._queue and self.taken < self._size:
            turn = self._queue.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
