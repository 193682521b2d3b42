"""One pass over a file: is it RFC 4180 text in UTF-8, where do its records end, which rows are looked at twice.

One thread reads and cuts, one hashes, others look at the pieces. All of that is done in C, without the interpreter's
lock, so that they do so at the same time. What they find is put together in the file's order: the first thing wrong in
the file is what it is refused for.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.files import Fingerprint, get_fingerprint
from sftp_orchestrator.prepare.checks.screens import Screen
from sftp_orchestrator.prepare.report import SHOWN, Finding, Refused, refuse, tally
from sftp_orchestrator.prepare.rows._native import number_rows
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.digest import Digest
from sftp_orchestrator.prepare.text.header import MAX_HEADER_BYTES, MAX_RECORD_BYTES, Header, parse_header
from sftp_orchestrator.prepare.text.lines import count_lines
from sftp_orchestrator.prepare.text.pieces import (
    PADDING,
    Broken,
    Cutter,
    Piece,
    PieceFacts,
    RaggedRow,
    look,
    refuse_form,
)
from sftp_orchestrator.prepare.text.record_index import RecordIndex
from sftp_orchestrator.prepare.text.screening import Screening
from sftp_orchestrator.prepare.text.stopped import StoppedRows

CHUNK_BYTES = 1536 * 1024
"""Small enough for the processor's cache, where the passes over a piece stay fast; so large that calls cost little."""
_THREADS = max(3, min(4, os.cpu_count() or 1))
"""That look at pieces: with two on two processors one of these stands idle now and then, and hashing alone keeps no
more than four busy."""
_PIECES_AHEAD = 2
"""Cut and waiting for a thread; bounds the memory."""
MAX_COUNTED_NAMES = 10_000
"""Of events: many times what an account may have."""
_ABOVE_ASCII = bytes(range(0x80, 0x100))
_LARGEST_BLOCK = 31 * 1024 * 1024
"""Just below what glibc's malloc will ever keep for later (``DEFAULT_MMAP_THRESHOLD_MAX``, mallopt(3))."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What the pass found; the file is RFC 4180 text in UTF-8, and all rows have as many fields as the header."""

    fingerprint: Fingerprint
    sha256: str
    header: Header
    body_end: int
    """offset after the last record; blank lines at the very end are left out"""
    records: int
    """without the header"""
    earliest_ts: int | None
    """the least time of all rows, where one was asked for"""
    longest_record: int
    """bytes, without the header"""
    stopped: int
    """rows that a screen stopped: to be looked at again"""
    stopped_by: frozenset[Screen]
    """the screens that did: what any other one looks for is in no row"""
    event_names: int
    """different ones, where they were asked for; up to ``MAX_COUNTED_NAMES``"""
    index: RecordIndex


def scan(
    path: Path,
    *,
    delimiter: str = ",",
    screening: Screening | None = None,
    stopped: StoppedRows | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    watch: Watch = Watch(),  # noqa: B008 - frozen
) -> Scan:
    """Read ``path`` once, from begin to end; may be repeated. Blocking; memory of a few chunks.

    The rows that ``screening`` stops are added to ``stopped``, each under its number, the first one being 1.

    Raises:
        Refused: with the rule it breaks and the line.
        SourceChanged: it was written to meanwhile.
        LocalFault: it cannot be read, or the stopped rows cannot be written.
        Stopped: ``watch`` said so.
    """
    with contextlib.ExitStack() as stack:
        descriptor = stack.enter_context(_opened(path))
        before = get_fingerprint(descriptor)
        # What is one piece is looked at here: to start a thread takes longer.
        is_large = before.size > chunk_bytes
        pool = stack.enter_context(_open_pool()) if is_large else None
        digest = Digest(stack.enter_context(_open_threads("hash", 1)) if is_large else None)
        header = parse_header(os.pread(descriptor, MAX_HEADER_BYTES, 0), delimiter)
        found = _Pass(path, header, digest, pool, screening or Screening(), stopped)
        try:
            offset = 0
            # A byte more than there should be is asked for, and no more: a file that grows as fast as it is read would
            # have no end, and a short one needs no memory that it does not fill.
            while chunk := os.pread(descriptor, min(chunk_bytes, before.size + 1 - offset), offset):
                found.take(offset, chunk)
                offset += len(chunk)
                watch.advance(len(chunk))
            found.finish()
        except Refused as refused:
            _require_same(descriptor, before, refused)
            raise
        _require_same(descriptor, before, None)
        return found.make_scan(before)


def read_header(path: Path, delimiter: str = ",") -> Header:
    """Return the header of ``path``, reading no more than it takes; raises as ``scan``."""
    with _opened(path) as descriptor:
        return parse_header(os.pread(descriptor, MAX_HEADER_BYTES, 0), delimiter)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LocalFault("read", str(path), error.strerror or str(error)) from error


@functools.cache
def _keep_freed_memory() -> None:
    # A large block given back tells glibc's malloc to keep what the looks at pieces give back. By itself it hands every
    # one to the system, and clearing the pages of the next takes longer than all else. Once is enough:
    # a second such block would be taken from what is kept, and be cleared.
    bytearray(_LARGEST_BLOCK)


@contextmanager
def _open_pool() -> Iterator[ThreadPoolExecutor]:
    _keep_freed_memory()
    with _open_threads("scan", _THREADS) as pool:
        yield pool


@contextmanager
def _open_threads(name: str, count: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _require_same(descriptor: int, before: Fingerprint, refused: Refused | None) -> None:
    # A file that is still being written looks broken; that it changes is the better reason.
    if get_fingerprint(descriptor) != before:
        raise SourceChanged("read", "the file", "it changed while it was read") from refused


class _Pass:
    """One pass: what is cut and being looked at, and what is known so far."""

    def __init__(
        self,
        path: Path,
        header: Header,
        digest: Digest,
        pool: ThreadPoolExecutor | None,
        screening: Screening,
        stopped: StoppedRows | None,
    ) -> None:
        self._path = path
        self._header = header
        self._pool = pool
        self._screening = screening
        self._reader = screening.make_reader(header)
        self._stopped = stopped
        self._digest = digest
        self._cutter = Cutter(header.body_start)
        self._never_ended: Broken | None = None
        self._ahead: deque[tuple[Piece, Future[PieceFacts]]] = deque()
        self._known = _Known(body_end=header.body_start)
        self._check_header()

    def take(self, offset: int, chunk: bytes) -> None:
        """Go on with the bytes at ``offset``."""
        self._digest.update(chunk)
        if self._never_ended is not None:
            if b'"' in chunk:
                raise self._refuse(refuse_form("record.too_long", at=0), self._cutter.offset)
            return
        body = chunk[max(0, self._header.body_start - offset) :]
        piece = self._cutter.add(body) if body else None
        if piece is not None:
            self._submit(piece)
        elif len(self._cutter.rest) > MAX_RECORD_BYTES:
            self._drain()
            self._never_ended = self._explain_rest()

    def finish(self) -> None:
        """End with the file's end."""
        rest, offset = self._cutter.rest, self._cutter.offset
        if self._never_ended is not None:
            raise self._refuse(self._never_ended, offset)
        if rest.endswith(b"\r") and not self._cutter.is_inside:
            self._drain()
            raise self._refuse(refuse_form("row.lone_cr", at=len(rest) - 1), offset)
        if rest:
            self._submit(self._cutter.finish(self._header.newline))
        self._drain()
        if self._known.rows == 0:
            raise refuse("file.no_rows", "the file has no rows, only a header", line=1)
        if self._known.ragged:
            raise self._refuse_ragged()

    def make_scan(self, fingerprint: Fingerprint) -> Scan:
        """Return what is known at the end."""
        known = self._known
        filled = [place for place, start in enumerate(known.starts) if start < known.body_end]
        header_start = self._header.body_start - len(self._header.header_bytes)
        return Scan(
            fingerprint=fingerprint,
            sha256=self._digest.hexdigest(),
            header=self._header,
            body_end=known.body_end,
            records=known.rows,
            earliest_ts=known.earliest,
            longest_record=known.longest,
            stopped=known.stopped,
            stopped_by=self._screening.name(known.stopped_by),
            event_names=min(len(known.names), MAX_COUNTED_NAMES),
            index=RecordIndex(
                starts=(header_start, *(known.starts[place] for place in filled)),
                ends_before=(0, *(known.ends_before[place] for place in filled)),
                last_offset=known.body_end,
            ),
        )

    def _check_header(self) -> None:
        header = self._header
        try:
            look(Piece(offset=0, content=header.header_bytes + PADDING), Screening().make_reader(header), header)
        except Broken as broken:
            raise self._refuse(broken, header.body_start - len(header.header_bytes)) from None

    def _explain_rest(self) -> Broken:
        """Return why a record is longer than any may be: a quoted field in it has not ended; else refuse it."""
        # A character may be cut through at the end.
        newline = self._header.newline
        content = self._cutter.rest.rstrip(_ABOVE_ASCII) + newline + PADDING
        piece = Piece(offset=self._cutter.offset, content=content, added=len(newline))
        try:
            look(piece, self._reader, self._header)
        except Broken as broken:
            if broken.rule == "quote.unterminated":
                return broken
            raise self._refuse(broken, self._cutter.offset) from None
        raise self._refuse(refuse_form("record.too_long", at=0), self._cutter.offset)

    def _submit(self, piece: Piece) -> None:
        while len(self._ahead) >= _THREADS + _PIECES_AHEAD:
            self._put_together()
        self._ahead.append((piece, self._begin_look(piece)))

    def _begin_look(self, piece: Piece) -> Future[PieceFacts]:
        if self._pool is not None:
            return self._pool.submit(look, piece, self._reader, self._header)
        done = Future[PieceFacts]()
        try:
            done.set_result(look(piece, self._reader, self._header))
        except Broken as broken:
            done.set_exception(broken)
        return done

    def _drain(self) -> None:
        while self._ahead:
            self._put_together()

    def _put_together(self) -> None:
        """Add what was found in the oldest piece to what is known."""
        piece, future = self._ahead.popleft()
        try:
            facts = future.result()
        except Broken as broken:
            # The first blank line may stand at the end of an earlier piece.
            is_first = broken.rule != "row.blank" or self._known.blank_from is None
            raise (self._refuse(broken, piece.offset) if is_first else self._refuse_blank()) from None
        if facts.rows and self._known.blank_from is not None:
            raise self._refuse_blank()
        if self._stopped is not None and facts.stopped:
            first, delimiter = self._known.rows + 1, ord(self._header.delimiter)
            self._stopped.add(number_rows(piece.content, facts.stopped, first, delimiter), facts.stopped_count)
        self._known.add(piece, facts)

    def _refuse(self, broken: Broken, offset: int) -> Refused:
        place = offset + broken.at
        return refuse(broken.rule, broken.message, line=count_lines(self._path, [place])[place], hint=broken.hint)

    def _refuse_blank(self) -> Refused:
        return self._refuse(refuse_form("row.blank", at=0), self._known.blank_from or 0)

    def _refuse_ragged(self) -> Refused:
        known = self._known
        lines = count_lines(self._path, [row.at for row in known.ragged])
        findings = [
            Finding(
                rule="row.ragged",
                message=f"the row has {row.fields} fields, the header {len(self._header.names)}",
                line=lines[row.at],
            )
            for row in known.ragged
        ]
        hint = "every row must have as many fields as the header; what else is wrong shows once this is mended"
        return Refused(tally(findings, total=known.ragged_count), hint=hint)


@dataclass(kw_only=True)
class _Known:
    """What is known of the pieces so far, in the file's order."""

    body_end: int
    starts: list[int] = field(default_factory=list)
    ends_before: list[int] = field(default_factory=list)
    ends: int = 1
    """record ends, the header's included"""
    rows: int = 0
    blank_from: int | None = None
    earliest: int | None = None
    longest: int = 0
    stopped: int = 0
    stopped_by: set[int] = field(default_factory=set)
    """numbers of the screens that stopped rows"""
    names: set[bytes] = field(default_factory=set)
    ragged: list[RaggedRow] = field(default_factory=list)
    """the first of them, placed in the file"""
    ragged_count: int = 0

    def add(self, piece: Piece, facts: PieceFacts) -> None:
        self.starts.append(piece.offset)
        self.ends_before.append(self.ends)
        self.ends += facts.ends
        self.rows += facts.rows
        if facts.rows:
            self.body_end = piece.offset + facts.filled
        if facts.ends > facts.rows and self.blank_from is None:
            self.blank_from = self.body_end
        times = [time for time in (self.earliest, facts.earliest) if time is not None]
        self.earliest = min(times, default=None)
        self.longest = max(self.longest, facts.longest)
        self.stopped += facts.stopped_count
        self.stopped_by.update(facts.stopped_by)
        if len(self.names) < MAX_COUNTED_NAMES:
            self.names.update(facts.names)
        self.ragged_count += facts.ragged_count
        placed = (RaggedRow(at=piece.offset + row.at, fields=row.fields) for row in facts.ragged)
        self.ragged = [*self.ragged, *placed][:SHOWN]
