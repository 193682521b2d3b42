"""What RFC 4180 text in UTF-8 must look like, found from the positions of quotes, delimiters and line breaks alone.

A piece is some records as a whole. numpy finds its quotes and separators, and the number of quotes before a separator
tells whether it is one. What the quotes themselves must look like is checked from the same positions, so that any
strict CSV parser sees the same rows. All pure.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.prepare import utf8
from sftp_orchestrator.prepare.header import hint_encoding

Positions = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

PADDING = b"\n" * 64
"""Behind the bytes of every piece, so that a cell can be read some words at a time wherever it stands."""
_QUOTE, _LF, _CR = b'"\n\r'
_SAMPLE_BYTES = 4096
"""Of text that is not UTF-8, enough to guess what it is."""


class Broken(Exception):  # noqa: N818 - the text is at fault, not the program
    """A piece breaks a rule of form."""

    def __init__(self, rule: str, message: str, *, at: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.at = at
        """the place in the piece"""
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Form:
    """Where the fields of a piece end."""

    content: bytes
    """the piece, with ``PADDING`` behind it"""
    array: Bytes
    """the same"""
    separators: Positions
    """delimiters and line breaks that end a field"""
    ends: Positions
    """the line breaks among them, which end a record"""
    has_quotes: bool


def find_marks(array: Bytes, marks: bytes) -> tuple[Positions, Positions]:
    """Return where quotes are, and where any of ``marks`` stands outside of them; ``array`` begins outside. Pure.

    A mark is within quotes when the number of quotes before it is odd (RFC 4180: quotes come in pairs).
    """
    hits = array == _QUOTE
    for mark in marks:
        hits |= array == mark
    places = np.flatnonzero(hits)
    is_quote = array[places] == _QUOTE
    quotes = np.flatnonzero(is_quote)
    if not quotes.size:
        return quotes, places
    is_quoted = is_quote.copy()
    is_quoted[_list_between(quotes, places.size)] = True
    return places[quotes], places[~is_quoted]


def _list_between(quotes: Positions, size: int) -> Positions:
    """Return all numbers between the first and the second of ``quotes``, the third and the fourth … and ``size``."""
    openings, closings = quotes[::2], quotes[1::2]
    if openings.size > closings.size:
        closings = np.append(closings, size)
    counts = closings - openings - 1
    before = np.cumsum(counts) - counts
    return np.repeat(openings + 1 - before, counts) + np.arange(int(counts.sum()))


def find_record_ends(array: Bytes) -> Positions:
    """Return where the line breaks are that end records; ``array`` begins with a record. Pure."""
    return find_marks(array, b"\n")[1]


def read_form(content: bytes, width: int, newline: bytes, delimiter: str) -> Form:
    """Return the form of a piece: records as a whole, each with its line break, and ``PADDING`` behind them. Pure.

    ``width`` is how many fields a row should have: where all have, that is seen at once.

    Raises:
        Broken: it is no text, no UTF-8, or no CSV.
    """
    padded = np.frombuffer(content, dtype=np.uint8)
    array = padded[: -len(PADDING)]
    _require_text(content, array)
    quotes, separators = find_marks(array, delimiter.encode() + b"\n")
    _require_quotes(array, quotes, _Neighbours.of(delimiter))
    is_break = array[separators] == _LF
    ends = separators[width - 1 :: width]
    is_regular = ends.size * width == separators.size and ends.size == np.count_nonzero(is_break)
    if not (is_regular and is_break[width - 1 :: width].all()):
        ends = separators[is_break]
    _require_breaks(content, array, quotes, ends, newline)
    return Form(content=content, array=padded, separators=separators, ends=ends, has_quotes=bool(quotes.size))


def _require_text(content: bytes, array: Bytes) -> None:
    nul = content.find(b"\0")
    if nul >= 0:
        raise Broken("text.nul", "there is a NUL byte: this is no text", at=nul)
    wrong = utf8.find_fault(content, array)
    if wrong is not None:
        hint = hint_encoding(content[wrong : wrong + _SAMPLE_BYTES])
        raise Broken("text.not_utf8", "the text is not UTF-8", at=wrong, hint=hint)


@dataclass(frozen=True, kw_only=True)
class _Neighbours:
    """What may stand beside quotes, by byte."""

    before_opening: npt.NDArray[np.bool_]
    after_closing: npt.NDArray[np.bool_]

    @classmethod
    @functools.cache
    def of(cls, delimiter: str) -> _Neighbours:
        separator = ord(delimiter)
        return cls(
            before_opening=_make_table(separator, _LF, _QUOTE), after_closing=_make_table(separator, _LF, _CR, _QUOTE)
        )


def _make_table(*allowed: int) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(allowed)] = True
    return table


def _require_quotes(array: Bytes, quotes: Positions, neighbours: _Neighbours) -> None:
    """A quote opens a field or closes one; in pairs, and nothing comes between it and the field's end."""
    openings, closings = quotes[::2], quotes[1::2]
    before = array[openings - 1]
    if openings.size and openings[0] == 0:
        before[0] = _LF
    # The last byte of a piece is a line break: whatever closes has something behind it.
    wrong = [
        (int(places[0]), message)
        for places, message in (
            (openings[~neighbours.before_opening[before]], "a quote within a field that has none around it"),
            (closings[~neighbours.after_closing[array[closings + 1]]], "text follows a closing quote"),
        )
        if places.size
    ]
    if wrong:
        at, message = min(wrong)
        raise Broken("quote.stray", message, at=at, hint='write the field in quotes, and a quote within it as ""')
    if openings.size > closings.size:
        raise Broken("quote.unterminated", "a quoted field that begins here never ends", at=int(openings[-1]))


def _require_breaks(content: bytes, array: Bytes, quotes: Positions, ends: Positions, newline: bytes) -> None:
    """Every record ends as the header does, and no CR stands alone outside quotes."""
    is_crlf = newline == b"\r\n"
    has_returns = b"\r" in content
    if not has_returns and not is_crlf:
        return
    before = array[ends - 1]
    if ends[0] == 0:
        before[0] = _LF
    odd = ends[(before == _CR) != is_crlf]
    if odd.size:
        message = f"the row ends with {'LF' if is_crlf else 'CR LF'}, the header with {'CR LF' if is_crlf else 'LF'}"
        raise Broken("row.mixed_breaks", message, at=int(odd[0]))
    returns = np.flatnonzero(array == _CR)
    alone = returns[array[returns + 1] != _LF]
    outside = alone[np.searchsorted(quotes, alone) % 2 == 0]
    if outside.size:
        raise refuse_return(at=int(outside[0]))


def refuse_return(*, at: int) -> Broken:
    """Return the refusal of a CR that stands alone."""
    return Broken("row.lone_cr", "a CR stands alone, outside quotes", at=at, hint="end rows with LF or CR LF")
