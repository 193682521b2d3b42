"""Stands before every request: who may ask, by which name, and from where; and what every answer carries."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sftp_orchestrator.web.access import COOKIE, Access, Visitor, get_bearer

PROBES = frozenset({"/healthz", "/readyz"})
"""They tell nothing of files, and whoever restarts us asks them: open to everybody who reaches the port."""
_PAGES = re.compile(r"/(?:sources/[A-Za-z0-9_-]+)?")
"""Where people come to; elsewhere programs do, which a form to log in would not help."""
_LOOKS = frozenset({"GET", "HEAD"})

HEADERS = {
    # No inline script or style, nothing from elsewhere, no frame around us, no form that leads elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: with that a browser sends "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware. What it lets pass has its visitor in ``request.state.visitor``."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not pass, and hand on what may; every answer gets ``HEADERS`` that it has not."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = None if scope["path"] in PROBES else self._judge(Request(scope), scope.setdefault("state", {}))
        await (answer or self._app)(scope, receive, send_guarded)

    def _judge(self, request: Request, state: MutableMapping[str, Any]) -> Response | None:
        """Return the refusal, None where the request may pass; its visitor is put into ``state``."""
        visitor = self._access.recognize(request.headers, request.cookies.get(COOKIE))
        state["visitor"] = visitor or Visitor()
        if visitor is not None and visitor.is_script:
            return None
        if not self._access.is_known_host(request.headers.get("host", "")):
            said = "This page does not go by that name. Where it should, add the name to web.hosts."
            return _say(HTTPStatus.MISDIRECTED_REQUEST, said)
        if request.method not in _LOOKS and not self._access.is_same_origin(request.headers):
            return _say(HTTPStatus.FORBIDDEN, "Only forms of this page may change something.")
        # As the router has it: that of the URL is put together from what the client says of the host.
        path: str = request.scope["path"]
        if visitor is not None or path == "/login" or path.startswith("/static/"):
            return None
        if request.method == "GET" and _PAGES.fullmatch(path) and get_bearer(request.headers) is None:
            place = path.removeprefix("/")
            up = "../" * place.count("/") or "./"
            return RedirectResponse(f"{up}login?next={quote(place)}", status_code=HTTPStatus.SEE_OTHER)
        refusal = _say(HTTPStatus.UNAUTHORIZED, "The token is needed: log in, or send Authorization: Bearer TOKEN.")
        refusal.headers["WWW-Authenticate"] = 'Bearer realm="SFTP orchestrator"'
        return refusal


def _say(status: HTTPStatus, said: str) -> Response:
    return PlainTextResponse(f"{said}\n", status_code=status)
