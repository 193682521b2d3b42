"""Writes one remote file: many writes in flight on one handle at rising offsets, watched for silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine

import asyncssh

from sftp_orchestrator.deliver.reading import Blocks
from sftp_orchestrator.deliver.remote import Progress
from sftp_orchestrator.deliver.throttle import Throttle

SAFE_WRITE_BYTES = 32 * 1024
"""What every server must take where it names no limit (draft-ietf-secsh-filexfer-02, section 3)."""
IN_FLIGHT_BYTES = 4 * 1024 * 1024
"""Twice the 2 MiB window that OpenSSH gives a channel: more would only wait in our memory."""
FEWEST_IN_FLIGHT = 16
MOST_IN_FLIGHT = 64
"""What OpenSSH's own client keeps open; servers are used to it."""


class Writing:
    """Sends what a reader gives to an open remote file. Used once.

    It begins with small writes: on a line of 1 KB/s a large one would not be acknowledged within the deadline, and the
    line would pass for dead. There are more of them under way at first: on a line with a long way the window is full
    within the first round trip all the same.
    """

    def __init__(
        self,
        file: asyncssh.SFTPClientFile,
        *,
        write_bytes: int,
        silence_seconds: float,
        progress: Progress | None,
        throttle: Throttle | None = None,
    ) -> None:
        self._file = file
        self._most_bytes = write_bytes
        self._write_bytes = min(write_bytes, SAFE_WRITE_BYTES)
        self._silence_seconds = silence_seconds
        self._progress = progress
        self._throttle = throttle
        self._in_flight: deque[asyncio.Task[None]] = deque()
        self._deadline: asyncio.Timeout | None = None
        self._sent = 0
        self._heard_at = 0.0
        """when a write was last answered, or begun while nothing was in flight"""
        self.acknowledged_bytes = 0
        """bytes that the receiver said it wrote"""

    async def send(self, reader: Blocks, close: Callable[[], Coroutine[None, None, None]]) -> None:
        """Write everything and ``close``; return when every byte and the close are acknowledged.

        The close follows the last write at once: of requests for one file each is answered by what those before it did
        (draft-ietf-secsh-filexfer-02, section 6.1), so waiting in between would only cost a round trip. A write that
        failed is what is raised, whatever the close said. Whatever happens, nothing is under way afterwards.

        Raises:
            TimeoutError: nothing was acknowledged for ``silence_seconds``.
            asyncssh.Error: as the server or the connection says.
            Failure: as the reader says.
        """
        try:
            while block := await reader.next_block():
                view = memoryview(block)
                while view:
                    while len(self._in_flight) >= get_most_in_flight(self._write_bytes):
                        await self._await_oldest()
                    size = self._write_bytes
                    if self._throttle is not None:
                        size = await self._take_turn(self._throttle, min(size, len(view)))
                    data, view = view[:size], view[size:]
                    self._begin(data)
            closing = asyncio.create_task(close())
            try:
                while self._in_flight:
                    await self._await_oldest()
                async with asyncio.timeout(self._silence_seconds):
                    await closing
            finally:
                closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
        finally:
            for task in self._in_flight:
                task.cancel()
            await asyncio.gather(*self._in_flight, return_exceptions=True)

    async def _take_turn(self, throttle: Throttle, most: int) -> int:
        """Wait until bytes may be sent, and return how many.

        What is in flight meanwhile is looked after as elsewhere: a failed write ends it, and so does silence. Waiting
        for the turn itself is no silence.
        """
        size = await throttle.take(most)
        while self._in_flight and self._in_flight[0].done():
            await self._await_oldest()
        now = asyncio.get_running_loop().time()
        if not self._in_flight:
            self._heard_at = now
        elif now - self._heard_at > self._silence_seconds:
            raise TimeoutError
        return size

    def _begin(self, data: memoryview) -> None:
        # Tasks begin in the order of their creation, and each sends its request before it first waits: offsets rise.
        self._in_flight.append(asyncio.create_task(self._write(data, self._sent)))
        self._sent += len(data)

    async def _write(self, data: memoryview, offset: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._file.write(data, offset)  # type: ignore[type-var] # any buffer will do for a binary file
        self.acknowledged_bytes += len(data)
        self._heard_at = loop.time()
        if may_grow(len(data), loop.time() - began, self._most_bytes, silence_seconds=self._silence_seconds):
            self._write_bytes = self._most_bytes
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(loop.time() + self._silence_seconds)
        if self._progress is not None:
            self._progress(len(data))

    async def _await_oldest(self) -> None:
        try:
            async with asyncio.timeout(self._silence_seconds) as self._deadline:
                await self._in_flight[0]
        finally:
            self._deadline = None
        self._in_flight.popleft()


def get_most_in_flight(write_bytes: int) -> int:
    """Return how many writes of a size are under way at once. Pure."""
    return min(max(IN_FLIGHT_BYTES // write_bytes, FEWEST_IN_FLIGHT), MOST_IN_FLIGHT)


def may_grow(size: int, seconds: float, most_bytes: int, *, silence_seconds: float) -> bool:
    """Return whether a write of ``most_bytes`` can be answered in time where one of ``size`` took ``seconds``. Pure.

    Only within half of ``silence_seconds``: the line may become slower.
    """
    return seconds * most_bytes / size <= silence_seconds / 2
