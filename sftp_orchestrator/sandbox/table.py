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

from sftp_orchestrator.sandbox.failures import SEPARATOR, Breach, FailureFile
from sftp_orchestrator.sandbox.manifest import Manifest
from sftp_orchestrator.sandbox.refusals import UNREADABLE, Refusal
from sftp_orchestrator.sandbox.rules import checking, layout
from sftp_orchestrator.sandbox.rules.layout import Layout, Place
from sftp_orchestrator.sandbox.rules.number import parse_integer

BUFFER_BYTES = 1 << 20
csv.field_size_limit(5_000_000_000)  # Python's own limit is 128 KiB; a long value is a row's fault, not the file's


class Stopped(Exception):  # noqa: N818 - no error: the sandbox ends before the file does
    """Reading was given up because the sandbox stops."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a data file held."""

    layout: Layout
    rows: int
    """Records after the header; empty lines are none."""
    failed_rows: int
    breaches: Mapping[str, Breach]
    """Why they failed, by the rule's identifier."""
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


def read_table(path: Path, manifest: Manifest, failures: Path, stopping: threading.Event, *, now: float) -> Summary:
    """Read the plain CSV at ``path``, write its failed rows to ``failures``, and return what it held.

    ``now`` is the receiver's clock, in epoch seconds. May be repeated. Raises:
        Refusal: it is not CSV in UTF-8, or its columns break a rule for whole files.
        Stopped: ``stopping`` was set meanwhile.
    """
    with io.FileIO(path) as raw, _Hashed(raw, stopping) as hashed:
        text = io.TextIOWrapper(io.BufferedReader(hashed, BUFFER_BYTES), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        with _readable(lambda: reader.line_num):
            columns = _make_layout(_read_header(reader), manifest)
            check = checking.make_check(columns, now=now)
            with FailureFile(failures, columns.header) as failed:
                rows, times = _read_rows(reader, check, failed, columns.timestamp)
    return Summary(
        layout=columns,
        rows=rows,
        failed_rows=failed.count,
        breaches=failed.breaches,
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


def _make_layout(header: tuple[str, ...], manifest: Manifest) -> Layout:
    made = layout.make_layout(header, manifest)
    faults = layout.find_faults(made, manifest)
    if faults:
        raise Refusal(
            SEPARATOR.join(fault.text for fault in faults),
            vendor=faults[0].rule.text,
            rules=tuple(dict.fromkeys(fault.rule.identifier for fault in faults)),
        )
    return made


class _Times:
    """The earliest and the latest time seen, in epoch seconds."""

    earliest: int | None = None
    latest: int | None = None

    def add(self, cell: str) -> None:
        time = parse_integer(cell)
        if time is None:
            return
        self.earliest = time if self.earliest is None else min(self.earliest, time)
        self.latest = time if self.latest is None else max(self.latest, time)


def _read_rows(
    reader: Iterator[list[str]], check: checking.Check, failed: FailureFile, timed: Place | None
) -> tuple[int, _Times]:
    rows, times = 0, _Times()
    for row in reader:
        if not row:
            continue
        rows += 1
        faults = check(row)
        if faults:
            failed.add(rows, row, faults)
        elif timed is not None:
            times.add(row[timed.position])
    return rows, times
