"""The daemon's page on a real socket, and a plain HTTP client for it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

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

    @property
    def origin(self) -> str:
        """As a browser calls it."""
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> Reply:
        """Return the answer to a request; ``host``, ``cookie`` and others are its headers, with _ for -."""
        return await self._ask(path, method, headers, None)

    async def post(self, path: str, fields: Mapping[str, str] | bytes, **headers: str) -> Reply:
        """Return the answer to a form of the page itself, as a browser posts it unless ``headers`` say otherwise."""
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        usual = {"content_type": "application/x-www-form-urlencoded", "origin": self.origin}
        return await self._ask(path, "POST", {**usual, **headers}, body)

    async def _ask(self, path: str, method: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items() if value}
        return await asyncio.to_thread(self._wait, path, method, named, body)

    def _wait(self, path: str, method: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(status=response.status, headers=found, body=response.read().decode())

    async def read_events(self, path: str, *, until: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return what a stream told last of each event, once that is as meant; then hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            told: dict[str, str] = {}
            name, lines = "", list[str]()
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not until(told):
                    received = await reader.readline()
                    assert received, f"the stream of {path} ended"
                    line = received.decode().rstrip("\n")
                    field, _, value = line.partition(": ")
                    if field == "event":
                        name, lines = value, []
                    elif field == "data":
                        lines.append(value)
                    elif not line and name:
                        told[name], name = "\n".join(lines), ""
            return told
        finally:
            writer.close()
            await writer.wait_closed()


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
