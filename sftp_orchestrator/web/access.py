"""Who may use the page: the token, the session it opens, the names the page goes by, and the mark of our own forms."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from sftp_orchestrator.config.credentials import require_token
from sftp_orchestrator.config.web import Web, is_loopback

COOKIE = "sftp_orchestrator_session"
SESSION_SECONDS = 12 * 3600
"""As long as a shift; whoever looks longer logs in again."""
LONGEST_NAME = 40
_BEARER = "bearer"
_NOBODY = ""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks, as far as they were let in."""

    name: str = _NOBODY
    """as they gave it, or their proxy did; a note for the history, not a proof"""
    session: str = _NOBODY
    """the cookie they came with"""
    is_script: bool = False
    """they sent the token itself, which no other site can have a browser do"""

    @property
    def signature(self) -> str:
        """How the history names them."""
        return f"{self.name} (page)" if self.name else "page"


class Access:
    """Decides by headers alone, and keeps no list of sessions: a restart logs nobody out, another token everybody."""

    def __init__(
        self,
        *,
        token: str | None = None,
        hosts: tuple[str, ...] = (),
        behind_proxy: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = token
        self._hosts = frozenset({*hosts, socket.gethostname().lower()})
        self._behind_proxy = behind_proxy
        self._clock = clock
        self._session_key = hashlib.sha256(f"session of {token}".encode()).digest()
        self._form_key = secrets.token_bytes(32)

    @classmethod
    def of(cls, web: Web) -> Self:
        """Return the access that the configuration describes, its token read. Raises ``ConfigurationError``."""
        token = require_token(web.token.read(), web.token) if web.token is not None else None
        return cls(token=token, hosts=web.hosts, behind_proxy=web.behind_proxy)

    @property
    def needs_login(self) -> bool:
        """Whether there is a token to be shown."""
        return self._token is not None

    def is_token(self, given: str) -> bool:
        """Return whether ``given`` is the token; how long that takes tells nothing of it."""
        known = (self._token or "").encode()
        return self._token is not None and hmac.compare_digest(_digest(given.encode()), _digest(known))

    def recognize(self, headers: Mapping[str, str], cookie: str | None) -> Visitor | None:
        """Return who comes with these headers (names in lower case) and this cookie; None where they must log in."""
        if not self.needs_login:
            return Visitor(name=_tidy(headers.get("x-forwarded-user", "")) if self._behind_proxy else _NOBODY)
        given = get_bearer(headers)
        if given is not None:
            return Visitor(is_script=True) if self.is_token(given) else None
        return self._read_session(cookie or "")

    def open_session(self, name: str) -> str:
        """Return the cookie of somebody who showed the token; whoever has it is let in until it ends."""
        end = int(self._clock()) + SESSION_SECONDS
        said = f"{end}.{base64.urlsafe_b64encode(_tidy(name).encode()).decode()}"
        return f"{said}.{_sign(self._session_key, said)}"

    def _read_session(self, cookie: str) -> Visitor | None:
        said, _, signature = cookie.rpartition(".")
        end, _, name = said.partition(".")
        if not said or not hmac.compare_digest(_sign(self._session_key, said).encode(), signature.encode()):
            return None
        try:
            is_over = int(end) < self._clock()
            shown = base64.urlsafe_b64decode(name).decode()
        except (ValueError, binascii.Error):
            return None
        return None if is_over else Visitor(name=shown, session=cookie)

    def is_known_host(self, host: str) -> bool:
        """Return whether a ``Host`` header names us: by an address, or a name of ours.

        A page of another site whose name was made to lead here (DNS rebinding) comes with that name, and is not let in.
        """
        name = _get_name(host)
        return name in self._hosts or is_loopback(name) or _is_address(name)

    def is_same_origin(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request that changes something comes from a page of ours, as the browser says.

        ``Sec-Fetch-Site`` says it itself; browsers send it over TLS and to this machine. Else ``Origin`` must name the
        host that was asked, or one of ``web.hosts``, where a proxy asks by another name.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = urlsplit(headers.get("origin", "")).netloc.lower()
        return bool(origin) and (origin == headers.get("host", "").lower() or _get_name(origin) in self._hosts)

    def mark_form(self, visitor: Visitor) -> str:
        """Return what a form of ours carries: no other site can read it, and a restart makes it void."""
        return _sign(self._form_key, f"form of {visitor.session}")

    def is_own_form(self, visitor: Visitor, mark: str) -> bool:
        """Return whether a form was ours, and shown to this very visitor."""
        return hmac.compare_digest(self.mark_form(visitor).encode(), mark.encode())


def get_bearer(headers: Mapping[str, str]) -> str | None:
    """Return what a script shows (RFC 6750, 2.1); None where it shows nothing of that kind. Pure."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == _BEARER else None


def _get_name(host: str) -> str:
    """Return the name of ``name:port``, in lower case, an address without its brackets. Pure."""
    name = host.lower().strip()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def _is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except OSError:
            continue
        return True
    return False


def _tidy(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable()).strip()[:LONGEST_NAME]


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _sign(key: bytes, said: str) -> str:
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()
