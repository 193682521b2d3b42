"""The part in C: what it refuses, and what it does, on small examples."""

from __future__ import annotations

import itertools
import random
import struct
from array import array

import pytest
from hypothesis import given, strategies

from sftp_orchestrator.prepare.checks.screens import Spec
from sftp_orchestrator.prepare.rows import _native
from sftp_orchestrator.prepare.text.pieces import PADDING

ROW = "=qII"
NO_TIME = 2**63 - 1
LATEST = NO_TIME - 1


def _pack(*rows: tuple[int, int, int]) -> bytearray:
    return bytearray(b"".join(struct.pack(ROW, *row) for row in rows))


def _find(
    content: bytes, *, time_column: int = 0, delimiter: str = ",", room: int = 9
) -> tuple[list[tuple[int, ...]], int]:
    rows = bytearray(16 * room)
    count, longest = _native.find_rows(content, 0, time_column, delimiter, rows)
    return list(struct.iter_unpack(ROW, rows[: 16 * count])), longest


def test_records_are_put_one_behind_the_other() -> None:
    """Records come in the order that is asked for, and what is behind them in the target stays."""
    target = bytearray(b"." * 15)
    assert _native.gather(b"header\nfirst\nsecond\n", _pack((0, 13, 20), (0, 7, 13)), target) == 13
    assert target == b"second\nfirst\n.."


@pytest.mark.parametrize(("start", "end"), [(3, 2), (0, 7), (7, 7)])
def test_no_byte_outside_of_the_content_is_read(start: int, end: int) -> None:
    """A record that does not lie in the content is an error."""
    with pytest.raises(ValueError, match="outside"):
        _native.gather(b"123456", _pack((0, start, end)), bytearray(9))


def test_no_byte_outside_of_the_target_is_written() -> None:
    """Records that do not fit are an error, and so are rows that are cut or have no room to be sorted."""
    with pytest.raises(ValueError, match="do not fit"):
        _native.gather(b"123456", _pack((0, 0, 4), (0, 0, 4)), bytearray(7))
    with pytest.raises(ValueError, match="16 bytes"):
        _native.gather(b"123456", bytearray(15), bytearray(9))
    with pytest.raises(ValueError, match="room for all"):
        _native.sort_rows(bytearray(32), bytearray(16))
    with pytest.raises(ValueError, match="fit into 32 bits"):
        _native.find_rows(b"1\n", 2**32 - 2, 0, ",", bytearray(16))
    with pytest.raises(ValueError, match="ASCII"):
        _native.find_rows(b"1\n", 0, 0, "§", bytearray(16))


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        *((b"1700000000", 1700000000), (b'"1700000000"', 1700000000), (b"-5", -5), (b"0", 0), (b"-0", 0)),
        *((b"000000000000000000000000017", 17), (b"-00000000000000000000000000", 0), (b"9" * 18, 10**18 - 1)),
        *((b"1" + b"0" * 18, LATEST), (b"9" * 60, LATEST), (b"-" + b"9" * 19, -LATEST)),
        *((cell, NO_TIME) for cell in (b"", b'""', b"-", b"--1", b"+5", b"1.5", b" 1", b"1 ", b"soon", b'"1""2"')),
    ],
)
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_time_is_a_whole_number(cell: bytes, time: int, newline: bytes, column: int) -> None:
    """Wherever its column stands; numbers of more than 18 digits are the latest, what is no number is behind all."""
    cells = [b'"a,\n""b"', b'""']
    cells.insert(column, cell)
    record = b",".join(cells) + newline
    found, longest = _find(record, time_column=column)
    assert (found, longest) == ([(time, 0, len(record))], len(record))


def test_records_end_outside_of_quotes() -> None:
    """A record that has not ended, or for which there is no room, is not found."""
    content = b'1,"a\n2,""\n"\n3,\n4,"x\n5,'
    assert _find(content) == ([(1, 0, 12), (3, 12, 15)], 12)
    assert _find(content, room=1) == ([(1, 0, 12)], 12)
    assert _find(b"") == ([], 0)


def test_a_record_that_lacks_the_column_has_no_time() -> None:
    """As in a file that is written to while it is sorted: nothing else than the record is read."""
    assert _find(b'1,2\n"3\n', time_column=2)[0] == [(NO_TIME, 0, 4)]
    assert _find(b'1,"2"3,4\n5;6\n', time_column=1)[0] == [(NO_TIME, 0, 9), (NO_TIME, 9, 13)]


@pytest.mark.parametrize(
    "times",
    [
        [3, 1, 2],
        [5, 5, 1, 5, 1],
        [NO_TIME, -LATEST, LATEST, 0, NO_TIME, -1, 1],
        [1 << bit for bit in reversed(range(62))],
        [n * 7919 % 5003 for n in range(5000)],
    ],
)
def test_rows_are_sorted_and_equal_ones_keep_their_order(times: list[int]) -> None:
    """Whatever span their times have."""
    rows = [(time, number, number) for number, time in enumerate(times)]
    packed = _pack(*rows)
    assert not _native.sort_rows(packed, bytearray(len(packed)))
    assert list(struct.iter_unpack(ROW, packed)) == sorted(rows)
    assert _native.sort_rows(packed, bytearray(len(packed)))


def _make_reader(*screens: Spec, names: Spec | None = None, width: int = 2) -> _native.Reader:
    return _native.Reader(
        width=width,
        delimiter=ord(","),
        is_crlf=False,
        max_record_bytes=1000,
        screens=screens,
        names=names,
        stops_names=True,
        time_column=None,
    )


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "unheard of"},
        {"kind": "long", "position": 2},
        {"kind": "whole", "position": 0, "digits": 20},
        {"kind": "whole", "position": 0, "digits": 9, "lowest": 1 << 63},
        {"kind": "nobody", "positions": (0, 2)},
        {"kind": "one_of", "position": 0, "values": (b"",)},
        {"kind": "prefix", "positions": (0,)},
        {"kind": "date", "position": 0, "max_bytes": 25},
        {"kind": "date", "position": 0, "lowest_bytes": b"0" * 25},
        {"kind": "date", "position": 0, "day_at": 21},
        {"kind": "crowd", "position": 0, "operation": 2},
        {"kind": "crowd", "position": 0, "operation": 1, "most": 201},
    ],
)
def test_no_screen_is_made_that_would_read_elsewhere(spec: Spec) -> None:
    """What a screen says of itself is checked once, so that nothing need be checked for each row."""
    with pytest.raises(ValueError, match=r"column|kind|such|range|bytes"):
        _make_reader(spec)


@pytest.mark.parametrize(("size", "added"), [(0, 0), (6, 0), (4, -1), (4, 5), (100, 0)])
def test_no_piece_is_looked_at_without_its_padding(size: int, added: int) -> None:
    """A piece ends with a line break, and as much as a word more can be read behind it."""
    with pytest.raises(ValueError, match="records as a whole"):
        _make_reader().look(b"a,b\nc" + PADDING, size, added)


def test_names_beyond_the_thousandth_are_judged_too() -> None:
    """More names than a piece can count are still stopped one by one where they are suspicious."""
    names = [b"name %d" % number for number in range(3000)] + [b"what%", b"", b"name 2999"]
    content = b"".join(b"%b,x\n" % name for name in names)
    reader = _make_reader(names={"position": 0, "max_bytes": 512, "allowed": bytes(set(range(256)) - {ord("%")})})
    seen = reader.look(content + PADDING, len(content), 0)
    assert len(seen) > 2
    assert memoryview(seen[8]).cast("I")[::3].tolist() == [3000, 3001]
    assert seen[9] == names[:1024]


@given(
    records=strategies.lists(strategies.binary(max_size=30), max_size=30),
    first=strategies.integers(0, 10**18),
    chance=strategies.randoms(use_true_random=False),
)
def test_rows_are_numbered_as_they_stand(records: list[bytes], first: int, chance: random.Random) -> None:
    """Each row that was picked comes with its number in the file before it, byte for byte."""
    ends = list(itertools.accumulate(map(len, records), initial=0))
    picked = [row for row in range(len(records)) if chance.random() < 0.5]
    packed = array("I", itertools.chain.from_iterable((row, ends[row], ends[row + 1]) for row in picked))
    numbered = _native.number_rows(b"".join(records), memoryview(packed), first, ord(";"))
    assert numbered == b"".join(b"%d;%b" % (first + row, records[row]) for row in picked)


@pytest.mark.parametrize("packed", [(0, 2, 1), (0, 0, 7), (0, 0)])
def test_no_row_outside_of_the_content_is_numbered(packed: tuple[int, ...]) -> None:
    """Rows that do not lie in the content are an error."""
    with pytest.raises(ValueError, match="no rows"):
        _native.number_rows(b"123456", memoryview(array("I", packed)), 1, ord(","))
