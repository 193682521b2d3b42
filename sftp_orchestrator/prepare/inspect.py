"""Inspects a claimed file before a byte of it leaves: the scan and DuckDB read it side by side and must agree."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator.config.model import BadRows, Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.prepare import rejecting
from sftp_orchestrator.prepare.columns import find_time, list_columns
from sftp_orchestrator.prepare.examine import Count, Examination
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.header_checks import check_header
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.report import SHOWN, Finding, Refused, Tally, refuse, tally
from sftp_orchestrator.prepare.row_checks import Check, Hint, list_checks
from sftp_orchestrator.prepare.scan import Scan, Stopped, read_header, scan
from sftp_orchestrator.prepare.table import Table, TableFacts, open_table

GOOD_ROWS_NAME = "good_rows.csv"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is known of a file, or of what is left of it without the rows that were refused."""

    path: Path
    """what is to be sent: the file as it came, or a new one that holds its good rows"""
    scan: Scan
    """of what is to be sent"""
    original: Scan
    """of the file as it came"""
    earliest_ts: int | None
    """epoch seconds of the earliest event, where the file has such a column"""
    tallies: tuple[Tally, ...]
    """warnings, and the errors of refused rows"""

    @property
    def header(self) -> Header:
        """The first record."""
        return self.scan.header

    @property
    def records(self) -> int:
        """Rows to be sent, without the header."""
        return self.scan.records

    @property
    def refused_rows(self) -> int:
        """Rows that are not sent."""
        return self.original.records - self.scan.records

    @property
    def is_rewritten(self) -> bool:
        """Whether what is sent is a file of ours."""
        return self.scan is not self.original

    @property
    def sha256(self) -> str:
        """Of the whole file as it came."""
        return self.original.sha256

    @property
    def fingerprint(self) -> Fingerprint:
        """What the file was when it was read."""
        return self.original.fingerprint


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How to read: who says when to stop, who is told how far it is."""

    cancelled: Callable[[], bool]
    progress: Callable[[int], None]
    stop: threading.Event
    pool: ThreadPoolExecutor

    def wait_for(self, work: Callable[[], T]) -> T:
        """Do ``work`` in the pool; told to stop, have DuckDB interrupted and raise ``Stopped``."""
        future = self.pool.submit(work)
        while True:
            try:
                return future.result(0.2)
            except TimeoutError:
                if future.done():
                    raise
                if self.cancelled():
                    self.stop.set()
                    raise Stopped from None


def inspect(
    path: Path,
    feed: Feed,
    *,
    now: datetime.datetime,
    outlet: Path,
    spill_directory: Path,
    retention_days: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> Inspection:
    """Read ``path`` whole, twice at the same time; may be repeated. Blocking.

    Where rows are refused they are written to ``failed_rows.csv`` in the folder ``outlet``, and where the feed lets the
    others go, these to ``good_rows.csv``.

    Raises:
        Refused: it breaks rules; what was found is in it.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read, or a disk is full.
        Stopped: ``cancelled`` said so.
    """
    header = read_header(path)
    _require_columns(header, feed)
    columns = list_columns(header.names, feed)
    notes = check_header(columns, feed)
    if any(note.severity is Severity.ERROR for note in notes):
        raise Refused(tally(notes), hint="see feeds.*.columns, and docs/reference/rules.md")
    time = find_time(columns, feed)
    time_column = time.position if time else None
    checks = list_checks(columns, feed, now=now, retention_days=retention_days)
    stop = threading.Event()
    with (
        open_table(path, header, spill_directory=spill_directory, stop=stop) as table,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool,
    ):
        reading = _Reading(cancelled=cancelled, progress=progress, stop=stop, pool=pool)
        first = [check for check in checks if check.hint is None]
        scanned, facts = _read_both(path, table, reading, time_column, first)
        if not _must_examine(checks, scanned, facts):
            return Inspection(
                path=path, scan=scanned, original=scanned, earliest_ts=facts.earliest_ts, tallies=tuple(tally(notes))
            )
        examination = reading.wait_for(lambda: table.examine(checks))
        counts, refused = examination.count(), examination.count_refused()
        tallies = (*tally(notes), *_tally_rows(path, scanned, counts))
        if not refused:
            return Inspection(path=path, scan=scanned, original=scanned, earliest_ts=facts.earliest_ts, tallies=tallies)
        good = None if _is_too_bad(refused, scanned, feed) else outlet / GOOD_ROWS_NAME
        _reject(path, scanned, examination, refused, outlet=outlet, good=good)
        if good is None:
            raise Refused(tallies, refused_rows=refused, hint=_explain_policy(feed))
    return _inspect_good(
        good,
        scanned,
        refused,
        tallies,
        time_column=time_column,
        spill_directory=spill_directory,
        cancelled=cancelled,
    )


def _inspect_good(
    good: Path,
    original: Scan,
    refused: int,
    tallies: Sequence[Tally],
    *,
    time_column: int | None,
    spill_directory: Path,
    cancelled: Callable[[], bool],
) -> Inspection:
    """Read the good rows once more, as strictly, and make sure that no row is missing or sent twice."""
    stop = threading.Event()
    header = read_header(good)
    with (
        open_table(good, header, spill_directory=spill_directory, stop=stop) as table,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool,
    ):
        reading = _Reading(cancelled=cancelled, progress=lambda _: None, stop=stop, pool=pool)
        scanned, facts = _read_both(good, table, reading, time_column, ())
    if scanned.records + refused != original.records:
        raise LocalFault(
            "inspect",
            good.name,
            f"{original.records} rows came, {scanned.records} are to be sent and {refused} refused: a defect of ours",
        )
    return Inspection(path=good, scan=scanned, original=original, earliest_ts=facts.earliest_ts, tallies=tuple(tallies))


def _read_both(
    path: Path, table: Table, reading: _Reading, time_column: int | None, checks: Sequence[Check]
) -> tuple[Scan, TableFacts]:
    screens = [check.screen for check in checks]
    read = reading.pool.submit(table.read, time_column=time_column, screens=screens)
    try:
        scanned = scan(path, cancelled=reading.cancelled, progress=reading.progress)
    except BaseException:
        reading.stop.set()
        raise
    facts = reading.wait_for(read.result)
    _require_agreement(scanned, facts)
    return scanned, facts


def _must_examine(checks: Sequence[Check], scanned: Scan, facts: TableFacts) -> bool:
    hints = {check.hint for check in checks}
    return (
        facts.stopped > 0
        or (Hint.LONG_RECORD in hints and scanned.longest_record > clevertap.MAX_VALUE_CHARACTERS)
        or (Hint.EPOCH_TEXT in hints and scanned.has_epoch_text)
    )


def _is_too_bad(refused: int, scanned: Scan, feed: Feed) -> bool:
    return (
        feed.on_bad_rows is BadRows.QUARANTINE
        or refused > feed.max_bad_rows * scanned.records
        or refused == scanned.records
    )


def _explain_policy(feed: Feed) -> str:
    if feed.on_bad_rows is BadRows.QUARANTINE:
        return "on_bad_rows is quarantine: no row of it is sent; failed_rows.csv has the refused ones"
    return f"more than max_bad_rows ({feed.max_bad_rows:.2%}) are refused: no row of it is sent; see failed_rows.csv"


def _reject(
    path: Path, scanned: Scan, examination: Examination, refused: int, *, outlet: Path, good: Path | None
) -> None:
    failed = outlet / rejecting.FAILED_ROWS_NAME
    count = rejecting.reject(path, scanned, examination.list_refused(), failed=failed, good=good)
    if count != refused:
        raise LocalFault("refuse rows of", path.name, f"{refused} were counted and {count} written: a defect of ours")


def _tally_rows(path: Path, scanned: Scan, counts: Sequence[Count]) -> list[Tally]:
    """Return the row rules that are broken, with physical lines; checks of one rule are one tally."""
    numbers = sorted({number for count in counts for number in count.first})
    offsets = dict(zip(numbers, rejecting.list_offsets(path, scanned, numbers), strict=True))
    lines = count_lines(path, list(offsets.values()))
    tallies = []
    for rule in dict.fromkeys(count.check.rule.id for count in counts):
        group = [count for count in counts if count.check.rule.id == rule]
        places = sorted((number, count.check.describe()) for count in group for number in count.first)
        severity = group[0].check.severity
        findings = tuple(
            Finding(rule=rule, message=message, line=lines[offsets[number]], severity=severity)
            for number, message in places[:SHOWN]
        )
        tallies.append(Tally(rule=rule, severity=severity, rows=sum(count.rows for count in group), first=findings))
    return tallies


def _require_columns(header: Header, feed: Feed) -> None:
    """Every mapped column must be there: a manifest that names others is invalid, and met with silence."""
    missing = [name for name in feed.columns if name not in header.names]
    if missing:
        findings = [
            Finding(rule="header.missing_column", message=f"the column '{name}' of the feed is missing", line=1)
            for name in missing
        ]
        raise Refused(tally(findings), hint=f"the header has: {', '.join(header.names[:20])}")


def _require_agreement(scanned: Scan, facts: TableFacts) -> None:
    if facts.rejected:
        findings = [Finding(rule="row.ragged", message=row.message, line=row.line) for row in facts.rejected]
        # DuckDB keeps a limited number of rejects; all that it did not read are told by the difference.
        total = max(facts.rejected_count, scanned.records - facts.records)
        raise Refused(tally(findings, total=total), hint="every row must have as many fields as the header")
    if facts.records != scanned.records:
        raise refuse(
            "reader.disagree",
            f"two readers count different rows: {scanned.records} by quotes, {facts.records} by fields",
            hint="look for quotes that are not RFC 4180",
        )
