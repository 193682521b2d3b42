"""The header record: read once, before anything else; everything later relies on its names and its bytes."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sftp_orchestrator.prepare.report import Refused, refuse, show

MAX_RECORD_BYTES = 4_000_000
"""A single record must fit into one buffer of DuckDB's; no property of the receiver is near that long."""
csv.field_size_limit(MAX_RECORD_BYTES)  # Python's own limit is 128 KiB, for the process as a whole
MAX_HEADER_BYTES = 1024 * 1024
"""A header longer than this is none: some file that is no CSV, or one that lacks line breaks."""
MAX_COLUMNS = 1000
"""Several times what the receiver takes of an event or a profile."""
_QUOTED = re.compile(rb'"[^"]*"')
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""How people call them."""
_FOR_EXCEL = re.compile(rb"\s*\"?sep=([^\w\s\"]|\t)\"?\s*", re.IGNORECASE)
"""A line by which a spreadsheet program learns the delimiter; no other program knows it."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first record of a file."""

    names: tuple[str, ...]
    header_bytes: bytes
    """as they stand in the file, without a BOM, with their line break: every part begins with them"""
    newline: bytes
    """the line break that ends it, and so must end every record"""
    body_start: int
    """offset in the file of the first record after it"""
    delimiter: str
    """the one character that stands between fields, in this record and all after it"""


_BINARY = {
    b"\x1f\x8b": ("gzip", "give it a name that ends in .gz"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", "give it a name that ends in .zst"),
    b"PAR1\x15": ("Parquet", "give it a name that ends in .parquet"),
    b"PK\x03\x04": ("a ZIP archive, or a workbook of a spreadsheet program", "save it as CSV"),
    b"%PDF-": ("PDF", "save it as CSV"),
    b"\xd0\xcf\x11\xe0": ("a workbook of a spreadsheet program", "save it as CSV"),
}
"""What files that are often called .csv by mistake begin with."""


def parse_header(start: bytes, delimiter: str = ",") -> Header:
    """Return the header that a file beginning with ``start`` has. Pure.

    Raises:
        Refused: there is none, or it names columns in no usable way.
    """
    if not start:
        raise refuse("file.empty", "the file is empty")
    if (binary := find_binary(start)) is not None:
        called, hint = binary
        raise refuse("format.broken", f"it is no text, but {called}", hint=hint)
    if start.startswith(_UTF16):
        raise refuse("text.utf16", "the file is UTF-16", line=1, hint="save it as UTF-8, or set the feed's encoding")
    nul = start.find(b"\0")
    if nul >= 0:
        raise refuse("text.nul", "there is a NUL byte: this is no text", line=start.count(b"\n", 0, nul) + 1)
    skipped = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0
    end = _find_end(start, skipped)
    if end is None:
        if len(start) >= MAX_HEADER_BYTES:
            raise refuse("header.too_long", f"the header is longer than {MAX_HEADER_BYTES} bytes", line=1)
        if b"\r" in start:
            raise _refuse_lone_cr()
        if start.count(b'"') % 2:
            raise refuse("quote.unterminated", "a quoted field in the header never ends", line=1)
        raise refuse("file.no_rows", "the file has no rows, only a header", line=1)
    header_bytes = start[skipped:end]
    newline = b"\r\n" if header_bytes.endswith(b"\r\n") else b"\n"
    _require_no_excel_line(header_bytes)
    names = _parse_names(header_bytes, delimiter)
    check_names(names)
    _check_delimiter(names, delimiter)
    return Header(names=names, header_bytes=header_bytes, newline=newline, body_start=end, delimiter=delimiter)


def find_binary(start: bytes) -> tuple[str, str] | None:
    """Return what a file that begins with ``start`` is, where it is no text, and what to do about it. Pure."""
    return next((told for beginning, told in _BINARY.items() if start.startswith(beginning)), None)


def _find_end(start: bytes, offset: int) -> int | None:
    """Return the offset after the first line break that is not within quotes."""
    quotes = 0
    while (found := start.find(b"\n", offset)) >= 0:
        quotes += start.count(b'"', offset, found)
        if quotes % 2 == 0:
            return found + 1
        offset = found + 1
    return None


def _require_no_excel_line(first: bytes) -> None:
    """Raise where the first record is a word to a spreadsheet program.

    It is not skipped: files are sent byte for byte, and at the receiver it would be the header.
    """
    if (found := _FOR_EXCEL.fullmatch(first)) is None:
        return
    delimiter = found[1].decode()
    hint = "have the producer leave this line out"
    if delimiter in DELIMITER_NAMES and delimiter != ",":
        hint += f", and set the feed's delimiter: {json.dumps(delimiter)}"
    said = f"the first line is no header: 'sep={show(delimiter)}' tells Excel alone what separates columns"
    raise refuse("header.delimiter", said, line=1, hint=hint)


def _parse_names(header_bytes: bytes, delimiter: str) -> tuple[str, ...]:
    try:
        text = header_bytes.decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError:
        raise refuse_encoding(header_bytes, "the header is not UTF-8", line=1) from None
    except csv.Error as error:
        raise refuse("quote.stray", f"the header is no CSV: {error}", line=1) from error
    if len(rows) > 1:
        if b"\r" in _QUOTED.sub(b"", header_bytes.removesuffix(b"\n").removesuffix(b"\r")):
            raise _refuse_lone_cr()
        # Counted by quotes it is one record, by fields several: a quote stands where none may.
        raise refuse("quote.stray", "a quote within a field that has none around it", line=1)
    return tuple(rows[0]) if rows else ()


def _refuse_lone_cr() -> Refused:
    return refuse("row.lone_cr", "lines end in CR alone", line=1, hint="end rows with LF or CR LF")


def refuse_encoding(sample: bytes, message: str, *, line: int) -> Refused:
    """Return the refusal of text that is not UTF-8; ``sample`` is some of it, from which its encoding is guessed."""
    return refuse("text.not_utf8", message, line=line, hint=hint_encoding(sample))


def hint_encoding(sample: bytes) -> str:
    """Return what to do about text that is not UTF-8, with a guess of what it is. Pure."""
    # Windows-1252 has letters and signs where Latin-1 has control characters, which no text contains.
    guess = "windows-1252" if any(0x80 <= byte <= 0x9F for byte in sample) else "latin-1 or windows-1252"
    return f"save the file as UTF-8, or set the feed's encoding: by its look {guess}"


def check_names(names: Sequence[str], *, line: int | None = 1) -> None:
    """Raise ``Refused``, for their ``line``, where the columns' names cannot be told apart, or are too many."""
    if not any(name.strip() for name in names):
        raise refuse("header.empty", "the header has no column names", line=line)
    if len(names) > MAX_COLUMNS:
        raise refuse(
            "header.too_many_columns", f"the header has {len(names)} columns, {MAX_COLUMNS} are read", line=line
        )
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise refuse("header.empty_name", f"column {number} has no name", line=line)
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refuse("header.duplicate_name", f"two columns are named '{show(name)}'", line=line)
        seen.add(name)


def _check_delimiter(names: tuple[str, ...], delimiter: str) -> None:
    if len(names) > 1:
        return
    for other, called in DELIMITER_NAMES.items():
        if other in names[0] and other != delimiter:
            hint = f"separate them by {DELIMITER_NAMES[delimiter]}, or set the feed's delimiter: {json.dumps(other)}"
            raise refuse("header.delimiter", f"its columns seem to be separated by {called}", line=1, hint=hint)
