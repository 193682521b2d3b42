"""A line between client and server that can be cut, or fall silent, after so many bytes."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65536


class Relay:
    """Passes every byte on to ``target_port``; cuts one line off when ``limit_bytes`` came from the clients."""

    def __init__(self, target_port: int, *, limit_bytes: int | None = None) -> None:
        self._target_port = target_port
        self.limit_bytes = limit_bytes
        """after more than this from the client it strikes, once; may be set at any time"""
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()
        self.passed_bytes = 0
        self.struck = asyncio.Event()
        """set when the limit is reached"""

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        await self._server.wait_closed()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._pass_both_ways(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

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
                        break
                    there_writer.write(chunk)
                    await there_writer.drain()
                answers.cancel()
        except* OSError:
            pass  # a side hung up: so does the other, below
        finally:
            for side in (writer, there_writer):
                side.transport.abort()
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


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    writer.transport.abort()
