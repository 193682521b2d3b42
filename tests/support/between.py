"""A server on loopback that stands between client and server; each line through it is a task of its own."""

from __future__ import annotations

import abc
import asyncio
from types import TracebackType
from typing import Self


class Between(abc.ABC):
    """Listens for the time of the context; leaving it ends every line."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

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

    @abc.abstractmethod
    async def _pass_both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one line to its end."""
