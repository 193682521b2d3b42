"""Fuzzed: what tells where rows begin and end, and what screens their cells, against the slow reference."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import itertools
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.row_checks import list_checks
from sftp_orchestrator.prepare.parts.split import split
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.rows._native import Reader, number_rows
from sftp_orchestrator.prepare.text import scan as scanning
from sftp_orchestrator.prepare.text.header import Header, parse_header
from sftp_orchestrator.prepare.text.pieces import PADDING, Broken, Piece, look
from sftp_orchestrator.prepare.text.record_index import RecordEnds
from sftp_orchestrator.prepare.text.scan import Scan, scan
from sftp_orchestrator.prepare.text.screening import Screening
from tests.fuzz import reference
from tests.fuzz.engine import Target, require
from tests.fuzz.scratch import make_dice, written
from tests.support.nasty_cells import LISTED

T = TypeVar("T")

_DELIMITERS = (",", ";", "\t", "|")
_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TOKENS = (
    *(b'"', b'""', b",", b";", b"\t", b"|", b"\n", b"\r\n", b"\r", b"\0", b"a", b"1700000000", b'"\n"', b'""""', b","),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xc3\xa9",
        b"\xe2\x82",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        b"PAR1\x15",
    ),
    *(cell.encode() for cell in LISTED),
)
FILES = (
    b"a,b,c\n1,2,3\n4,5,6\n",
    b'a,b\r\n"x\r\ny","say ""hi"""\r\n1,2\r\n\r\n',
    b'\xef\xbb\xbf"a\nb",c\n1,\n"",2',
    b'evtName,ts,identity\nSold,1700000000,u1\n"Sold, \xc3\xa9",1,"u\n2"\n',
    b'a\n1\n""\n3\n',
    b"a;b\n1;2\n",
)


COLUMNS: dict[str, dict[str, str]] = {
    "evtName": {},
    "ts": {"type": "INTEGER"},
    "identity": {},
    "objectId": {},
    "whole": {"type": "INTEGER"},
    "long": {"type": "LONG"},
    "decimal": {"type": "FLOAT"},
    "flag": {"type": "BOOLEAN"},
    "day": {"type": "DATE", "date_format": "dd MMM yyyy HH:mm:ss"},
    "date": {"type": "DATE", "date_format": "yyyy/MM/dd"},
    "unix": {"type": "DATE", "date_format": "UNIX"},
    "Email": {},
    "Phone": {},
    "Gender": {},
    "hobby.operation": {},
}
_ALL = Header(
    names=tuple(COLUMNS),
    header_bytes=(",".join(COLUMNS) + "\n").encode(),
    newline=b"\n",
    body_start=len(",".join(COLUMNS)) + 1,
    delimiter=",",
)


def choose_delimiter(content: bytes) -> str:
    """Return the delimiter that a case is read by: the same for as many bytes."""
    return _DELIMITERS[len(content) % 7 % 4] if len(content) % 2 else ","


def _read_header(content: bytes) -> None:
    """A header is refused, or its names are what Python's strict parser reads in its bytes."""
    delimiter = choose_delimiter(content)
    try:
        header = parse_header(content, delimiter)
    except Refused as refused:
        require(refused.findings, "no reason")
        return
    start = header.body_start - len(header.header_bytes)
    assert content[start : header.body_start] == header.header_bytes
    assert content[:start] in {b"", b"\xef\xbb\xbf"}
    assert header.header_bytes.endswith(header.newline)
    (names,) = csv.reader(io.StringIO(header.header_bytes.decode(), newline=""), delimiter=delimiter, strict=True)
    assert tuple(names) == header.names
    assert len(set(names)) == len(names)
    assert all(name.strip() for name in names)
    try:
        record = reference.read_record(header.header_bytes, 0, header)
    except reference.WrongForm:
        # A stray quote in it: csv takes it, and the pass over the file does not.
        with written(content) as path:
            require(isinstance(_scan(path, delimiter, len(content)), Refused), "a stray quote in the header is taken")
        return
    assert (record.end, record.fields) == (len(header.header_bytes), len(names))


class _Inline(Executor):
    """Does what it is given at once."""

    def submit(self, function: Callable[..., T], /, *arguments: object, **options: object) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(function(*arguments, **options))
        except Broken as broken:
            done.set_exception(broken)
        return done


@contextmanager
def _open_inline() -> Iterator[Executor]:
    yield _Inline()


def use_no_threads() -> None:
    """Have pieces looked at one after the other in this process: waiting for threads would take most of the time.

    What they find is put together in the file's order all the same.
    """
    scanning._open_pool = _open_inline  # type: ignore[assignment]


def _scan(path: Path, delimiter: str, chunk_bytes: int) -> Scan | Refused:
    try:
        return scan(path, delimiter=delimiter, chunk_bytes=chunk_bytes)
    except Refused as refused:
        return refused


def _inspect_and_split(content: bytes) -> None:
    """Whatever the chunks: rows are those of the reference, or both refuse; joined, the parts are the file."""
    delimiter, dice = choose_delimiter(content), make_dice(content)
    least = 1 + len(content) // 100
    sizes = [least + dice.randrange(8), least + dice.randrange(100), 1_000_000]
    try:
        header = parse_header(content, delimiter)
        rows = reference.read_rows(content, header)
    except (Refused, reference.WrongForm):
        rows = None
    with written(content) as path:
        found = [_scan(path, delimiter, size) for size in sizes]
        if rows is None:
            refusals = [one for one in found if isinstance(one, Refused)]
            assert len(refusals) == len(found), "taken, and the reference refuses it"
            # Which of several mistakes is told may depend on the chunks; where one of a kind is, never.
            reasons = {(one.findings[0].rule, str(one.findings[0])) for one in refusals}
            assert len(reasons) == len({rule for rule, _ in reasons}), f"the place depends on the chunks: {reasons}"
            return
        for one in found:
            assert isinstance(one, Scan), f"refused, and the reference takes it: {one}"
            _compare(path, one, rows, content, dice)


def _compare(path: Path, found: Scan, rows: list[reference.Record], content: bytes, dice: random.Random) -> None:
    assert (found.records, found.body_end) == (len(rows), rows[-1].end)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    # A line break that is missing at the end is counted: every record ends with one where it is sent.
    lengths = [row.end - row.start for row in rows]
    assert found.longest_record - max(lengths) in {0, len(found.header.newline)}
    head = len(found.header.header_bytes)
    max_bytes = head + dice.randint(2, 2 * (head + rows[-1].end))
    try:
        parts = split(found, path, max_bytes=max_bytes)
    except Refused:
        assert max(lengths) > max_bytes - 1 - head, "every record would fit"
        return
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert b"".join(content[part.start : part.end] for part in parts) == content[rows[0].start : rows[-1].end]
    ends = {row.end for row in rows}
    for part in parts:
        assert part.end in ends
        assert head + part.end - part.start < max_bytes
        assert part.records == sum(part.start <= row.start < part.end for row in rows)


def _find_records(content: bytes) -> None:
    """From the sparse index, each record and the ends around any place are found where the reference has them."""
    delimiter, dice = choose_delimiter(content), make_dice(content)
    with written(content) as path:
        found = _scan(path, delimiter, 1 + dice.randrange(60))
        if isinstance(found, Refused):
            return
        rows = reference.read_rows(content, found.header)
        ends = [found.header.body_start, *(row.end for row in rows)]
        index = RecordEnds(path, found.index)
        try:
            for number, row in enumerate(rows, start=1):
                assert index.find_record(number) == (row.start, row.end)
            for _ in range(20):
                after, up_to = sorted(dice.sample(range(found.index.starts[0], found.body_end + 2), 2))
                before = [(end, place) for place, end in enumerate(ends, start=1) if after < end <= up_to]
                assert index.find_last(after=after, up_to=up_to) == (before[-1] if before else None)
                behind = [(end, place) for place, end in enumerate(ends, start=1) if end > after]
                assert index.find_first(after=after) == (behind[0] if behind else (ends[-1], len(ends)))
        finally:
            index.close()


def _make_readers() -> list[Reader]:
    readers = []
    for kind in ("event", "profile"):
        feed = Feed.model_validate({"type": kind, "files": ["*.csv"], "columns": COLUMNS})
        checks = list_checks(list_columns(_ALL.names, feed), feed, now=_NOW, retention_days=None)
        readers.append(Screening([check.screen for check in checks], time_column=1).make_reader(_ALL))
    return readers


def _screen_rows(content: bytes) -> None:
    """Cells of whatever bytes, under every screen at once: each row is counted, none beyond the piece is stopped."""
    # Every cell of the case stands in every column, one time at least.
    cells = [cell.replace(b'"', b'""') for cell in content.split(b"\n")] or [b""]
    width = len(COLUMNS)
    rows = [[b'"%b"' % cells[(row + column) % len(cells)] for column in range(width)] for row in range(len(cells))]
    bare = b"".join(b",".join(row) + b"\n" for row in rows)
    for reader, body in itertools.product(_READERS, (bare, bare.replace(b'"', b""), content + b"\n")):
        # A block of its own size, so that the sanitizer sees the first byte that is read behind it.
        piece = Piece(offset=0, content=bytes(body) + PADDING)
        try:
            facts = look(piece, reader, _ALL)
        except Broken as broken:
            require(0 <= broken.at <= len(body), "a place that is not in the piece")
            continue
        assert facts.rows <= facts.ends <= body.count(b"\n")
        assert facts.filled <= len(body)
        packed = memoryview(facts.stopped).cast("I").tolist()
        stopped = list(zip(packed[::3], packed[1::3], packed[2::3], strict=True))
        assert all(row < facts.rows and start < end <= len(body) for row, start, end in stopped)
        numbered = b"".join(b"%d,%b" % (7 + row, body[start:end]) for row, start, end in stopped)
        assert number_rows(piece.content, facts.stopped, 7, ord(",")) == numbered


_READERS = _make_readers()

HEADER = Target(run=_read_header, seeds=FILES, tokens=TOKENS)
SPLITTER = Target(run=_inspect_and_split, seeds=FILES, tokens=TOKENS)
INDEX = Target(run=_find_records, seeds=FILES, tokens=TOKENS)
SCREENS = Target(
    run=_screen_rows,
    seeds=tuple("\n".join(LISTED[at : at + 20]).encode() for at in range(0, len(LISTED), 20)),
    tokens=TOKENS,
)
