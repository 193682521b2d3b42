"""The part in C: what it refuses, and what it does, on small examples."""

from __future__ import annotations

from array import array

import pytest

from sftp_orchestrator.prepare.pieces import PADDING
from sftp_orchestrator.prepare.rows import _native
from sftp_orchestrator.prepare.screens import Spec


def test_records_are_put_one_behind_the_other() -> None:
    """Records come in the order that is asked for."""
    content = b"header\nfirst\nsecond\n"
    starts, ends = array("q", [13, 7, 0]), array("q", [20, 13, 0])
    assert _native.gather(content, memoryview(starts), memoryview(ends)) == b"second\nfirst\n"


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (3, 2), (0, 7)])
def test_no_byte_outside_of_the_content_is_read(start: int, end: int) -> None:
    """A record that does not lie in the content is an error."""
    with pytest.raises(ValueError, match="outside"):
        _native.gather(b"123456", memoryview(array("q", [start])), memoryview(array("q", [end])))


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
        {"kind": "whole", "position": 0, "digits": 19},
        {"kind": "whole", "position": 0, "digits": 9, "lowest": 1 << 63},
        {"kind": "nobody", "positions": (0, 2)},
        {"kind": "one_of", "position": 0, "values": (b"",)},
        {"kind": "prefix", "positions": (0,)},
        {"kind": "date", "position": 0, "max_bytes": 25},
        {"kind": "date", "position": 0, "lowest_bytes": b"0" * 25},
        {"kind": "date", "position": 0, "day_at": 21},
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
    assert [row for row, _, _ in seen[8]] == [3000, 3001]
    assert seen[9] == names[:1024]
