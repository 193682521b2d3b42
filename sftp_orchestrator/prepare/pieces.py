"""What is read of a file, cut into pieces of whole records, and what there is to see in one piece."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from sftp_orchestrator.prepare.form import PADDING, Broken, Form, Positions, find_record_ends, read_form
from sftp_orchestrator.prepare.header import MAX_RECORD_BYTES, Header
from sftp_orchestrator.prepare.report import SHOWN
from sftp_orchestrator.prepare.screening import Screening
from sftp_orchestrator.prepare.screens import Screen
from sftp_orchestrator.prepare.words import Mask

_QUOTE = ord('"')


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Records as a whole."""

    offset: int
    """in the file"""
    content: bytes
    """with ``PADDING`` behind it"""
    added: int = 0
    """bytes of the last line break, where the file has none"""


@dataclass(frozen=True, kw_only=True)
class RaggedRow:
    """A row that has not the header's shape."""

    at: int
    """where it begins in the piece"""
    fields: int


@dataclass(frozen=True, kw_only=True)
class PieceFacts:
    """What is in a piece."""

    ends: int
    """line breaks that end a record"""
    rows: int
    """records that are not blank"""
    filled: int
    """bytes up to the end of the last of them"""
    ragged: tuple[RaggedRow, ...]
    """the first of them"""
    ragged_count: int
    earliest: int | None
    """the least time"""
    longest: int
    """bytes of the longest record"""
    stopped_by: frozenset[Screen]
    """the screens that stopped rows"""
    stopped: tuple[tuple[int, bytes], ...]
    """rows that a screen stopped: which one of the piece, counted from 0, and its bytes"""


class Cutter:
    """Cuts chunks, given in the file's order, at record ends; what is left of a chunk is put before the next one."""

    def __init__(self, offset: int) -> None:
        self.rest = b""
        """of the chunks so far: a record that has not ended yet"""
        self.offset = offset
        """of ``rest`` in the file"""
        self.is_inside = False
        """whether ``rest`` ends within quotes"""

    def add(self, chunk: bytes) -> Piece | None:
        """Return the records that end in ``chunk``; None where none does."""
        cut = self._find_cut(chunk)
        if not cut:
            self.rest += chunk
            return None
        piece = Piece(offset=self.offset, content=b"".join((self.rest, memoryview(chunk)[:cut], PADDING)))
        self.offset += len(self.rest) + cut
        self.rest = chunk[cut:]
        return piece

    def finish(self, newline: bytes) -> Piece:
        """Return what is left at the file's end, as if it ended with a line break."""
        return Piece(offset=self.offset, content=self.rest + newline + PADDING, added=len(newline))

    def _find_cut(self, chunk: bytes) -> int:
        """Return the place after the last record end in ``chunk``; 0 without one."""
        was_inside = self.is_inside
        array = np.frombuffer(chunk, dtype=np.uint8)
        self.is_inside ^= bool(np.count_nonzero(array == _QUOTE) & 1)
        last = chunk.rfind(b"\n")
        if last < 0 or self.is_inside == bool(chunk.count(b'"', last) & 1):
            return last + 1
        # The last line break is within quotes: the one before it that is not is looked for.
        first_quote = chunk.find(b'"')
        if was_inside and first_quote < 0:
            return 0
        outside_from = first_quote + 1 if was_inside else 0
        ends = find_record_ends(array[outside_from:])
        return outside_from + int(ends[-1]) + 1 if ends.size else 0


def look(piece: Piece, header: Header, screening: Screening) -> PieceFacts:
    """Return what there is to see in a piece of the rows behind ``header``.

    Raises:
        Broken: it is no RFC 4180 text in UTF-8.
    """
    width = len(header.names)
    form = read_form(piece.content, width, header.newline, header.delimiter)
    lengths = np.diff(form.ends, prepend=-1)
    if len(piece.content) > MAX_RECORD_BYTES:
        _require_lengths(form, lengths, piece.added)
    rows = form.ends.size
    is_blank = lengths == len(header.newline)
    if is_blank.any():
        rows = _count_filled(form, is_blank)
        form = _leave_out_blanks(form, rows)
    ragged = _find_ragged(form, width)
    seen = screening.look(form, width) if rows and not ragged.size else None
    return PieceFacts(
        ends=lengths.size,
        rows=rows,
        filled=int(form.ends[-1]) + 1 - piece.added if rows else 0,
        ragged=_list_first(form, ragged),
        ragged_count=ragged.size,
        earliest=seen.earliest if seen else None,
        longest=int(lengths.max(initial=0)),
        stopped_by=seen.stopped_by if seen else frozenset(),
        stopped=_read_rows(form, seen.stopped) if seen else (),
    )


def _require_lengths(form: Form, lengths: Positions, added: int) -> None:
    lengths[-1] -= added
    longest = int(lengths.argmax())
    if lengths[longest] > MAX_RECORD_BYTES:
        raise refuse_length(at=int(form.ends[longest - 1]) + 1 if longest else 0)


def refuse_length(*, at: int) -> Broken:
    """Return the refusal of a record that is too long."""
    message = f"the record that begins here has more than {MAX_RECORD_BYTES} bytes; no longer one is read"
    return Broken("record.too_long", message, at=at)


def _count_filled(form: Form, is_blank: Mask) -> int:
    """Return how many records there are before the blank lines at the end; only there may be any."""
    filled = np.flatnonzero(~is_blank)
    first = int(is_blank.argmax())
    if filled.size and first < filled[-1]:
        at = int(form.ends[first - 1]) + 1 if first else 0
        raise refuse_blank(at=at)
    return int(filled.size)


def refuse_blank(*, at: int) -> Broken:
    """Return the refusal of a blank line that is not at the very end."""
    return Broken("row.blank", "a blank line between the rows", at=at)


def _leave_out_blanks(form: Form, rows: int) -> Form:
    ends = form.ends[:rows]
    last = int(ends[-1]) if rows else -1
    separators = form.separators[: int(np.searchsorted(form.separators, last, side="right"))]
    return dataclasses.replace(form, separators=separators, ends=ends)


def _find_ragged(form: Form, width: int) -> Positions:
    """Return which rows have not ``width`` fields."""
    if np.array_equal(form.separators[width - 1 :: width], form.ends) and form.separators.size % width == 0:
        return form.ends[:0]
    return np.flatnonzero(_count_fields(form) != width)


def _count_fields(form: Form) -> Positions:
    """Return how many fields each row has."""
    return np.diff(np.searchsorted(form.separators, form.ends), prepend=-1)


def _list_first(form: Form, rows: Positions) -> tuple[RaggedRow, ...]:
    """Return where the first of ``rows`` begin, and how many fields they have."""
    if not rows.size:
        return ()
    fields = _count_fields(form)
    places = [(int(form.ends[row - 1]) + 1 if row else 0, int(fields[row])) for row in rows[:SHOWN].tolist()]
    return tuple(RaggedRow(at=at, fields=count) for at, count in places)


def _read_rows(form: Form, rows: Positions) -> tuple[tuple[int, bytes], ...]:
    """Return rows with their bytes."""
    ends = form.ends[rows] + 1
    starts = np.where(rows > 0, form.ends[rows - 1] + 1, 0)
    places = zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return tuple((row, form.content[start:end]) for row, start, end in places)
