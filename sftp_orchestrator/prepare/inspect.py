"""Inspects a claimed file before a byte of it leaves: the scan looks at every row, DuckDB at those that it stops."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config.model import BadRows, Feed
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.prepare import rejecting
from sftp_orchestrator.prepare.columns import find_time, list_columns
from sftp_orchestrator.prepare.examine import Count, Examination
from sftp_orchestrator.prepare.file_checks import list_file_checks
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.header_checks import check_header
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.reading import Watch, open_reading
from sftp_orchestrator.prepare.report import SHOWN, Finding, Refused, Tally, tally
from sftp_orchestrator.prepare.returned import is_returned, leave_out_description
from sftp_orchestrator.prepare.row_checks import list_checks
from sftp_orchestrator.prepare.scan import Scan, read_header

GOOD_ROWS_NAME = "good_rows.csv"
STRIPPED_NAME = "returned_rows.csv"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is known of a file, or of what is left of it without the rows that were refused."""

    path: Path
    """what is to be sent: the file as it came, or a new one that holds its good rows"""
    scan: Scan
    """of what is to be sent"""
    original: Scan
    """of the file as it came"""
    tallies: tuple[Tally, ...]
    """warnings, and the errors of refused rows"""

    @property
    def header(self) -> Header:
        """The first record."""
        return self.scan.header

    @property
    def earliest_ts(self) -> int | None:
        """Epoch seconds of the earliest event to be sent, where the file has such a column."""
        return self.scan.earliest_ts

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
class _Job:
    """What one inspection is asked for; see ``inspect``."""

    path: Path
    feed: Feed
    now: datetime.datetime
    outlet: Path
    spill_directory: Path
    retention_days: int | None
    watch: Watch

    @property
    def good_rows(self) -> Path:
        """Where the good rows go, where not all are good."""
        return self.outlet / GOOD_ROWS_NAME


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
    """Read ``path`` whole; may be repeated. Blocking.

    Where rows are refused they are written to ``failed_rows.csv`` in the folder ``outlet``, and where the feed lets the
    others go, these to ``good_rows.csv``.

    Raises:
        Refused: it breaks rules; what was found is in it.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read, or a disk is full.
        Stopped: ``cancelled`` said so.
    """
    job = _Job(
        path=path,
        feed=feed,
        now=now,
        outlet=outlet,
        spill_directory=spill_directory,
        retention_days=retention_days,
        watch=Watch(cancelled=cancelled, progress=progress),
    )
    return _inspect_returned(job) if is_returned(read_header(path), feed) else _inspect(job)


def _inspect(job: _Job) -> Inspection:
    header = read_header(job.path)
    _require_columns(header, job.feed)
    columns = list_columns(header.names, job.feed)
    notes = check_header(columns, job.feed)
    _require_no_error(notes)
    time = find_time(columns, job.feed)
    time_column = time.position if time else None
    checks = list_checks(columns, job.feed, now=job.now, retention_days=job.retention_days)
    file_checks = list_file_checks(columns, job.feed, checks)
    with open_reading(job.path, spill_directory=job.spill_directory, watch=job.watch) as reading:
        scanned = reading.read(time_column=time_column, checks=checks, file_checks=file_checks)
        notes += [finding for check in file_checks for finding in check.conclude()]
        tallies = tally(notes)
        _require_no_error(notes)
        if not scanned.stopped:
            return _pass(job, scanned, tallies)
        examination = reading.examine(checks)
        tallies += _tally_rows(job.path, scanned, examination.count())
        refused = examination.count_refused()
        if not refused:
            return _pass(job, scanned, tallies)
        _reject(job, scanned, examination, refused, tallies)
    return _inspect_good(job, scanned, refused, tallies, time_column=time_column)


def _require_no_error(notes: Sequence[Finding]) -> None:
    """Raise where a rule for the file as a whole is broken."""
    if any(note.severity is Severity.ERROR for note in notes):
        raise Refused(tally(notes), hint="see feeds.*.columns, and docs/reference/rules.md")


def _pass(job: _Job, scanned: Scan, tallies: Sequence[Tally]) -> Inspection:
    """Return the inspection of a file that is sent as it came."""
    return Inspection(path=job.path, scan=scanned, original=scanned, tallies=tuple(tallies))


def _inspect_returned(job: _Job) -> Inspection:
    """Inspect a file of refused rows that comes back, as if it had never had its last column."""
    stripped = job.outlet / STRIPPED_NAME
    with open_reading(job.path, spill_directory=job.spill_directory, watch=job.watch) as reading:
        original = reading.read(time_column=None)
        leave_out_description(reading, stripped)
    found = _inspect(dataclasses.replace(job, path=stripped))
    if found.original.records != original.records:
        raise LocalFault(
            "inspect", stripped.name, f"{original.records} rows came, {found.original.records} were written"
        )
    if found.is_rewritten:
        stripped.unlink()
    else:
        stripped.replace(job.good_rows)
    return dataclasses.replace(found, path=job.good_rows, original=original)


def _inspect_good(
    job: _Job, original: Scan, refused: int, tallies: Sequence[Tally], *, time_column: int | None
) -> Inspection:
    """Read the good rows once more, as strictly, and make sure that no row is missing or sent twice."""
    watch = Watch(cancelled=job.watch.cancelled)
    with open_reading(job.good_rows, spill_directory=job.spill_directory, watch=watch) as reading:
        scanned = reading.read(time_column=time_column)
    if scanned.records + refused != original.records:
        raise LocalFault(
            "inspect",
            job.good_rows.name,
            f"{original.records} rows came, {scanned.records} are to be sent and {refused} refused: a defect of ours",
        )
    return Inspection(path=job.good_rows, scan=scanned, original=original, tallies=tuple(tallies))


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


def _reject(job: _Job, scanned: Scan, examination: Examination, refused: int, tallies: Sequence[Tally]) -> None:
    """Write the refused rows, and the good ones where they may go; raise ``Refused`` where none may."""
    is_too_bad = _is_too_bad(refused, scanned, job.feed)
    count = rejecting.reject(
        job.path,
        scanned,
        examination.list_refused(),
        failed=job.outlet / rejecting.FAILED_ROWS_NAME,
        good=None if is_too_bad else job.good_rows,
    )
    if count != refused:
        raise LocalFault("refuse rows of", job.path.name, f"{refused} were counted, {count} written: a defect of ours")
    if is_too_bad:
        raise Refused(tallies, refused_rows=refused, hint=_explain_policy(job.feed))


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
