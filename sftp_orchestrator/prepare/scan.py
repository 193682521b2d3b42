"""One sequential, quote-aware pass over a file: where its records end, and whether it is RFC 4180 text in UTF-8.

Works on arrays of positions, never on single rows: numpy finds the quotes and line breaks of a chunk, and the number
of quotes before a line break tells whether it ends a record. What the quotes themselves must look like is checked from
the same positions, so that this pass and any strict CSV parser agree on every record.
"""

from __future__ import annotations

import codecs
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.files import Fingerprint, get_fingerprint
from sftp_orchestrator.prepare.header import MAX_HEADER_BYTES, MAX_RECORD_BYTES, Header, parse_header, refuse_encoding
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.record_index import RecordIndex, find_record_ends
from sftp_orchestrator.prepare.report import Refused, refuse
from sftp_orchestrator.prepare.stopping import Watch

CHUNK_BYTES = 1024 * 1024
"""Small enough for the processor's cache, where the passes over a chunk stay fast."""

Positions = npt.NDArray[np.int64]
_QUOTE, _LF, _CR = b'"\n\r'
_EPOCH_TEXT = b"$D_"
_NOT_UTF8 = "the text is not UTF-8"
_SAMPLE_BYTES = 4096
"""Of text that is not UTF-8, enough to guess what it is."""


def _make_table(*allowed: int) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(allowed)] = True
    return table


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What the pass found; the file is RFC 4180 text in UTF-8."""

    fingerprint: Fingerprint
    sha256: str
    header: Header
    body_end: int
    """offset after the last record; blank lines at the very end are left out"""
    records: int
    """without the header"""
    longest_record: int
    """bytes, the header's included"""
    has_epoch_text: bool
    """``$D_`` stands somewhere in it (CleverTap's way to put a date into a STRING column)"""
    index: RecordIndex


def scan(
    path: Path,
    *,
    delimiter: str = ",",
    chunk_bytes: int = CHUNK_BYTES,
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Scan:
    """Read ``path`` once, from begin to end; may be repeated. Blocking; memory of a few chunks.

    Raises:
        Refused: with the rule it breaks and the line.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read.
        Stopped: ``watch`` said so.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise LocalFault("read", str(path), error.strerror or str(error)) from error
    try:
        return _scan(descriptor, path, delimiter, chunk_bytes, watch)
    except OSError as error:
        raise LocalFault("read", str(path), error.strerror or str(error)) from error
    finally:
        os.close(descriptor)


def read_header(path: Path, delimiter: str = ",") -> Header:
    """Return the header of ``path``, reading no more than it takes; raises as ``scan``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return parse_header(os.pread(descriptor, MAX_HEADER_BYTES, 0), delimiter)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LocalFault("read", str(path), error.strerror or str(error)) from error


def _scan(descriptor: int, path: Path, delimiter: str, chunk_bytes: int, watch: Watch) -> Scan:
    before = get_fingerprint(descriptor)
    header = parse_header(os.pread(descriptor, MAX_HEADER_BYTES, 0), delimiter)
    separator = ord(delimiter)
    state = _State(
        path=path,
        header=header,
        before_opening=_make_table(separator, _LF, _QUOTE),
        after_closing=_make_table(separator, _LF, _CR, _QUOTE),
    )
    offset = 0
    try:
        while chunk := os.pread(descriptor, chunk_bytes, offset):
            state.take(offset, chunk)
            offset += len(chunk)
            watch.advance(len(chunk))
        state.finish(offset)
    except Refused as refused:
        _require_same(descriptor, before, refused)
        raise
    _require_same(descriptor, before, None)
    if state.records == 0:
        raise refuse("file.no_rows", "the file has no rows, only a header", line=1)
    return Scan(
        fingerprint=before,
        sha256=state.digest.hexdigest(),
        header=header,
        body_end=state.body_end,
        records=state.records,
        longest_record=state.longest_record,
        has_epoch_text=state.has_epoch_text,
        index=RecordIndex(
            chunk_bytes=chunk_bytes,
            inside=tuple(state.inside_at),
            ends_before=tuple(state.ends_before),
            first_offset=header.body_start,
            last_offset=state.body_end,
        ),
    )


def _require_same(descriptor: int, before: Fingerprint, refused: Refused | None) -> None:
    # A file that is still being written looks broken; that it changes is the better reason.
    if get_fingerprint(descriptor) != before:
        raise SourceChanged("read", "the file", "it changed while it was read") from refused


@dataclass(kw_only=True)
class _State:
    """What one chunk must know of those before it."""

    path: Path
    header: Header
    before_opening: npt.NDArray[np.bool_]
    """which bytes may stand before a quote that opens a field"""
    after_closing: npt.NDArray[np.bool_]
    """which bytes may follow a quote that closes one"""
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))
    inside: bool = False
    opened_line: int = 1
    previous: int = _LF
    lines: int = 0
    ends: int = 0
    last_end: int = 0
    blank_from: int | None = None
    blank_line: int = 0
    blanks: int = 0
    body_end: int = 0
    records: int = 0
    longest_record: int = 0
    has_epoch_text: bool = False
    tail: bytes = b""
    inside_at: list[bool] = field(default_factory=list)
    ends_before: list[int] = field(default_factory=list)

    def take(self, offset: int, chunk: bytes) -> None:
        self.inside_at.append(self.inside)
        self.ends_before.append(self.ends)
        self.digest.update(chunk)
        self.has_epoch_text = self.has_epoch_text or _EPOCH_TEXT in chunk or _EPOCH_TEXT in self.tail + chunk[:2]
        self.tail = chunk[-2:] if len(chunk) > 1 else self.tail[-1:] + chunk
        self._check_text(chunk)
        # The header begins behind a BOM, where the file has one: to the quotes that is the file's start.
        skipped = self.header.body_start - len(self.header.header_bytes) - offset
        if skipped == 0:
            self.previous = _LF
        array = np.frombuffer(chunk, dtype=np.uint8)
        quotes = np.flatnonzero(array == _QUOTE)
        self._check_quotes(array, chunk, quotes, skipped)
        ends, breaks = find_record_ends(array, quotes, inside=self.inside)
        self._check_breaks(array, chunk, quotes, ends)
        if ends.size:
            starts = np.concatenate(([self.last_end - offset], ends[:-1] + 1))
            self._check_lengths(starts, ends, offset)
            self._check_blanks(chunk, starts, ends, offset)
        if quotes.size:
            self.inside = bool((quotes.size + self.inside) & 1)
            if self.inside:
                self.opened_line = self.lines + 1 + chunk.count(b"\n", 0, int(quotes[-1]))
        self.lines += breaks
        self.ends += int(ends.size)
        if ends.size:
            self.last_end = offset + int(ends[-1]) + 1
        self.previous = chunk[-1]

    def finish(self, size: int) -> None:
        if self.inside:
            raise refuse("quote.unterminated", "a quoted field that begins here never ends", line=self.opened_line)
        if self.previous == _CR:
            raise self._refuse_lone_cr(self.lines + 1)
        try:
            self.decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            raise refuse_encoding(self.decoder.getstate()[0], _NOT_UTF8, line=self.lines + 1) from None
        self._require_length(size - self.last_end, self.last_end)
        has_rest = size > self.last_end
        if has_rest and self.blank_from is not None:
            raise refuse("row.blank", "a blank line between the rows", line=self.blank_line)
        self.body_end = size if self.blank_from is None else self.blank_from
        self.records = self.ends - self.blanks + int(has_rest) - 1

    def _check_text(self, chunk: bytes) -> None:
        nul = chunk.find(b"\0")
        if nul >= 0:
            line = self.lines + 1 + chunk.count(b"\n", 0, nul)
            raise refuse("text.nul", "there is a NUL byte: this is no text", line=line)
        pending = self.decoder.getstate()[0]
        if not pending and chunk.isascii():
            return
        try:
            self.decoder.decode(chunk)
        except UnicodeDecodeError as error:
            at = max(0, error.start - len(pending))
            line = self.lines + 1 + chunk.count(b"\n", 0, at)
            raise refuse_encoding(chunk[at : at + _SAMPLE_BYTES], _NOT_UTF8, line=line) from None

    def _check_quotes(self, array: npt.NDArray[np.uint8], chunk: bytes, quotes: Positions, skipped: int) -> None:
        if self.previous == _QUOTE and not self.inside and not self.after_closing[array[0]]:
            raise refuse("quote.stray", "text follows a closing quote", line=self.lines + 1)
        if not quotes.size:
            return
        openings, closings = quotes[int(self.inside) :: 2], quotes[1 - int(self.inside) :: 2]
        if openings.size:
            before = array[openings - 1]
            if openings[0] == 0:
                before[0] = self.previous
            if openings[0] == skipped:
                before[0] = _LF
            self._refuse_first(
                chunk, openings[~self.before_opening[before]], "a quote within a field that has none around it"
            )
        if closings.size:
            followed = closings[:-1] if closings[-1] == len(chunk) - 1 else closings
            bad = followed[~self.after_closing[array[followed + 1]]]
            self._refuse_first(chunk, bad, "text follows a closing quote")

    def _refuse_first(self, chunk: bytes, bad: Positions, message: str) -> None:
        if bad.size:
            line = self.lines + 1 + chunk.count(b"\n", 0, int(bad[0]))
            raise refuse(
                "quote.stray", message, line=line, hint='write the field in quotes, and a quote within it as ""'
            )

    def _check_breaks(self, array: npt.NDArray[np.uint8], chunk: bytes, quotes: Positions, ends: Positions) -> None:
        """Every record ends as the header does, and no CR stands alone outside quotes."""
        crlf = self.header.newline == b"\r\n"
        if self.previous == _CR and not self.inside and array[0] != _LF:
            raise self._refuse_lone_cr(self.lines + 1)
        if ends.size:
            before = array[ends - 1]
            if ends[0] == 0:
                before[0] = self.previous
            odd = ends[(before == _CR) != crlf]
            if odd.size:
                line = self.lines + 1 + chunk.count(b"\n", 0, int(odd[0]))
                message = f"the row ends with {'LF' if crlf else 'CR LF'}, the header with {'CR LF' if crlf else 'LF'}"
                raise refuse("row.mixed_breaks", message, line=line)
        if b"\r" not in chunk:
            return
        returns = np.flatnonzero(array == _CR)
        outside = returns[(np.searchsorted(quotes, returns) + int(self.inside)) % 2 == 0]
        inner = outside[:-1] if outside.size and outside[-1] == len(chunk) - 1 else outside
        lone = inner[array[inner + 1] != _LF] if inner.size else inner
        if lone.size:
            raise self._refuse_lone_cr(self.lines + 1 + chunk.count(b"\n", 0, int(lone[0])))

    def _check_lengths(self, starts: Positions, ends: Positions, offset: int) -> None:
        lengths = ends + 1 - starts
        longest = int(lengths.argmax())
        self._require_length(int(lengths[longest]), offset + int(starts[longest]))

    def _require_length(self, length: int, start: int) -> None:
        self.longest_record = max(self.longest_record, length)
        if length > MAX_RECORD_BYTES:
            message = f"the record that begins here has {length} bytes; the longest that is read has {MAX_RECORD_BYTES}"
            raise refuse("record.too_long", message, line=count_lines(self.path, [start])[start])

    def _check_blanks(self, chunk: bytes, starts: Positions, ends: Positions, offset: int) -> None:
        """Blank lines are left out at the very end of the file, and refused anywhere else."""
        width = len(self.header.newline)
        blank = (ends + 1 - starts) == width
        if self.blank_from is None and not blank.any():
            return
        filled = np.flatnonzero(~blank)
        last_filled = int(filled[-1]) if filled.size else -1
        first = int(np.flatnonzero(blank)[0]) if blank.any() else -1
        if self.blank_from is not None and last_filled >= 0:
            raise refuse("row.blank", "a blank line between the rows", line=self.blank_line)
        if 0 <= first < last_filled:
            line = self.lines + 1 + chunk.count(b"\n", 0, int(starts[first]) if starts[first] > 0 else 0)
            raise refuse("row.blank", "a blank line between the rows", line=line)
        if self.blank_from is None and first >= 0:
            self.blank_from = offset + int(starts[first])
            self.blank_line = self.lines + 1 + chunk.count(b"\n", 0, max(0, int(starts[first])))
        self.blanks += int(blank.sum())

    def _refuse_lone_cr(self, line: int) -> Refused:
        return refuse("row.lone_cr", "a CR stands alone, outside quotes", line=line, hint="end rows with LF or CR LF")
