"""What is read of a file, cut into pieces of whole records, and what there is to see in one piece."""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator.prepare.rows._native import PADDING_BYTES, Reader, find_cut
from sftp_orchestrator.prepare.text.header import MAX_RECORD_BYTES, Header, hint_encoding

PADDING = b"\n" * PADDING_BYTES
"""Behind the bytes of every piece, so that a cell can be read some words at a time wherever it stands."""
STOPPED_ROW_BYTES = 12
"""Of a packed row: which one of the piece, counted from 0, its start and its end."""
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
    longest: int
    """bytes of the longest record"""
    earliest: int | None
    """the least time"""
    ragged_count: int
    ragged: tuple[RaggedRow, ...]
    """the first of them"""
    stopped_by: tuple[int, ...]
    """numbers of the screens that stopped rows"""
    stopped: bytes
    """rows that a screen stopped, packed as ``number_rows`` takes them: there may be many"""
    names: tuple[bytes, ...]
    """different names of events that are not too long, the first thousand"""

    @property
    def stopped_count(self) -> int:
        """How many rows a screen stopped."""
        return len(self.stopped) // STOPPED_ROW_BYTES


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
        cut, self.is_inside = find_cut(chunk, self.is_inside)
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


def look(piece: Piece, reader: Reader, header: Header) -> PieceFacts:
    """Return what there is to see in a piece of the rows behind ``header``.

    Raises:
        Broken: it is no RFC 4180 text in UTF-8.
    """
    content = piece.content
    seen = reader.look(content, len(content) - len(PADDING), piece.added)
    if len(seen) == 2:
        raise _explain(*seen, content, header)
    ends, rows, filled, longest, earliest, ragged_count, ragged, stopped_by, stopped, names = seen
    return PieceFacts(
        ends=ends,
        rows=rows,
        filled=filled,
        longest=longest,
        earliest=earliest,
        ragged_count=ragged_count,
        ragged=tuple(RaggedRow(at=at, fields=fields) for at, fields in ragged),
        stopped_by=tuple(stopped_by),
        stopped=stopped,
        names=tuple(names),
    )


_STRAY_HINT = 'write the field in quotes, and a quote within it as ""'
_MESSAGES = {
    "text.nul": ("text.nul", "there is a NUL byte: this is no text", None),
    "quote.within": ("quote.stray", "a quote within a field that has none around it", _STRAY_HINT),
    "quote.followed": ("quote.stray", "text follows a closing quote", _STRAY_HINT),
    "quote.unterminated": ("quote.unterminated", "a quoted field that begins here never ends", None),
    "record.too_long": (
        "record.too_long",
        f"the record that begins here has more than {MAX_RECORD_BYTES} bytes; no longer one is read",
        None,
    ),
    "row.blank": ("row.blank", "a blank line between the rows", None),
    "row.lone_cr": ("row.lone_cr", "a CR stands alone, outside quotes", "end rows with LF or CR LF"),
}
"""For what the C finds: the rule, what is said, and what to do."""


def refuse_form(found: str, *, at: int) -> Broken:
    """Return the refusal of a piece for one of the mistakes of form that need no more words."""
    rule, message, hint = _MESSAGES[found]
    return Broken(rule, message, at=at, hint=hint)


def _explain(found: str, at: int, content: bytes, header: Header) -> Broken:
    if found == "text.not_utf8":
        return Broken(found, "the text is not UTF-8", at=at, hint=hint_encoding(content[at : at + _SAMPLE_BYTES]))
    if found == "row.mixed_breaks":
        here, there = ("CR LF", "LF") if header.newline == b"\n" else ("LF", "CR LF")
        return Broken(found, f"the row ends with {here}, the header with {there}", at=at)
    return refuse_form(found, at=at)
