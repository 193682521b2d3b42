"""Asks the running daemon, by its page, whether it makes progress: what a container's health check wants to know."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from sftp_orchestrator.errors import ConfigurationError, LocalFault

ANSWER_SECONDS = 5.0
"""A daemon whose event loop hangs answers nobody."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - asked, not listened on


def ask_health(listen: str | None) -> str:
    """Return what the daemon says of its health; blocking. ``listen`` is the configuration's ``web.listen``.

    Raises:
        ConfigurationError: there is no page to be asked.
        LocalFault: no daemon answers, or it is stuck.
    """
    if listen is None:
        raise ConfigurationError(
            "ask", "web.listen", "it is null: there is nobody to ask", hint="set it, such as to 127.0.0.1:8765"
        )
    try:
        with open_page(listen, "/healthz", {}, ANSWER_SECONDS) as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read().decode(errors="replace").strip()
        raise LocalFault("ask", f"the daemon at {listen}", said or f"it answers with {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        # urllib wraps what the socket said.
        cause = getattr(error, "reason", None) or error
        said = getattr(cause, "strerror", None) or str(cause)
        hint = "does it run? before recovery is through nobody answers"
        raise LocalFault("ask", f"the daemon at {listen}", said, hint=hint) from error


def open_page(listen: str, path: str, headers: Mapping[str, str], seconds: float) -> Any:  # noqa: ANN401 - as urllib has it
    """Return the answer to a GET of ``path``, to be closed; it has so many ``seconds``. May be repeated.

    Raises ``OSError`` or ``HTTPException`` where nobody answers, or with an error.
    """
    # No proxy of the environment stands between us and this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"http://{_find(listen)}{path}"
    return opener.open(urllib.request.Request(address, headers=dict(headers)), timeout=seconds)


def get_url(listen: str, port: int | None = None) -> str:
    """Return the page's address on this machine; with ``port`` where any was asked for, and this was given. Pure."""
    return f"http://{_find(listen, port)}/"


def _find(listen: str, port: int | None = None) -> str:
    host, _, asked = listen.rpartition(":")
    return f"{_EVERYWHERE.get(host, host)}:{port or asked}"
