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


def rewrite(path: str, sort_by_time: bool) -> dict[str, int]:  # noqa: FBT001 - arguments come as JSON
    """Inspect a file of events whose column ``note`` is renamed; return how many rows are sent."""
    values = {"rename": {"note": "remark"}, "sort_by_time": sort_by_time}
    feed = Feed.model_validate({"type": "event", "files": ["*"], "columns": {}, **values})
    return {"rows": inspect(Path(path), feed, now=NOW, outlet=Path(path).parent).records}


def take_table(path: str) -> dict[str, int]:
    """Inspect a table of profiles, by the ending of its name; return how many rows are sent."""
    feed = Feed.model_validate({"type": "profile", "files": ["*"], "columns": {"user": {"ct_name": "identity"}}})
    return {"rows": inspect(Path(path), feed, now=NOW, outlet=Path(path).parent).records}
