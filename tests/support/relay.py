"""A line between client and server that can be cut, or fall silent, after so many bytes."""

from __future__ import annotations

import asyncio
import contextlib

from tests.support.between import Between

_CHUNK_BYTES = 65536


class Relay(Between):
    """Passes every byte on to ``target_port``; cuts one line off when ``limit_bytes`` came from the clients."""

    goes_on = False
    """after it struck"""

    def __init__(self, target_port: int, *, limit_bytes: int | None = None) -> None:
        super().__init__()
        self._target_port = target_port
        self.limit_bytes = limit_bytes
        """after more than this from the client it strikes, once; may be set at any time"""
        self.passed_bytes = 0
        self.struck = asyncio.Event()
        """set when the limit is reached"""

    async def _pass_both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            async with asyncio.TaskGroup() as group:
                answers = group.create_task(_pass(there_reader, writer))
                while chunk := await reader.read(_CHUNK_BYTES):
                    self.passed_bytes += len(chunk)
                    if self.limit_bytes is not None and self.passed_bytes > self.limit_bytes:
                        self.limit_bytes = None
                        self.struck.set()
                        await self.strike()
                        if not self.goes_on:
                            break
                    there_writer.write(chunk)
                    await there_writer.drain()
                answers.cancel()
        except* OSError:
            pass  # a side hung up: so does the other, below
        finally:
            # Both before either is waited for: whoever ends the lines may cancel us there.
            for side in (writer, there_writer):
                side.transport.abort()
            for side in (writer, there_writer):
                with contextlib.suppress(OSError):
                    await side.wait_closed()

    async def strike(self) -> None:
        """Do nothing more: both sides are cut off then."""


class SilentRelay(Relay):
    """Nothing passes any more from the client, though both connections stay up."""

    async def strike(self) -> None:
        """Wait for ever; leaving the context ends it."""
        await asyncio.Event().wait()


class HeldRelay(SilentRelay):
    """Nothing passes any more from the client until ``released`` is set; then the line is cut."""

    def __init__(self, target_port: int, *, limit_bytes: int | None = None) -> None:
        super().__init__(target_port, limit_bytes=limit_bytes)
        self.released = asyncio.Event()

    async def strike(self) -> None:
        """Wait until somebody lets go."""
        await self.released.wait()


class PausedRelay(HeldRelay):
    """Nothing passes any more from the client until ``released`` is set; then everything does."""

    goes_on = True


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    writer.transport.abort()
