"""Server-sent events: the live parts of a page, each sent anew when it is another one than before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from starlette.responses import PlainTextResponse, Response, StreamingResponse

Render = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns each live part as HTML, by its name."""

PAUSE_SECONDS = 1.0
"""Between two looks: a bar that moves once a second is alive."""
QUIET_SECONDS = 15.0
"""Without news for so long a line without meaning is sent, so that no proxy takes the connection for dead."""
MOST_STREAMS = 40
"""Browsers that watch at the same time; whoever comes later sees the page, and loads it again by hand."""
_RETRY = "retry: 2000\n\n"
_QUIET = ": nothing new\n\n"
_HEADERS = {"X-Accel-Buffering": "no"}  # nginx would keep events back until there are many


class Streams:
    """Every open stream of the page, so many at the most."""

    def __init__(self, *, most: int = MOST_STREAMS, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._most = most
        self._pause_seconds = pause_seconds
        self._open = 0

    def answer(self, render: Render) -> Response:
        """Return a stream of what ``render`` returns; 503 where too many are open."""
        if self._open >= self._most:
            return PlainTextResponse("too many watch at the same time\n", status_code=503)
        return StreamingResponse(self._tell(render), media_type="text/event-stream", headers=_HEADERS)

    async def _tell(self, render: Render) -> AsyncIterator[str]:
        self._open += 1
        try:
            yield _RETRY
            shown: dict[str, str] = {}
            quiet = 0.0
            while True:
                news = {name: html for name, html in (await render()).items() if shown.get(name) != html}
                quiet = 0.0 if news else quiet + self._pause_seconds
                if news or quiet >= QUIET_SECONDS:
                    yield "".join(format_event(name, html) for name, html in news.items()) or _QUIET
                    quiet = 0.0
                shown.update(news)
                await asyncio.sleep(self._pause_seconds)
        finally:
            self._open -= 1


def format_event(name: str, data: str) -> str:
    """Return one event as the stream has it (HTML, *Server-sent events*): a line is a line of its data. Pure."""
    # Without any line of data a browser would drop the event.
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n"
