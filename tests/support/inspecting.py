"""Inspections in a process of their own, whose memory can be told; see ``benchmarks.measuring``."""

from __future__ import annotations

import datetime
from pathlib import Path

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.report import Refused
from tests.support.configuration import FEEDS

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def count_refused(path: str, rule: str) -> dict[str, int]:
    """Inspect a file of purchases; return how many rows it is refused for, by a rule."""
    try:
        inspect(Path(path), Feed.model_validate(FEEDS["purchases"]), now=NOW, outlet=Path(path).parent)
    except Refused as refused:
        return {"rows": sum(tally.rows for tally in refused.tallies if tally.rule == rule)}
    return {"rows": 0}
