"""Inspects a claimed file before a byte of it leaves: the scan and DuckDB read it side by side and must agree."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config.model import Feed, FeedType
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.report import Finding, Refused, refuse
from sftp_orchestrator.prepare.scan import Scan, Stopped, read_header, scan
from sftp_orchestrator.prepare.table import TableFacts, read_table

TIME_PROPERTY = "ts"
"""The property that says when an event happened, in epoch seconds (CleverTap, *Imports via SFTP*)."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is known of a file that breaks no rule."""

    scan: Scan
    earliest_ts: int | None
    """epoch seconds of the earliest event, where the file has such a column"""

    @property
    def header(self) -> Header:
        """The first record."""
        return self.scan.header

    @property
    def records(self) -> int:
        """Rows, without the header."""
        return self.scan.records

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return self.scan.sha256

    @property
    def fingerprint(self) -> Fingerprint:
        """What the file was when it was read."""
        return self.scan.fingerprint


def inspect(
    path: Path,
    feed: Feed,
    *,
    spill_directory: Path,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> Inspection:
    """Read ``path`` whole, twice at the same time; may be repeated. Blocking.

    Raises:
        Refused: it breaks rules; all that were found are in it.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read, or the disk for spilling is full.
        Stopped: ``cancelled`` said so.
    """
    header = read_header(path)
    _require_columns(header, feed)
    stop = threading.Event()
    time_column = _find_time_column(header, feed)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool:
        table = pool.submit(
            read_table, path, header, time_column=time_column, spill_directory=spill_directory, stop=stop
        )
        try:
            scanned = scan(path, cancelled=cancelled, progress=progress)
        except BaseException:
            stop.set()
            raise
        facts = _wait(table.result, cancelled, stop)
    _require_agreement(scanned, facts)
    return Inspection(scan=scanned, earliest_ts=facts.earliest_ts)


def _wait(result: Callable[[float], TableFacts], cancelled: Callable[[], bool], stop: threading.Event) -> TableFacts:
    while True:
        try:
            return result(0.2)
        except TimeoutError:
            if cancelled():
                stop.set()
                raise Stopped from None


def _require_columns(header: Header, feed: Feed) -> None:
    """Every mapped column must be there: a manifest that names others is invalid, and met with silence."""
    missing = [name for name in feed.columns if name not in header.names]
    if missing:
        findings = [
            Finding(rule="header.missing_column", message=f"the column '{name}' of the feed is missing", line=1)
            for name in missing
        ]
        raise Refused(findings, hint=f"the header has: {', '.join(header.names[:20])}")


def _find_time_column(header: Header, feed: Feed) -> int | None:
    """Return the position of the column that is imported as ``ts``; None where no column is, or for profiles."""
    if feed.type is not FeedType.EVENT:
        return None
    for position, name in enumerate(header.names):
        column = feed.columns.get(name)
        if (column.ct_name or name if column else name) == TIME_PROPERTY:
            return position
    return None


def _require_agreement(scanned: Scan, facts: TableFacts) -> None:
    if facts.rejected:
        findings = [Finding(rule="row.ragged", message=row.message, line=row.line) for row in facts.rejected]
        # DuckDB keeps a limited number of rejects; all that it did not read are told by the difference.
        raise Refused(
            findings,
            total=max(facts.rejected_count, scanned.records - facts.records),
            hint="every row must have as many fields as the header",
        )
    if facts.records != scanned.records:
        raise refuse(
            "reader.disagree",
            f"two readers count different rows: {scanned.records} by quotes, {facts.records} by fields",
            hint="look for quotes that are not RFC 4180",
        )
