"""What the C finds in the bytes of a piece is what a loop over them finds, and what Python's decoder and csv say."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given, settings, strategies

from sftp_orchestrator.prepare.checks.screens import Spec, Time
from sftp_orchestrator.prepare.rows._native import PADDING_BYTES, Reader, find_cut, find_record_ends
from sftp_orchestrator.prepare.text.pieces import PADDING, Cutter
from tests.support.native import compile_native, load_native

CHARACTERS = strategies.text(
    alphabet='a,"\né漢😀\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff', max_size=200
)
MARKS = strategies.text(alphabet='a,"\n', max_size=400).map(str.encode)
PIECES = (b"a", b'"', b",", b"\n", b"\r", b"\r\n", b"\0", "é".encode(), "漢".encode(), b"\xe0", b"\xf0\x9f", b"a" * 60)
LONGEST = 100


def _make_reader(
    width: int,
    *,
    is_crlf: bool = False,
    longest: int = LONGEST,
    time_column: int | None = None,
    screens: tuple[Spec, ...] = (),
) -> Reader:
    return Reader(
        width=width,
        delimiter=ord(","),
        is_crlf=is_crlf,
        max_record_bytes=longest,
        screens=screens,
        names=None,
        stops_names=False,
        time_column=time_column,
    )


def _find_utf8_fault(content: bytes) -> int | None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@settings(max_examples=500)
@given(
    text=CHARACTERS, place=strategies.integers(0, 800), byte=strategies.integers(0, 255), is_cut=strategies.booleans()
)
@example(text="a" * 20 + "é", place=21, byte=0xA9, is_cut=True)
def test_utf8_is_what_the_decoder_takes(text: str, place: int, byte: int, *, is_cut: bool) -> None:
    """With one byte changed or taken out, bytes pass exactly where Python decodes them, else the place is the same."""
    content = bytearray(text.encode() + b"x" * 300)
    place %= len(content)
    content[place : place + 1] = b"" if is_cut else bytes([byte])
    _require_same_fault(bytes(content))


@given(first=strategies.integers(0x80, 0xFF), rest=strategies.binary(max_size=3), before=strategies.integers(0, 20))
def test_every_character_of_several_bytes_is_judged_as_the_decoder_does(first: int, rest: bytes, before: int) -> None:
    """No overlong form, surrogate, number above U+10FFFF or cut character passes, and all others do."""
    for behind in (b"", b"x" * 50):
        _require_same_fault(b"x" * before + bytes([first]) + rest + behind)


def _require_same_fault(content: bytes) -> None:
    # Quotes are another mistake, and told after it; NUL before.
    content = content.replace(b"\0", b"x") + b"\n"
    seen = _make_reader(1, longest=2000).look(content + PADDING, len(content), 0)
    fault = _find_utf8_fault(content)
    assert (seen == ("text.not_utf8", fault)) if fault is not None else (seen[0] != "text.not_utf8")


def _list_ends(content: bytes) -> list[int]:
    """Return the places after line breaks outside of quotes, by a loop."""
    found, is_inside = [], False
    for place, byte in enumerate(content):
        is_inside ^= byte == ord('"')
        if byte == ord("\n") and not is_inside:
            found.append(place + 1)
    return found


@given(content=MARKS)
def test_records_end_outside_of_quotes(content: bytes) -> None:
    """A line break counts where an even number of quotes stands before it; the last one is where a chunk is cut."""
    ends = _list_ends(content)
    assert memoryview(find_record_ends(content, 1000)).cast("q").tolist() == [1000 + end for end in ends]
    assert find_cut(content, False) == (max(ends, default=0), content.count(b'"') % 2 == 1)  # noqa: FBT003 - positional in C


@given(content=MARKS, size=strategies.integers(1, 200))
def test_pieces_are_cut_at_record_ends(content: bytes, size: int) -> None:
    """However the file is read, pieces and rest are its bytes, and each piece ends as a record does."""
    cutter, offset = Cutter(7), 7
    for start in range(0, len(content), size):
        piece = cutter.add(content[start : start + size])
        if piece is not None:
            assert piece.offset == offset
            body = piece.content.removesuffix(PADDING)
            assert _list_ends(body)[-1] == len(body)
            offset += len(body)
    assert cutter.offset == offset
    assert cutter.rest == content[offset - 7 :]
    assert _list_ends(cutter.rest) == []
    assert cutter.is_inside == bool(content.count(b'"') % 2)


CELLS = strategies.text(alphabet='ab,"\n\ré', max_size=30)


@settings(max_examples=300)
@given(
    rows=strategies.lists(strategies.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=40),
    is_crlf=strategies.booleans(),
)
def test_what_python_writes_is_in_form(rows: list[tuple[str, str, str]], *, is_crlf: bool) -> None:
    """Rows that the csv module wrote are as many, as long and of as many fields; whatever stands in their cells."""
    text = io.StringIO(newline="")
    # Before Python 3.13 the writer puts no quotes around a CR.
    has_returns = "\r" in "".join(map("".join, rows))
    writer = csv.writer(
        text, lineterminator="\r\n" if is_crlf else "\n", quoting=csv.QUOTE_ALL if has_returns else csv.QUOTE_MINIMAL
    )
    writer.writerows(rows)
    content = text.getvalue().encode()
    ends = _list_ends(content)
    longest = max(end - start for start, end in zip([0, *ends], ends, strict=False))
    seen = _make_reader(3, is_crlf=is_crlf).look(content + PADDING, len(content), 0)
    if longest > LONGEST:
        assert seen[0] == "record.too_long"
    else:
        assert seen[:4] == (len(rows), len(rows), len(content), longest)
        assert seen[5:7] == (0, [])
    # With another header the same rows are ragged, each in its place.
    other = _make_reader(2, is_crlf=is_crlf).look(content + PADDING, len(content), 0)
    if longest <= LONGEST:
        assert other[5:7] == (len(rows), [(start, 3) for start in [0, *ends][: len(rows)]][:10])


def _read_strictly(content: bytes) -> int | None:
    """Return how many rows a strict parser finds; None where it finds a mistake."""
    try:
        return sum(1 for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True) if row)
    except csv.Error:
        return None


@settings(max_examples=1000)
@given(content=MARKS)
def test_strays_are_found_where_a_strict_parser_finds_them(content: bytes) -> None:
    """Whatever passes has as many rows for Python's strict parser; what that refuses does not pass."""
    content += b"\n"
    seen = _make_reader(1).look(content + PADDING, len(content), 0)
    found = _read_strictly(content)
    if found is None:
        assert seen[0] in {"quote.within", "quote.followed", "quote.unterminated"}
    elif len(seen) > 2:
        assert seen[1] == found


@given(
    cells=strategies.lists(
        strategies.one_of(
            strategies.integers(-(2**63) - 1, 2**63).map(str),
            strategies.text(alphabet="-0123456789 +.e\x80", max_size=20),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_the_earliest_time_is_the_least_whole_number(cells: list[str]) -> None:
    """Whole numbers of 64 bits are known as such and read; nothing else is."""
    content = "".join(f"x,{cell}\n" for cell in cells).encode()
    digits = [(cell, cell.removeprefix("-")) for cell in cells]
    numbers = [int(cell) for cell, rest in digits if rest.isascii() and rest.isdecimal() and len(rest) <= 19]
    numbers = [number for number in numbers if abs(number) < 2**63]
    # The screen for times notes them on the way, whether it stops them or not.
    for screens in ((), (Time(position=1, earliest=5, latest=10**9).describe(),)):
        seen = _make_reader(2, time_column=1, screens=screens).look(content + PADDING, len(content), 0)
        assert seen[4:5] == (min(numbers, default=None),)


def test_what_is_behind_a_piece_is_never_part_of_it() -> None:
    """A piece of any length up to some blocks has its last record's end as its end."""
    for length in range(3 * PADDING_BYTES):
        content = b"a" * length + b"\n"
        seen = Reader(1, ord(","), False, 1000, (), None, False, None).look(content + PADDING, len(content), 0)  # noqa: FBT003 - as C has it
        assert seen[2:4] == ((length + 1, length + 1) if length else (0, 1))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The C as it is on a processor without AVX2."""
    library: Path = tmp_path_factory.mktemp("plain") / "_native.so"
    compile_native(library, "-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", macros=["HAS_WALK_AVX2=0"])
    return load_native(library)


@settings(max_examples=1000)
@given(
    content=strategies.lists(strategies.sampled_from(PIECES), max_size=200).map(b"".join),
    width=strategies.integers(1, 3),
    is_crlf=strategies.booleans(),
)
def test_every_processor_sees_the_same(content: bytes, width: int, plain: ModuleType, *, is_crlf: bool) -> None:
    """Without the instructions that only some processors have the same is found, and the same is wrong."""
    content += b"\r\n" if is_crlf else b"\n"
    arguments = (width, ord(","), is_crlf, LONGEST, (), None, False, None)
    seen = [kind(*arguments).look(content + PADDING, len(content), 0) for kind in (Reader, plain.Reader)]
    assert seen[0] == seen[1]
