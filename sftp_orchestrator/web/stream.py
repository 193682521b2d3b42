"""Server-sent events: the live parts of a page, each sent anew when it is another one than before."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

Render = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns each live part as HTML, by its name."""

PAUSE_SECONDS = 1.0
"""Between two looks: a bar that moves once a second is alive."""
QUIET_SECONDS = 15.0
"""Without news for so long a line without meaning is sent, so that no proxy takes the connection for dead."""
MOST_STREAMS = 40
"""Browsers that watch at the same time; whoever comes later sees the page, and loads it again by hand."""
LONGEST_SECONDS = 300.0
"""Then a stream ends and the browser asks anew, so that who logged out, or whose session is over, is told no more."""
_RETRY = "retry: 2000\n\n"
_RETRY_AT_ONCE = "retry: 100\n\n"
_QUIET = ": nothing new\n\n"
_HEADERS = {"X-Accel-Buffering": "no"}  # nginx would keep events back until there are many


class Streams:
    """Every open stream of the page, so many at the most."""

    def __init__(
        self,
        *,
        most: int = MOST_STREAMS,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._open = 0

    def answer(self, render: Render) -> Response:
        """Return a stream of what ``render`` returns, which is to be sent; 503 where too many are open."""
        if self._open >= self._most:
            return PlainTextResponse("too many watch at the same time\n", status_code=503)
        self._open += 1
        return _Stream(self._tell(render), self._leave)

    def _leave(self) -> None:
        self._open -= 1

    async def _tell(self, render: Render) -> AsyncIterator[str]:
        yield _RETRY
        end = self._clock() + LONGEST_SECONDS
        shown: dict[str, str] = {}
        quiet = 0.0
        while True:
            found = await render()
            if self._clock() >= end:
                yield _RETRY_AT_ONCE
                return
            news = {name: html for name, html in found.items() if shown.get(name) != html}
            quiet = 0.0 if news else quiet + self._pause_seconds
            if news or quiet >= QUIET_SECONDS:
                yield "".join(format_event(name, html) for name, html in news.items()) or _QUIET
                quiet = 0.0
            shown.update(news)
            await asyncio.sleep(self._pause_seconds)


class _Stream(StreamingResponse):
    """Calls ``leave`` when it ends, also for a client that left before the first byte."""

    def __init__(self, told: AsyncIterator[str], leave: Callable[[], None]) -> None:
        super().__init__(told, media_type="text/event-stream", headers=_HEADERS)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def format_event(name: str, data: str) -> str:
    """Return one event as the stream has it (HTML, *Server-sent events*): a line is a line of its data. Pure."""
    # Without any line of data a browser would drop the event.
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
