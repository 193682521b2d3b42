"""Inspects a claimed file before a byte of it leaves: the scan looks at every row, DuckDB at those that it stops."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator import files, space
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_time, list_columns
from sftp_orchestrator.prepare.checks.header_checks import check_header
from sftp_orchestrator.prepare.checks.row_checks import Check, CheckLists
from sftp_orchestrator.prepare.refusals import rejecting
from sftp_orchestrator.prepare.refusals.bad_rows import are_too_many, refuse_rows
from sftp_orchestrator.prepare.refusals.changed_columns import find_changed
from sftp_orchestrator.prepare.refusals.file_checks import list_file_checks
from sftp_orchestrator.prepare.refusals.returned import is_returned, leave_out_description
from sftp_orchestrator.prepare.refusals.tallying import tally_repeated, tally_rows
from sftp_orchestrator.prepare.report import NothingNew, Refused, Tally, merge, tally
from sftp_orchestrator.prepare.rewriting import make_rewriting, must_rewrite, require_columns
from sftp_orchestrator.prepare.sort.sorting import Unsorted, sort_by_time
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.tables.duplicates import FINGERPRINTS_NAME
from sftp_orchestrator.prepare.tables.examine import Examination
from sftp_orchestrator.prepare.tables.reading import Reading, open_reading
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.scan import Scan, read_header
from sftp_orchestrator.prepare.unpack.unpacking import UNPACKED_NAME, Original, Text, unpack

GOOD_ROWS_NAME = "good_rows.csv"
STRIPPED_NAME = "returned_rows.csv"
_CHECK_LISTS = CheckLists()
"""Pure, so that all who inspect may share it: a thousand small files of a feed need theirs once."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is known of a file, and of what is sent of it."""

    path: Path
    """what is to be sent: the file as it came, or a new one that holds its good rows"""
    scan: Scan
    """of what is to be sent"""
    original: Scan
    """of the file as it came, or of the text in it"""
    fingerprint: Fingerprint
    """what the file was when it was read"""
    sha256: str
    """of the whole file as it came"""
    is_rewritten: bool
    """whether what is sent is a file of ours"""
    tallies: tuple[Tally, ...]
    """warnings, and the errors of refused rows"""
    duplicate_rows: int
    """rows that are left out because they were there before"""
    is_returned: bool = False
    """whether it is a file of refused rows that comes back, and is sent without what was added to it"""

    @property
    def header(self) -> Header:
        """The first record of what is sent."""
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
        """Rows that are not sent because they break a rule."""
        return self.original.records - self.scan.records - self.duplicate_rows


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What one inspection is asked for; see ``inspect``."""

    path: Path
    feed: Feed
    now: datetime.datetime
    outlet: Path
    retention_days: int | None
    earlier: Sequence[Path]
    watch: Watch
    sha256: str | None = None
    """of the file as it came, where it is not itself what is inspected"""

    @property
    def good_rows(self) -> Path:
        """Where the good rows go, where not all are good."""
        return self.outlet / GOOD_ROWS_NAME


@dataclass(frozen=True, kw_only=True)
class _LeftOut:
    """The rows of a file that are not sent."""

    refused: int = 0
    duplicates: int = 0
    tallies: tuple[Tally, ...] = ()
    conditions: tuple[str, ...] = ()
    """in SQL, for the rows of a ``number``"""
    examination: Examination | None = None


def inspect(
    path: Path,
    feed: Feed,
    *,
    now: datetime.datetime,
    outlet: Path,
    name: str = "",
    retention_days: int | None = None,
    earlier: Sequence[Path] = (),
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Inspection:
    """Read ``path`` whole; may be repeated. Blocking.

    ``name`` is what its producer called it, and tells its format; ``earlier`` are the fingerprints of rows sent before.
    Where rows are refused they are written to ``failed_rows.csv`` in the folder ``outlet``. What is sent in place of
    the file, where that is not the file itself, is written to ``good_rows.csv``. What is made on the way is removed,
    and where it ends early all but ``failed_rows.csv``.

    Raises:
        Refused: it breaks rules; what was found is in it.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read, or a disk is full.
        Stopped: ``watch`` said so.
    """
    job = _Job(
        path=path,
        feed=feed,
        now=now,
        outlet=outlet,
        retention_days=retention_days,
        earlier=earlier,
        watch=watch,
    )
    try:
        return _unpack_and_inspect(job, name or path.name)
    except BaseException:
        for made in (UNPACKED_NAME, STRIPPED_NAME, GOOD_ROWS_NAME, FINGERPRINTS_NAME):
            (outlet / made).unlink(missing_ok=True)
        raise


def _unpack_and_inspect(job: _Job, name: str) -> Inspection:
    text = unpack(job.path, name, job.feed, outlet=job.outlet, watch=job.watch)
    if text.original is not None:
        job = dataclasses.replace(job, watch=job.watch.without_progress(), sha256=text.original.sha256)
    with text.telling_of_original():
        header = read_header(text.path, text.delimiter)
    if is_returned(header, job.feed):
        return _inspect_returned(job, text)
    return _settle(job, text, _inspect_text(job, text))


def _settle(job: _Job, text: Text, found: Inspection) -> Inspection:
    """Leave nothing behind of the text that was inspected but what is sent; tell of the file that it was made of."""
    if text.original is None:
        return found
    if found.is_rewritten:
        text.path.unlink()
    else:
        with files.as_local_fault("write", str(job.good_rows), hint="the workspace must be writable"):
            files.fsync_file(text.path)
            text.path.replace(job.good_rows)
            files.fsync_directory(job.outlet)
    return dataclasses.replace(
        found,
        path=job.good_rows,
        is_rewritten=True,
        fingerprint=text.original.fingerprint,
        sha256=text.original.sha256,
    )


def _inspect_returned(job: _Job, text: Text) -> Inspection:
    """Inspect a file of refused rows that comes back, as if it had never had its last column."""
    stripped = job.outlet / STRIPPED_NAME
    with open_reading(text.path, text.delimiter, outlet=job.outlet, watch=job.watch) as reading:
        original = reading.read()
        with space.reserve(job.outlet, original.fingerprint.size):
            leave_out_description(reading, stripped, job.feed)
    if text.original is not None:
        text.path.unlink()
    made_of = text.original or Original(fingerprint=original.fingerprint, sha256=original.sha256)
    without = Text(
        path=stripped,
        delimiter=",",
        original=made_of,
        notes=text.notes,
        decimals=text.decimals,
        places=text.places,
    )
    found = _settle(job, without, _inspect_text(dataclasses.replace(job, sha256=made_of.sha256), without))
    if found.original.records != original.records:
        raise LocalFault(
            "inspect", stripped.name, f"{original.records} rows came, {found.original.records} were written"
        )
    return dataclasses.replace(found, is_returned=True)


def _inspect_text(job: _Job, text: Text) -> Inspection:
    """Inspect text, and tell of places in the file as it came."""
    with text.telling_of_original():
        found = _inspect(job, text)
    if text.places is None:
        return found
    return dataclasses.replace(found, tallies=text.places.retell(found.tallies, text.path))


def _inspect(job: _Job, text: Text) -> Inspection:
    header = read_header(text.path, text.delimiter)
    columns = list_columns(header.names, job.feed)
    require_columns(header, columns, job.feed)
    notes = tally([*text.notes, *check_header(columns, job.feed, decimals=text.decimals)])
    _require_no_error(notes)
    time = find_time(columns, job.feed)
    time_column = time.position if time else None
    checks = _CHECK_LISTS.get(columns, job.feed, now=job.now, retention_days=job.retention_days)
    with open_reading(text.path, text.delimiter, outlet=job.outlet, watch=job.watch) as reading:
        file_checks = list_file_checks(columns, job.feed, checks)
        watching = [check.watched for check in file_checks]
        scanned = reading.read(time_column=time_column, checks=checks, watching=watching)
        notes += merge([found for check in file_checks for found in check.conclude(reading, scanned)])
        _require_no_error(notes)
        left_out = _LeftOut(tallies=tuple(notes))
        if scanned.stopped:
            left_out = _find_refused(job, reading, scanned, checks, left_out)
        if job.feed.deduplicate is not None:
            left_out = _find_repeated(job, reading, scanned, columns, left_out)
        is_written = bool(left_out.conditions) or must_rewrite(header, columns, job.feed)
        if is_written:
            with space.reserve(job.outlet, scanned.fingerprint.size):
                _write_good(job, reading, scanned, columns, left_out)
    if job.feed.sort_by_time and time_column is not None:
        unsorted = _describe_good(job, scanned, left_out) if is_written else _describe_whole(text.path, scanned)
        is_written |= sort_by_time(unsorted, time_column, job.good_rows, watch=job.watch.without_progress())
    if is_written:
        return _inspect_good(job, scanned, left_out, time_column=time_column)
    return _conclude(text.path, scanned, scanned, left_out, is_rewritten=False)


def _require_no_error(notes: Sequence[Tally]) -> None:
    """Raise where a rule for the file as a whole is broken."""
    if any(note.severity is Severity.ERROR for note in notes):
        raise Refused(notes, hint="see feeds.*.columns, and docs/reference/rules.md")


def _find_refused(job: _Job, reading: Reading, scanned: Scan, checks: Sequence[Check], found: _LeftOut) -> _LeftOut:
    """Look at the rows that a screen stopped; keep those that are refused, or raise ``Refused`` for the file."""
    examination = reading.examine(checks)
    counts, totals = reading.wait_for(examination.count), reading.wait_for(examination.count_by_rule)
    tallies = (*found.tallies, *tally_rows(reading.path, scanned, counts, totals))
    refused = reading.wait_for(examination.count_refused)
    if not refused:
        return dataclasses.replace(found, tallies=tallies)
    if are_too_many(refused, scanned.records, job.feed):
        _reject(job, reading, scanned, examination, refused, good=None)
        raise refuse_rows(
            tallies,
            refused_rows=refused,
            records=scanned.records,
            feed=job.feed,
            changed=find_changed(reading.path, scanned, counts),
        )
    return dataclasses.replace(
        found,
        refused=refused,
        tallies=tallies,
        conditions=(*found.conditions, examination.condition),
        examination=examination,
    )


def _find_repeated(
    job: _Job, reading: Reading, scanned: Scan, columns: Sequence[ImportedColumn], found: _LeftOut
) -> _LeftOut:
    names = job.feed.deduplicate.columns if job.feed.deduplicate is not None else ()
    is_kept = make_rewriting(columns, job.feed, found.conditions).is_kept
    table = reading.table
    repeated = reading.wait_for(
        lambda: table.find_repeated(
            cells={column.header: column.sql for column in columns if column.header in names},
            is_kept=is_kept,
            kept=scanned.records - found.refused,
            earlier=job.earlier,
            target=job.outlet / FINGERPRINTS_NAME,
        )
    )
    if not repeated.rows:
        return found
    tallies = (*found.tallies, tally_repeated(reading.path, scanned, repeated.rows, repeated.first))
    if repeated.rows + found.refused == scanned.records:
        sha256 = job.sha256 or scanned.sha256
        raise NothingNew(tallies, repeated_rows=repeated.rows, records=scanned.records, sha256=sha256)
    return dataclasses.replace(
        found,
        duplicates=repeated.rows,
        tallies=tallies,
        conditions=(*found.conditions, repeated.condition),
    )


def _write_good(
    job: _Job, reading: Reading, scanned: Scan, columns: Sequence[ImportedColumn], left_out: _LeftOut
) -> None:
    """Write what is sent, and the refused rows: byte for byte where rows are left out and nothing else is asked for."""
    is_rewritten = bool(left_out.duplicates) or must_rewrite(reading.header, columns, job.feed)
    if left_out.examination is not None:
        good = None if is_rewritten else job.good_rows
        _reject(job, reading, scanned, left_out.examination, left_out.refused, good=good)
    if is_rewritten:
        rewriting, table = make_rewriting(columns, job.feed, left_out.conditions), reading.table
        reading.wait_for(lambda: table.rewrite(rewriting, job.good_rows))


def _describe_whole(path: Path, scanned: Scan) -> Unsorted:
    return Unsorted(
        path=path,
        header=scanned.header,
        end=scanned.body_end,
        records=scanned.records,
        fingerprint=scanned.fingerprint,
    )


def _describe_good(job: _Job, original: Scan, left_out: _LeftOut) -> Unsorted:
    """Return what was written of a file; whatever was, keeps its columns' order."""
    fingerprint = files.get_fingerprint(job.good_rows)
    return Unsorted(
        path=job.good_rows,
        header=read_header(job.good_rows),
        end=fingerprint.size,
        records=original.records - left_out.refused - left_out.duplicates,
        fingerprint=fingerprint,
    )


def _inspect_good(job: _Job, original: Scan, left_out: _LeftOut, *, time_column: int | None) -> Inspection:
    """Read the good rows once more, as strictly, and make sure that no row is missing or sent twice."""
    watch = job.watch.without_progress()
    with open_reading(job.good_rows, outlet=job.outlet, watch=watch) as reading:
        # Whatever was written keeps its columns' order.
        scanned = reading.read(time_column=time_column)
    if scanned.records + left_out.refused + left_out.duplicates != original.records:
        raise LocalFault(
            "inspect",
            job.good_rows.name,
            f"{original.records} rows came, {scanned.records} are to be sent, {left_out.refused} refused and"
            f" {left_out.duplicates} left out as duplicates: a defect of ours",
        )
    return _conclude(job.good_rows, scanned, original, left_out, is_rewritten=True)


def _conclude(path: Path, sent: Scan, original: Scan, left_out: _LeftOut, *, is_rewritten: bool) -> Inspection:
    return Inspection(
        path=path,
        scan=sent,
        original=original,
        fingerprint=original.fingerprint,
        sha256=original.sha256,
        is_rewritten=is_rewritten,
        tallies=left_out.tallies,
        duplicate_rows=left_out.duplicates,
    )


def _reject(
    job: _Job, reading: Reading, scanned: Scan, examination: Examination, refused: int, *, good: Path | None
) -> None:
    """Write the refused rows, and the others to ``good`` where they are sent as they are."""
    failed = job.outlet / rejecting.FAILED_ROWS_NAME
    watch = job.watch.without_progress()
    count = reading.wait_for(
        lambda: rejecting.reject(
            reading.path, scanned, examination.list_refused(), failed=failed, good=good, watch=watch
        )
    )
    if count != refused:
        raise LocalFault("refuse rows of", job.path.name, f"{refused} were counted, {count} written: a defect of ours")
