"""What numpy finds in the bytes of a piece is what a loop over them finds, and what Python's own decoder says."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings, strategies

from sftp_orchestrator.prepare import utf8
from sftp_orchestrator.prepare.event_names import MAX_TABLED, EventNames
from sftp_orchestrator.prepare.form import PADDING, find_marks, find_record_ends
from sftp_orchestrator.prepare.pieces import Cutter
from sftp_orchestrator.prepare.words import BYTES, flag_range, lower, pack, read_digits, replace
from tests.support.columns import make_column

CHARACTERS = strategies.text(
    alphabet='a,"\né漢😀\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff', max_size=200
)
WORDS = strategies.lists(strategies.binary(min_size=BYTES, max_size=BYTES), min_size=1, max_size=20)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _find_fault(content: bytes) -> int | None:
    padded = content + PADDING
    return utf8.find_fault(padded, np.frombuffer(padded, dtype=np.uint8)[: len(content)])


@settings(max_examples=500)
@given(
    text=CHARACTERS, place=strategies.integers(0, 800), byte=strategies.integers(0, 255), is_cut=strategies.booleans()
)
@example(text="a" * 20 + "é", place=21, byte=0xA9, is_cut=True)
def test_utf8_is_what_the_decoder_takes(text: str, place: int, byte: int, *, is_cut: bool) -> None:
    """With one byte changed or taken out, bytes pass exactly where Python decodes them, else the place is its own."""
    content = bytearray(text.encode() + b"x" * 300)
    place %= len(content)
    content[place : place + 1] = b"" if is_cut else bytes([byte])
    found = _find_fault(bytes(content))
    assert (found is None) == _is_utf8(bytes(content))
    if found is not None:
        assert _is_utf8(bytes(content[:found]))


@given(first=strategies.integers(0x80, 0xFF), rest=strategies.binary(min_size=1, max_size=3))
def test_every_character_of_several_bytes_is_judged_as_the_decoder_does(first: int, rest: bytes) -> None:
    """No overlong form, surrogate or number above U+10FFFF passes, and all others do."""
    content = b"x" * 50 + bytes([first]) + rest + b"x" * 50
    assert (_find_fault(content) is None) == _is_utf8(content)


def _list_marks(content: bytes, marks: bytes) -> tuple[list[int], list[int]]:
    quotes, found, is_inside = [], [], False
    for place, byte in enumerate(content):
        if byte == ord('"'):
            is_inside = not is_inside
            quotes.append(place)
        elif byte in marks and not is_inside:
            found.append(place)
    return quotes, found


@given(content=strategies.text(alphabet='a,"\n', max_size=300).map(str.encode))
def test_marks_are_those_outside_of_quotes(content: bytes) -> None:
    """Commas and line breaks count where an even number of quotes stands before them."""
    quotes, found = find_marks(np.frombuffer(content, dtype=np.uint8), b",\n")
    assert (quotes.tolist(), found.tolist()) == _list_marks(content, b",\n")


@given(content=strategies.text(alphabet='a"\n', max_size=100).map(str.encode), size=strategies.integers(1, 20))
def test_pieces_are_cut_at_record_ends(content: bytes, size: int) -> None:
    """However the file is read, pieces and rest are its bytes, and each piece ends as a record does."""
    cutter, offset = Cutter(7), 7
    for start in range(0, len(content), size):
        piece = cutter.add(content[start : start + size])
        if piece is not None:
            assert piece.offset == offset
            body = piece.content.removesuffix(PADDING)
            assert int(find_record_ends(np.frombuffer(body, dtype=np.uint8))[-1]) == len(body) - 1
            offset += len(body)
    assert cutter.offset == offset
    assert cutter.rest == content[offset - 7 :]
    assert find_record_ends(np.frombuffer(cutter.rest, dtype=np.uint8)).size == 0
    assert cutter.is_inside == bool(content.count(b'"') % 2)


@given(texts=WORDS, low=strategies.integers(0, 127), high=strategies.integers(0, 127))
def test_bytes_of_words_are_flagged_each_for_itself(texts: list[bytes], low: int, high: int) -> None:
    """A flag says of one byte alone whether it lies in a range; those above ASCII lie in none."""
    low, high = sorted((low, high))
    words = np.frombuffer(b"".join(texts), dtype=np.uint64)
    flags = flag_range(words, low, high).tobytes()
    assert flags == bytes(0x80 if low <= byte <= high else 0 for text in texts for byte in text)


@given(texts=WORDS)
def test_words_are_changed_byte_by_byte(texts: list[bytes]) -> None:
    """Small letters stand for capital ones, and one byte for another, whatever is beside them."""
    content = b"".join(texts)
    words = np.frombuffer(content, dtype=np.uint64)
    assert lower(words).tobytes() == content.lower()
    assert replace(words, ord("."), ord("0")).tobytes() == content.replace(b".", b"0")


@given(numbers=strategies.lists(strategies.integers(0, 99_999_999), min_size=1, max_size=20))
def test_eight_digits_are_read(numbers: list[int]) -> None:
    """Eight digits in a word are the number that they stand for."""
    words = np.array([pack(f"{number:08}".encode(), 1)[0] for number in numbers], dtype=np.uint64)
    assert read_digits(words).tolist() == numbers


@given(
    cells=strategies.lists(
        strategies.one_of(
            strategies.integers(-(10**18) + 1, 10**18 - 1).map(str),
            strategies.text(alphabet="-0123456789 +.e", max_size=20),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_of_a_column_are_read(cells: list[str]) -> None:
    """Whole numbers of up to 18 digits are known as such and read; nothing else is."""
    column = make_column([cell.encode() for cell in cells])
    found = column.numbers
    for cell, is_whole, value in zip(cells, found.is_whole.tolist(), found.values.tolist(), strict=True):
        digits = cell.removeprefix("-")
        assert is_whole == (digits.isdecimal() and len(digits) <= 18)
        assert not is_whole or value == int(cell)
    assert column.are_digits(18).tolist() == found.is_whole.tolist()


@settings(max_examples=30)
@given(
    names=strategies.lists(strategies.binary(max_size=80).filter(lambda name: b"\0" not in name), max_size=40),
    pieces=strategies.integers(1, 4),
)
def test_names_are_judged_as_if_one_by_one(names: list[bytes], pieces: int) -> None:
    """Whatever was seen before, and however long a name is, the rows of suspicious names are found, and no others."""
    event_names = EventNames(lambda name: len(name) % 3 == 0)
    for _ in range(pieces):
        if names:
            found = event_names.find_suspicious(make_column(names)).tolist()
            assert found == [row for row, name in enumerate(names) if len(name) % 3 == 0]
    assert event_names.count == len(set(names))


def test_more_names_than_the_table_has_are_judged_too() -> None:
    """Names beyond the table, and such as begin with one of it, are known for what they are."""
    names = [b"name %d" % number for number in range(MAX_TABLED + 100)] + [
        b"name 10!",
        b"name 1",
        b"name 1" + b"0" * 80,
    ]
    event_names = EventNames(lambda name: name.endswith((b"!", b"0" * 80)))
    for _ in range(2):
        assert event_names.find_suspicious(make_column(names)).tolist() == [MAX_TABLED + 100, MAX_TABLED + 102]
    assert event_names.count == MAX_TABLED + 102
