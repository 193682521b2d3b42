"""The first refused rows as a table for people: a look at how ``failed_rows.csv`` begins, never at all of it."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator import files
from sftp_orchestrator.config.model import DELIMITERS
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION

LOOKED_AT_BYTES = 256 * 1024
SHOWN_ROWS = 20
_LONGEST_CELL = 200


@dataclass(frozen=True, kw_only=True)
class ShownRows:
    """What is shown of refused rows."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """the last cell of each has its reasons"""
    has_more: bool
    size: int
    """bytes of the whole file"""


def show_rows(path: Path) -> ShownRows | None:
    """Return the first rows of a file of refused rows; None where it is not there. Raises ``LocalFault``."""
    with files.as_local_fault("read", str(path), hint="the workspace must be ours"):
        try:
            with path.open("rb") as stream:
                content = stream.read(LOOKED_AT_BYTES)
                size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
    return parse_rows(content, size=size)


def parse_rows(content: bytes, *, size: int) -> ShownRows:
    """Return the first rows of what a file of ``size`` bytes begins with. Pure.

    A row that goes beyond ``content`` is left out, and so is what follows a quote that breaks CSV.
    """
    text = content.decode("utf-8", "replace")
    delimiter = next((mark for mark in DELIMITERS if f"{mark}{DESCRIPTION}" in text.partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    is_whole = True
    try:
        for row in itertools.islice(reader, SHOWN_ROWS + 2):
            rows.append(row)  # noqa: PERF402 - what was read before an error counts
    except csv.Error:
        is_whole = False
    has_more = len(rows) > SHOWN_ROWS + 1
    if not has_more and size > len(content):
        # The last one may have been cut.
        rows, has_more = rows[:-1], True
    shown = [tuple(map(_shorten, row)) for row in rows[: SHOWN_ROWS + 1]]
    return ShownRows(
        header=shown[0] if shown else (),
        rows=tuple(shown[1:]),
        has_more=has_more or not is_whole,
        size=size,
    )


def _shorten(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[:_LONGEST_CELL]}…"
