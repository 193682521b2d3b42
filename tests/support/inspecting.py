"""Inspections in a process of their own, whose memory can be told; see ``benchmarks.measuring``."""

from __future__ import annotations

import datetime
from pathlib import Path

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.report import Refused

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def count_refused(path: str, rule: str) -> dict[str, int]:
    """Inspect a file of events; return how many rows it is refused for, by a rule."""
    feed = Feed.model_validate({"type": "event", "files": ["*"], "columns": {}})
    try:
        inspect(Path(path), feed, now=NOW, outlet=Path(path).parent)
    except Refused as refused:
        return {"rows": sum(tally.rows for tally in refused.tallies if tally.rule == rule)}
    return {"rows": 0}
