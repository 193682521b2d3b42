"""Reading a data file: row by row, in memory that does not grow with it."""

from __future__ import annotations

import csv
import hashlib
import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.sandbox.failures import FailureFile
from sftp_orchestrator.sandbox.manifest import Column, Manifest
from sftp_orchestrator.sandbox.refusals import EVENT_NAME_MANDATORY, IDENTITY_MANDATORY, UNREADABLE, Refusal
from sftp_orchestrator.sandbox.rows import EVENT_NAME, Table, find_fault

BUFFER_BYTES = 1 << 20
MAX_TIME_DIGITS = 18
"""More seconds than there will be; it keeps the log's numbers within 64 bits."""


class Stopped(Exception):  # noqa: N818 - no error: the sandbox ends before the file does
    """Reading was given up because the sandbox stops."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a data file held."""

    table: Table
    rows: int
    """Records after the header; empty lines are none."""
    failed_rows: int
    bytes: int
    """Of the CSV, decrypted."""
    sha256: str
    """Of the CSV, decrypted."""
    earliest_ts: int | None
    """Epoch seconds; None where no imported row had a time."""
    latest_ts: int | None


class _Hashed(io.RawIOBase):
    """A file that counts and hashes what is read of it, and ends with ``Stopped`` when asked to."""

    def __init__(self, raw: io.FileIO, stopping: threading.Event) -> None:
        self._raw = raw
        self._stopping = stopping
        self.size = 0
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    # Buffer has no public name before Python 3.12; a memoryview is what BufferedReader hands over.
    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._stopping.is_set():
            raise Stopped
        count = self._raw.readinto(buffer)
        self.hash.update(buffer[:count])
        self.size += count
        return count


def read_table(path: Path, manifest: Manifest, failures: Path, stopping: threading.Event) -> Summary:
    """Read the plain CSV at ``path``, write its failed rows to ``failures``, and return what it held.

    May be repeated. Raises:
        Refusal: it is not CSV in UTF-8, or a column that every file must have is missing.
        Stopped: ``stopping`` was set meanwhile.
    """
    with io.FileIO(path) as raw, _Hashed(raw, stopping) as hashed:
        text = io.TextIOWrapper(io.BufferedReader(hashed, BUFFER_BYTES), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        with _readable(lambda: reader.line_num):
            table = _make_table(_read_header(reader), manifest)
            with FailureFile(failures, table.header) as failed:
                times = _Times()
                rows = _read_rows(reader, table, failed, times)
    return Summary(
        table=table,
        rows=rows,
        failed_rows=failed.count,
        bytes=hashed.size,
        sha256=hashed.hash.hexdigest(),
        earliest_ts=times.earliest,
        latest_ts=times.latest,
    )


@contextmanager
def _readable(get_line: Callable[[], int]) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise Refusal(f"not UTF-8 after line {get_line()}: {error.reason}", vendor=UNREADABLE) from error
    except csv.Error as error:
        raise Refusal(f"not CSV at line {get_line()}: {error}", vendor=UNREADABLE) from error


def _read_header(reader: Iterator[list[str]]) -> tuple[str, ...]:
    header = next(reader, [])
    if not header:
        raise Refusal("the data has no header", vendor=UNREADABLE)
    return tuple(header)


def _make_table(header: tuple[str, ...], manifest: Manifest) -> Table:
    properties = tuple(_get_property(name, manifest.columns) for name in header)
    table = Table(type=manifest.type, header=header, properties=properties)
    if not table.identity_positions:
        raise Refusal("no column becomes identity, objectId, fbId or gpId", vendor=IDENTITY_MANDATORY)
    if manifest.type == "event" and EVENT_NAME not in properties:
        raise Refusal(f"no column becomes {EVENT_NAME}", vendor=EVENT_NAME_MANDATORY)
    return table


def _get_property(header: str, columns: Mapping[str, Column]) -> str:
    return columns[header].property_name if header in columns else header


class _Times:
    """The earliest and the latest time seen, in epoch seconds."""

    earliest: int | None = None
    latest: int | None = None

    def add(self, cell: str) -> None:
        # Whole seconds and nothing else (*Imports via SFTP*); what is none tells no time.
        if not (cell.isascii() and cell.isdecimal()) or len(cell) > MAX_TIME_DIGITS:
            return
        time = int(cell)
        self.earliest = time if self.earliest is None else min(self.earliest, time)
        self.latest = time if self.latest is None else max(self.latest, time)


def _read_rows(reader: Iterator[list[str]], table: Table, failed: FailureFile, times: _Times) -> int:
    rows = 0
    for row in reader:
        if not row:
            continue
        rows += 1
        fault = find_fault(table, row)
        if fault is not None:
            failed.add(row, fault)
        elif table.timestamp_position is not None:
            times.add(row[table.timestamp_position])
    return rows
