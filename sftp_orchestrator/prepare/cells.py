"""The cells of a piece, a column at a time: where each begins, how long it is, and its bytes in words."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.prepare import words
from sftp_orchestrator.prepare.form import PADDING, Bytes, Form, Positions
from sftp_orchestrator.prepare.words import BYTES, Mask, Words

MAX_WORDS = len(PADDING) // BYTES
"""What can be read of a cell at once, wherever it stands."""
MAX_DIGITS = 18
"""What surely fits into 64 bits."""
_QUOTE, _CR, _MINUS = b'"\r-'
_KEPT = [words.KEEP[np.clip(np.arange(MAX_WORDS * BYTES + 1) - word * BYTES, 0, BYTES)] for word in range(MAX_WORDS)]
"""For each word of a cell, by the cell's length: what keeps the bytes that are the cell's."""
_SHIFT = np.array([64 - 8 * length for length in range(BYTES + 1)], dtype=np.uint64)
_LEADING_ZEROS = np.array([int.from_bytes(b"0" * (BYTES - length), "little") for length in range(9)], dtype=np.uint64)
"""By length: what moves so many digits to a word's end, and the digits to put before them."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A column read as whole numbers."""

    is_whole: Mask
    """whether a cell is an optional minus and 1 to ``MAX_DIGITS`` digits"""
    values: npt.NDArray[np.int64]
    """anything where it is not"""


class Column:
    """The cells of one column, without the quotes around them; quotes within are still doubled."""

    def __init__(self, array: Bytes, starts: Positions, lengths: Positions) -> None:
        self.starts = starts
        self.lengths = lengths
        self._array = array

    @functools.cached_property
    def is_empty(self) -> Mask:
        """Whether a cell has nothing in it."""
        found: Mask = self.lengths == 0
        return found

    def neither_empty_nor(self, is_good: Mask) -> Mask:
        """Return whether a cell has something in it and is not good."""
        found: Mask = ~(self.is_empty | is_good)
        return found

    @functools.cached_property
    def longest(self) -> int:
        """Bytes of the longest cell."""
        return int(self.lengths.max(initial=0))

    @property
    def needed_words(self) -> int:
        """In how many words each cell fits, or how many can be had."""
        return min(MAX_WORDS, max(1, -(-self.longest // BYTES)))

    @functools.cached_property
    def first(self) -> Bytes:
        """The first byte of each cell; of an empty one, what is behind it."""
        return self._array[self.starts]

    @functools.cached_property
    def last(self) -> Bytes:
        """The last byte of each cell; of an empty one, what is before it."""
        found: Bytes = self._array[self.starts + self.lengths - 1]
        return found

    def without_first(self, dropped: Mask) -> Column:
        """Return the column without the first byte of the cells where ``dropped``."""
        return Column(self._array, self.starts + dropped, self.lengths - dropped)

    def without_minus(self) -> Column:
        """Return the column without a minus at the begin of cells."""
        is_negative = (self.first == _MINUS) & ~self.is_empty
        return self.without_first(is_negative) if is_negative.any() else self

    def pick(self, rows: Positions) -> Column:
        """Return the cells of some rows."""
        return Column(self._array, self.starts[rows], self.lengths[rows])

    def read(self, row: int) -> bytes:
        """Return one cell, doubled quotes as they stand."""
        start = int(self.starts[row])
        return self._array[start : start + int(self.lengths[row])].tobytes()

    def get_words(self, number: int, *, filling: int = 0) -> list[Words]:
        """Return the first ``number`` words of each cell, at most ``MAX_WORDS``; ``filling`` is behind a cell's end."""
        gathered = self._gather(self.starts, number)
        lengths = np.minimum(self.lengths, MAX_WORDS * BYTES)
        found = []
        for word in range(number):
            keep = _KEPT[word][lengths]
            kept = gathered[:, word] & keep
            found.append(kept | (~keep & words.fill(filling)) if filling else kept)
        return found

    def are_digits(self, most: int) -> Mask:
        """Return whether each cell is an optional minus and 1 to ``most`` digits; quicker than its number."""
        unsigned = self.without_minus()
        is_good = (unsigned.lengths > 0) & (unsigned.lengths <= most)
        for word in unsigned.get_words(-(-min(most, max(1, unsigned.longest)) // BYTES), filling=ord("0")):
            is_good &= words.are_digits(word)
        return is_good

    @functools.cached_property
    def numbers(self) -> Numbers:
        """The cells as whole numbers."""
        unsigned = self.without_minus()
        left = np.minimum(unsigned.lengths, MAX_DIGITS)
        is_whole = (unsigned.lengths > 0) & (unsigned.lengths <= MAX_DIGITS)
        values = np.zeros(left.size, dtype=np.int64)
        scale = 1
        # From the last digits to the first, eight at a time.
        while left.any():
            taken = np.minimum(left, BYTES)
            left -= taken
            digits = self._gather(unsigned.starts + left, 1)[:, 0]
            digits = (digits << _SHIFT[taken]) | _LEADING_ZEROS[taken]
            is_whole &= words.are_digits(digits)
            values += words.read_digits(digits).astype(np.int64) * scale
            scale *= 10**BYTES
        if unsigned is not self:
            np.negative(values, out=values, where=self.first == _MINUS)
        return Numbers(is_whole=is_whole, values=values)

    def _gather(self, starts: Positions, number: int) -> npt.NDArray[np.uint64]:
        """Return so many words from each start on, a row for each."""
        size = number * BYTES
        # A view in which there is an item of that many bytes at every byte: numpy copies the ones that are asked for.
        everywhere = np.ndarray((self._array.size - size + 1,), dtype=f"V{size}", buffer=self._array.data, strides=(1,))
        return everywhere[starts].view("<u8").reshape(-1, number)


class Cells:
    """The cells of a piece in which every row has ``width`` fields."""

    def __init__(self, form: Form, width: int) -> None:
        self.rows = int(form.ends.size)
        self._form = form
        self._width = width
        self._columns: dict[int, Column] = {}
        self._has: dict[bytes, bool] = {}

    def get(self, position: int) -> Column:
        """Return a column by its position."""
        if position not in self._columns:
            self._columns[position] = self._make(position)
        return self._columns[position]

    def has(self, text: bytes) -> bool:
        """Return whether a text stands somewhere in the piece."""
        if text not in self._has:
            self._has[text] = text[:1] in self._form.content and self._find(text)
        return self._has[text]

    def find_long(self, max_bytes: int) -> Positions:
        """Return the rows in which some field has more than so many bytes, whatever its quotes."""
        separators = self._form.separators
        lengths = separators[1:] - separators[:-1] - 1
        if max(int(separators[0]), int(lengths.max(initial=0))) <= max_bytes:
            return separators[:0]
        fields = np.flatnonzero(np.concatenate((separators[:1], lengths)) > max_bytes)
        return np.unique(fields // self._width)

    def _find(self, text: bytes) -> bool:
        # Where the first byte is frequent, this is several times as fast as a search.
        size = self._form.array.size - len(text)
        is_here = self._form.array[:size] == text[0]
        for place, byte in enumerate(text[1:], start=1):
            is_here &= self._form.array[place : size + place] == byte
        return bool(is_here.any())

    def _make(self, position: int) -> Column:
        form = self._form
        ends = form.separators[position :: self._width]
        if position:
            starts = form.separators[position - 1 :: self._width] + 1
        else:
            starts = np.zeros(self.rows, dtype=np.int64)
            starts[1:] = form.ends[:-1] + 1
        lengths = ends - starts
        if position == self._width - 1 and self.rows and form.array[ends[0] - 1] == _CR:
            # All rows end alike: that has been checked.
            lengths -= 1
        if form.has_quotes:
            is_quoted = form.array[starts] == _QUOTE
            if is_quoted.any():
                starts = starts + is_quoted
                lengths = lengths - is_quoted * 2
        return Column(form.array, starts, lengths)
