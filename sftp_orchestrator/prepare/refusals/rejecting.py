"""Takes refused rows out of a file: the good ones byte for byte into one, the bad ones with reasons into another."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from sftp_orchestrator import files
from sftp_orchestrator.prepare import report
from sftp_orchestrator.prepare.checks.row_checks import Check
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.record_index import RecordEnds
from sftp_orchestrator.prepare.text.scan import Scan

if TYPE_CHECKING:
    # DuckDB comes with it, and whoever asks for the name of a file needs none.
    from sftp_orchestrator.prepare.tables.examine import BrokenRow

DESCRIPTION = "Failure Description"
"""The last column of refused rows, as the receiver itself calls it (CleverTap, *Imports via SFTP*)."""
FAILED_ROWS_NAME = "failed_rows.csv"
_COPY_BYTES = 8 * 1024 * 1024
_ROWS_BETWEEN_LOOKS = 1000


def reject(path: Path, scan: Scan, rows: Iterable[BrokenRow], *, failed: Path, good: Path | None, watch: Watch) -> int:
    """Write ``rows``, in the file's order, to ``failed`` and all others to ``good``; return how many failed.

    Where none is sent, ``failed`` is for people alone and holds the first ``MOST_SHOWN_ROWS``. One sequential pass; may
    be repeated. Both files are there in full or not at all.

    Raises:
        LocalFault: the disk is full, or the folder not ours.
        Stopped: ``watch`` said so.
    """
    count = 0
    hint = "the workspace must be writable, with space for the file"
    with (
        files.as_local_fault("write", str(failed), hint=hint),
        _Source(path, scan) as source,
        files.written_durably(failed, advance=lambda _: watch.advance(0)) as bad,
        files.written_durably(good, advance=lambda _: watch.advance(0)) if good is not None else _nowhere() as kept,
    ):
        bad.write(_describe_header(scan))
        kept.write(scan.header.header_bytes)
        cursor = scan.header.body_start
        for row in rows:
            if count % _ROWS_BETWEEN_LOOKS == 0:
                watch.advance(0)
            count += 1
            if good is None and count > report.MOST_SHOWN_ROWS:
                continue
            start, end = source.locate(row.number)
            if good is not None:
                source.copy(cursor, start, kept)
            bad.write(_describe_row(source.read(start, end), row, scan.header))
            cursor = end
        if good is not None:
            source.copy(cursor, scan.body_end, kept)
    return count


def read_rows(path: Path, scan: Scan, numbers: Iterable[int]) -> list[tuple[int, bytes]]:
    """Return where rows begin, and their bytes, given by their numbers in rising order."""
    with _Source(path, scan) as source:
        places = [source.locate(number) for number in numbers]
        return [(start, source.read(start, end)) for start, end in places]


class _Source:
    """The file that rows are taken out of."""

    def __init__(self, path: Path, scan: Scan) -> None:
        self._path = path
        self._ends = RecordEnds(path, scan.index)

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        self._ends.close()

    def locate(self, number: int) -> tuple[int, int]:
        """Return the offsets at which a row begins and ends."""
        return self._ends.find_record(number)

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._descriptor, end - start, start)

    def copy(self, start: int, end: int, target: BinaryIO) -> None:
        while start < end:
            piece = os.pread(self._descriptor, min(_COPY_BYTES, end - start), start)
            target.write(piece)
            start += len(piece)
            if not piece:
                return


@contextmanager
def _nowhere() -> Iterator[BinaryIO]:
    with Path(os.devnull).open("wb") as out:
        yield out


def _describe_header(scan: Scan) -> bytes:
    header = scan.header
    return (
        header.header_bytes.removesuffix(header.newline) + f"{header.delimiter}{DESCRIPTION}".encode() + header.newline
    )


def _describe_row(record: bytes, row: BrokenRow, header: Header) -> bytes:
    reasons = header.delimiter.encode() + _describe(row.checks)
    return record.removesuffix(header.newline) + reasons + header.newline


@functools.lru_cache(maxsize=1024)
def _describe(checks: tuple[Check, ...]) -> bytes:
    """Return the last field of a row that fails ``checks``, as most rows fail the same ones."""
    reasons = "; ".join(check.describe() for check in checks).replace('"', '""')
    return f'"{reasons}"'.encode()
