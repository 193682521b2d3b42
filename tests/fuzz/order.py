"""Fuzzed: rows put into the order of time, against Python's own sort of what the reference finds."""

from __future__ import annotations

import csv
import io
import re

from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.sort.sorting import Memory, Unsorted, sort_by_time
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.scan import Scan, scan
from tests.fuzz import reference
from tests.fuzz.engine import Target
from tests.fuzz.rows import FILES, TOKENS, choose_delimiter
from tests.fuzz.scratch import make_dice, written

_LATEST = 2**63 - 2
_MOST_DIGITS = 18
_TIMES = tuple(b"%d" % number for number in (0, -1, 7, 1_700_000_000, 10**17, 10**18 - 1, 10**18, -(10**18), 10**40))


def _sort(content: bytes) -> None:
    """With however little memory, rows are in the order of their times, equal ones as they came, byte for byte."""
    delimiter, dice = choose_delimiter(content), make_dice(content)
    with written(content) as path:
        try:
            found = scan(path, delimiter=delimiter)
        except Refused:
            return
        column = dice.randrange(len(found.header.names))
        records, wanted = _order(content, found, column)
        source = Unsorted(
            path=path,
            header=found.header,
            end=found.body_end,
            records=found.records,
            fingerprint=found.fingerprint,
        )
        memory = Memory(run_bytes=1 + dice.randrange(200), merge_bytes=1 + dice.randrange(400), least_block_bytes=1)
        target = path.with_name("sorted.csv")
        was_written = sort_by_time(source, column, target, memory=memory)
        assert was_written == (records != wanted)
        assert not was_written or target.read_bytes() == found.header.header_bytes + b"".join(wanted)


def _order(content: bytes, found: Scan, column: int) -> tuple[list[bytes], list[bytes]]:
    """Return the records as they stand, each with a line break, and in order."""
    rows = reference.read_rows(content, found.header)
    newline = found.header.newline
    records = [content[row.start : row.end].removesuffix(newline) + newline for row in rows]
    return records, sorted(records, key=lambda record: _get_time(record, found.header, column))


def _get_time(record: bytes, header: Header, column: int) -> int:
    (cells,) = csv.reader(io.StringIO(record.decode(), newline=""), delimiter=header.delimiter, strict=True)
    cell = cells[column]
    if not re.fullmatch(r"-?[0-9]+", cell):
        return _LATEST + 1
    digits = cell.removeprefix("-").lstrip("0") or "0"
    time = int(digits) if len(digits) <= _MOST_DIGITS else _LATEST
    return -time if cell.startswith("-") else time


SORTING = Target(
    run=_sort,
    seeds=(*FILES, b"ts,x\n" + b"".join(b"%b,%d\n" % (time, place) for place, time in enumerate(reversed(_TIMES)))),
    tokens=(*TOKENS, *_TIMES, *(b"\n" + time + b"," for time in _TIMES)),
)
