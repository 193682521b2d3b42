"""Generated CSV, as hostile as RFC 4180 allows: quotes, line breaks in values, CRLF, multi-byte characters, a BOM."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass

from hypothesis import strategies

_CHARACTERS = 'ab,"\n\r é漢😀'


@dataclass(frozen=True, kw_only=True)
class GeneratedFile:
    """The bytes of a file, and the rows that they stand for."""

    content: bytes
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_rows(content: bytes) -> list[tuple[str, ...]]:
    """Return the rows that Python's own csv module reads, strictly."""
    return [tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True)]


def _write_value(value: str, *, quoted: bool) -> str:
    if quoted or any(char in value for char in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


@strategies.composite
def generate_files(draw: strategies.DrawFn, *, max_rows: int = 25) -> GeneratedFile:
    """Generate a file that breaks no rule."""
    newline = draw(strategies.sampled_from(["\n", "\r\n"]))
    width = draw(strategies.integers(1, 4))
    header = tuple(f"c{number}" for number in range(width))
    value = strategies.text(alphabet=_CHARACTERS, max_size=8)
    rows = draw(strategies.lists(strategies.tuples(*[value] * width), min_size=1, max_size=max_rows))
    # In a single column an empty value must be quoted: unquoted it would be a blank line.
    quotes = [[draw(strategies.booleans()) or (width == 1 and not value) for value in row] for row in rows]
    lines = [
        ",".join(_write_value(value, quoted=quoted) for value, quoted in zip(row, marks, strict=True))
        for row, marks in zip(rows, quotes, strict=True)
    ]
    text = newline.join([",".join(header), *lines]) + draw(strategies.sampled_from(["", newline, newline * 3]))
    bom = draw(strategies.sampled_from([b"", codecs.BOM_UTF8]))
    return GeneratedFile(content=bom + text.encode(), header=header, rows=tuple(rows))
