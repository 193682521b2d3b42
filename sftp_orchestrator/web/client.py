"""Asks a running daemon's page how far its work is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from sftp_orchestrator.progress import Phase, Work

TIMEOUT_SECONDS = 2.0
"""A page that does not answer within it is one that cannot be asked now; whoever looks is not kept waiting."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - addresses that one listens on, but cannot ask
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The page is on this machine: no proxy leads to it."""


def fetch_work(listen: str | None) -> list[Work] | None:
    """Return what is under way, by the page at ``listen``; None where it cannot be asked. Blocking; may be repeated."""
    if listen is None or listen.endswith(":0"):
        return None
    host, _, port = listen.rpartition(":")
    address = f"http://{_EVERYWHERE.get(host, host)}:{port}/status.json"
    try:
        with _OPENER.open(address, timeout=TIMEOUT_SECONDS) as answer:
            return [_read(found) for found in json.load(answer)["work"]]
    except (OSError, ValueError, LookupError, TypeError):
        # Off, away, or another program's: the ledger tells all but the bytes.
        return None


def _read(found: Mapping[str, Any]) -> Work:
    return Work(
        label=str(found["label"]),
        phase=Phase(found["phase"]),
        done_bytes=int(found["done_bytes"]),
        total_bytes=int(found["total_bytes"]),
        # Its clock is not ours: whoever looks measures the rate himself.
        started=0.0,
        moved=0.0,
    )
