"""The daemon's page on a real socket, and a plain HTTP client for it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.applications import Starlette

from sftp_orchestrator.web.server import open_socket, serve_page

DEADLINE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the page answered."""

    status: int
    headers: dict[str, str]
    """names in lower case"""
    body: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that is being served."""

    port: int

    async def get(self, path: str, *, method: str = "GET") -> Reply:
        """Return the answer to a request."""
        return await asyncio.to_thread(self._get, path, method)

    def _get(self, path: str, method: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(status=response.status, headers=headers, body=response.read().decode())


@contextlib.asynccontextmanager
async def serve(app: Starlette) -> AsyncIterator[Page]:
    """Serve ``app`` as the daemon does, on a free port, for the time of the context."""
    door = open_socket("127.0.0.1:0")
    task = asyncio.create_task(serve_page(app, door))
    try:
        yield Page(port=door.getsockname()[1])
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
