"""Screens: for each rule for rows, what lets no row by that breaks it, and is cheap enough for every row of every file.

A screen may stop good rows, too: whatever it stops is looked at exactly, by the rule's SQL. So it need only know the
usual good forms, and knows them by the words of a column's cells, all rows of a piece at once. A property test holds
each screen to its rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare import words
from sftp_orchestrator.prepare.cells import MAX_WORDS, Cells
from sftp_orchestrator.prepare.event_names import EventNames
from sftp_orchestrator.prepare.words import BYTES, Mask, Words


class Screen(Protocol):
    """What stops rows; equal screens stop the same ones. Several threads may use one at the same time."""

    def stop(self, cells: Cells) -> Mask:
        """Return for each row whether it is to be looked at. May be repeated."""
        ...


@dataclass(frozen=True, kw_only=True)
class AnyLong:
    """Stops rows in which any cell has more than so many bytes, and so perhaps as many characters."""

    max_bytes: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        found = np.zeros(cells.rows, dtype=np.bool_)
        found[cells.find_long(self.max_bytes)] = True
        return found


@dataclass(frozen=True, kw_only=True)
class Long:
    """Stops cells of more than so many bytes."""

    position: int
    max_bytes: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        return cells.get(self.position).lengths > self.max_bytes


_SPACES = (*range(0x09, 0x0E), *range(0x1C, 0x21))


def _make_table(values: Iterable[int]) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(values)] = True
    return table


_MAY_BEGIN_SPACE = _make_table((*_SPACES, 0xC2, 0xE1, 0xE2, 0xE3))
"""By first byte: ASCII's white space, and the first bytes of all that Unicode has besides."""
_MAY_END_SPACE = _make_table((*_SPACES, *range(0x80, 0xC0)))


@dataclass(frozen=True, kw_only=True)
class Nobody:
    """Stops rows in which all of these columns are empty or may hold white space alone."""

    positions: tuple[int, ...]

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        found = np.ones(cells.rows, dtype=np.bool_)
        for position in self.positions:
            column = cells.get(position)
            found &= column.is_empty | _MAY_BEGIN_SPACE[column.first]
        return found


_REFUSED_IN_NAMES = frozenset(clevertap.REFUSED_EVENT_CHARACTERS)


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """Stops cells that may be one of ``values``, whatever the case, with white space around."""

    position: int
    values: tuple[str, ...]

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        found = _MAY_BEGIN_SPACE[column.first] | _MAY_END_SPACE[column.last]
        found &= ~column.is_empty
        short = np.flatnonzero(column.lengths <= self._max_bytes)
        if short.size:
            texts = column.pick(short).get_words(-(-self._max_bytes // BYTES))
            is_like = _is_any([words.lower(text) for text in texts], self.values)
            for text in texts:
                is_like |= (text & words.fill(0x80)) != 0
            found[short] |= is_like
        return found

    @cached_property
    def _max_bytes(self) -> int:
        """Bytes of the longest value, even where it is written with the long s or with the sign of Kelvin."""
        return max(len(value) + value.count("s") + 2 * value.count("k") for value in self.values)


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """Stops cells that are neither empty nor one of ``values``."""

    position: int
    values: tuple[str, ...]
    ignore_case: bool = False

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        number = max(-(-len(value) // BYTES) for value in self.values)
        found = column.get_words(number)
        if self.ignore_case:
            found = [words.lower(word) for word in found]
        is_good = _is_any(found, self.values) & (column.lengths <= number * BYTES)
        return column.neither_empty_nor(is_good)


def _is_any(columns: Sequence[Words], values: Iterable[str]) -> Mask:
    """Whether cells, given as words, are one of ``values``."""
    found = np.zeros(columns[0].size, dtype=np.bool_)
    for value in values:
        wanted = words.pack(value.encode(), len(columns))
        is_same = columns[0] == wanted[0]
        for column, word in zip(columns[1:], wanted[1:], strict=True):
            is_same &= column == word
        found |= is_same
    return found


_OBJECT_ID_RANGES = (*(b"az", b"@Z", b"0:", b"()"), *(bytes([byte, byte]) for byte in b"!$_-"))


@dataclass(frozen=True, kw_only=True)
class ObjectId:
    """Stops cells that have other characters than an objectId made by a customer, or too many."""

    position: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        is_good = column.lengths <= clevertap.MAX_OBJECT_ID_CHARACTERS
        for word in column.get_words(column.needed_words, filling=ord("a")):
            flags = np.zeros(cells.rows, dtype=np.uint64)
            for low, high in _OBJECT_ID_RANGES:
                flags |= words.flag_range(word, low, high)
            is_good &= words.are_all(flags)
        return column.neither_empty_nor(is_good)


@dataclass(frozen=True, kw_only=True)
class Time:
    """Stops cells that are no epoch seconds of 9 or 10 digits within a span."""

    position: int
    earliest: int
    latest: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        numbers = column.numbers
        is_good = numbers.is_whole & (numbers.values >= self.earliest) & (numbers.values <= self.latest)
        is_good &= (column.lengths <= 10) & (column.first != ord("-"))
        return column.neither_empty_nor(is_good)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Stops cells that are no whole numbers of so many digits within a span."""

    position: int
    digits: int
    lowest: int
    highest: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        if column.longest < len(str(min(self.highest, -self.lowest))):
            # What has fewer digits lies within the span, whatever they are.
            is_good = column.are_digits(self.digits)
        else:
            numbers = column.numbers
            is_good = numbers.is_whole & (numbers.values >= self.lowest) & (numbers.values <= self.highest)
            is_good &= column.lengths <= self.digits + (column.first == ord("-"))
        return column.neither_empty_nor(is_good)


_DECIMAL_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class Decimal:
    """Stops cells that are no digits with at most one point between them, and perhaps a minus before."""

    position: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        signed = cells.get(self.position)
        column = signed.without_minus()
        is_good = (column.lengths > 0) & (column.lengths <= _DECIMAL_WORDS * BYTES)
        points = np.zeros(column.lengths.size, dtype=np.uint8)
        for word in column.get_words(min(_DECIMAL_WORDS, column.needed_words), filling=ord("0")):
            is_good &= words.are_digits(words.replace(word, ord("."), ord("0")))
            points += words.count(words.flag_byte(word, ord(".")))
        is_good &= (points <= 1) & (column.first != ord(".")) & (column.last != ord("."))
        return signed.neither_empty_nor(is_good)


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Stops cells that begin with a text; looks only where it stands somewhere in the piece."""

    position: int
    text: str

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        if not cells.has(self.text.encode()):
            return np.zeros(cells.rows, dtype=np.bool_)
        column = cells.get(self.position)
        return column.neither_empty_nor(column.first != ord(self.text[0]))


@dataclass(frozen=True, kw_only=True)
class Phone:
    """Stops cells that are not a plus and 7 to 15 digits, the first no zero."""

    position: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        whole = cells.get(self.position)
        column = whole.without_first(~whole.is_empty)
        is_good = (whole.first == ord("+")) & (column.lengths >= 7) & (column.lengths <= 15)
        is_good &= column.numbers.is_whole & (column.first >= ord("1")) & (column.first <= ord("9"))
        return whole.neither_empty_nor(is_good)


@dataclass(frozen=True, kw_only=True)
class Email:
    """Stops cells that are not ASCII with one @, and a point behind it with something before and after."""

    position: int

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        is_good = (column.lengths <= MAX_WORDS * BYTES) & (column.first != ord("@"))
        signs = np.zeros(cells.rows, dtype=np.uint8)
        has_point = np.zeros(cells.rows, dtype=np.bool_)
        found = column.get_words(column.needed_words, filling=ord("x"))
        sign_at = np.full(cells.rows, len(found) * BYTES, dtype=np.int64)
        for number, word in enumerate(found):
            is_good &= words.are_all(words.flag_range(word, 0x21, 0x7E))
            flags = words.flag_byte(word, ord("@"))
            signs += words.count(flags)
            sign_at = np.where(flags != 0, number * BYTES + words.find_first(flags), sign_at)
            points = words.flag_byte(word, ord("."))
            between = words.between(sign_at + 2 - number * BYTES, column.lengths - 1 - number * BYTES)
            has_point |= (points & between) != 0
        is_good &= (signs == 1) & has_point
        return column.neither_empty_nor(is_good)


class EventName:
    """Stops rows whose event has a name that is reserved, odd or none. One for a file: it remembers the names."""

    def __init__(self, position: int, listed: Iterable[str]) -> None:
        self.position = position
        self._listed = frozenset(name.lower() for name in listed)
        self.names = EventNames(self._is_suspicious)

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        found = np.zeros(cells.rows, dtype=np.bool_)
        found[self.names.find_suspicious(cells.get(self.position))] = True
        return found

    def _is_suspicious(self, name: bytes) -> bool:
        text = name.decode()
        trimmed = text.strip().casefold()
        return (
            not trimmed
            or len(text) > clevertap.MAX_EVENT_NAME_CHARACTERS
            or trimmed in self._listed
            or not _REFUSED_IN_NAMES.isdisjoint(text)
        )
