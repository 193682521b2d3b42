"""JSON lines as CSV, a line at a time: each object becomes a row, each key a column.

Python's own reader, not DuckDB's: DuckDB kept lines by the hundred and ran out of memory, told of other lines than the
file has, and took one of two equal keys; with many keys it was slower, too.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sftp_orchestrator.prepare.report import refuse, show
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.header import MAX_COLUMNS, MAX_RECORD_BYTES, check_names
from sftp_orchestrator.prepare.unpack.streams import open_written

if TYPE_CHECKING:
    from _csv import Writer as CsvWriter

_BLANK = b" \t\r\n"
_CSV_LINE_END = "\r\n"
"""As csv is told, for it quotes only what may end a line; LF alone is written."""


def write_json_lines(path: Path, target: Path, *, watch: Watch) -> None:
    """Write JSON lines to ``target`` as CSV with a header, commas and LF; rows keep their order.

    Keys become columns in the order in which they are first seen; what an object lacks, and null, is an empty cell.
    Numbers stay as they are written. Blank lines are no rows.

    Raises:
        Refused: a line is no object, or one that CSV cannot hold.
        LocalFault: the disk is full.
        Stopped: ``watch`` said so.
    """
    # Nearly always the first object has all keys, and the file is read once.
    with path.open("rb") as stream:
        first = next((list(_parse(content, line)) for line, content in _read_lines(stream)), [])
    names = _write(path, target, first, watch)
    if len(names) > len(first):
        _write(path, target, names, watch)


def find_lines(stream: BinaryIO, numbers: Collection[int]) -> dict[int, int]:
    """Return on which lines the objects of these numbers stand, both counted from 1."""
    last = max(numbers, default=0)
    found: dict[int, int] = {}
    for number, (line, _) in enumerate(_read_lines(stream), start=1):
        if number > last:
            break
        if number in numbers:
            found[number] = line
    return found


def find_numbers(path: Path, *, watch: Watch) -> frozenset[str]:
    """Return the keys whose values are numbers and nothing else, ``null`` aside; reads the file once.

    Raises:
        Refused: a line is no object.
        Stopped: ``watch`` said so.
    """
    numbers: set[str] = set()
    others: set[str] = set()
    with path.open("rb") as stream:
        for line, content in _read_lines(stream):
            watch.advance(0)
            for key, value in _parse(content, line).items():
                if value is not None:
                    (numbers if isinstance(value, _Number) else others).add(key)
    return frozenset(numbers - others)


def _write(path: Path, target: Path, names: Sequence[str], watch: Watch) -> list[str]:
    """Write rows of ``names`` as long as no object has further keys; return all keys of the file."""
    known: dict[str, object] = dict.fromkeys(names)
    with path.open("rb") as stream, open_written(target) as out:
        rows = csv.writer(_Lines(out), lineterminator=_CSV_LINE_END)
        _write_row(rows, names, line=None)
        for line, content in _read_lines(stream):
            watch.advance(0)
            found = _parse(content, line)
            known.update(found)
            if len(known) > MAX_COLUMNS:
                break
            if len(known) == len(names):
                _write_row(rows, [_get_text(name, found.get(name), line) for name in names], line=line)
        check_names(list(known), line=None)
    return list(known)


def _write_row(rows: CsvWriter, cells: Sequence[str], *, line: int | None) -> None:
    try:
        rows.writerow(cells)
    except UnicodeEncodeError:
        raise refuse("format.broken", "a character is cut in half: a surrogate without its other", line=line) from None


def _read_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers from 1; raises ``Refused`` where one is too long."""
    line = 0
    while content := stream.readline(MAX_RECORD_BYTES + 1):
        line += 1
        if len(content) > MAX_RECORD_BYTES:
            raise refuse("format.broken", f"the line is longer than {MAX_RECORD_BYTES:,} bytes", line=line)
        if line == 1:
            content = content.removeprefix(codecs.BOM_UTF8)
        if content.strip(_BLANK):
            yield line, content


def _parse(content: bytes, line: int) -> dict[str, object]:
    """Return the object on a line, its numbers as text; raises ``Refused`` where there is none."""
    try:
        found = _DECODER.decode(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise refuse("format.broken", "the line is not UTF-8", line=line) from None
    except json.JSONDecodeError as error:
        message = f"the line is no JSON: {error.msg} (character {error.pos + 1})"
        raise refuse("format.broken", message, line=line) from None
    except _RepeatedKeyError as error:
        raise refuse("format.broken", f"the key '{show(error.key)}' is there twice", line=line) from None
    except RecursionError:
        raise refuse("format.nested", "its values are nested, and deeply", line=line) from None
    except ValueError as error:
        raise refuse("format.broken", f"the line is no JSON: {error}", line=line) from None
    if not isinstance(found, dict):
        raise refuse("format.broken", "a line is no JSON object", line=line)
    return found


class _RepeatedKeyError(ValueError):
    """Which of its values is meant nobody knows."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(key)


def _make_object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for place, key in enumerate(keys) if key in keys[:place]))
    return made


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant
)


def _get_text(name: str, value: object, line: int) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    raise refuse("format.nested", f"the value of '{show(name)}' is nested", line=line)


class _Lines:
    """A file of text in UTF-8, for ``csv.writer``, which writes a line at a time."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        """Write one line; raises ``UnicodeEncodeError`` where it has half a character."""
        self._out.write(text.removesuffix(_CSV_LINE_END).encode() + b"\n")
