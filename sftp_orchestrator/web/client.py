"""Asks a running daemon's page how far its work is."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from sftp_orchestrator.asking import open_page
from sftp_orchestrator.config.web import Web
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.progress import Phase, Work

ANSWER_SECONDS = 2.0
"""Whoever watches is not kept waiting for the bars alone."""


def fetch_work(web: Web) -> list[Work] | None:
    """Return what the daemon has under way; None where it cannot be asked. Blocking; may be repeated.

    Its clock is not ours: whoever looks measures the rates himself.
    """
    if web.listen is None or web.listen.endswith(":0"):
        return None
    try:
        headers = {"Authorization": f"Bearer {web.token.read().decode().strip()}"} if web.token is not None else {}
        with open_page(web.listen, "/status.json", headers, ANSWER_SECONDS) as answer:
            return [_read(found) for found in json.load(answer)["work"]]
    except (ConfigurationError, OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        # Off, away, not ours to read, or another program's: the ledger tells all but the bytes.
        return None


def _read(found: Mapping[str, Any]) -> Work:
    return Work(
        label=str(found["label"]),
        phase=Phase(found["phase"]),
        done_bytes=int(found["done_bytes"]),
        total_bytes=int(found["total_bytes"]),
        started=0.0,
        moved=0.0,
    )
