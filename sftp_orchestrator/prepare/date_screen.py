"""The screen for dates: which cells are a day that exists for sure, by the words of the column's cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.prepare import words
from sftp_orchestrator.prepare.cells import Cells
from sftp_orchestrator.prepare.words import BYTES, Mask, Words

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = np.zeros(100, dtype=np.uint64)
_DAYS[1:13] = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""By month; for 29 February a calendar is asked."""
_CENTURIES = (19, 20)
_BOUNDS = (
    *(("MMM", "AAA", "zzz"), ("MM", "00", "19"), ("dd", "00", "39"), ("yyyy", "0000", "9999")),
    *(("HH", "00", "29"), ("mm", "00", "59"), ("ss", "00", "59")),
)
"""What may stand for the letters of a format, the longer ones first; more is asked of the numbers that they make."""
_LOW_NIBBLE = np.uint64(0x0F)


@dataclass(frozen=True, kw_only=True)
class Date:
    """Stops cells that are not a day of the years 1900 to 2099 in a documented format, or 29 February."""

    position: int
    date_format: str

    def stop(self, cells: Cells) -> Mask:
        """See ``Screen``."""
        column = cells.get(self.position)
        found = column.get_words(len(self._lowest))
        is_good = column.lengths == len(self._letters)
        for word, low, high in zip(found, self._lowest, self._highest, strict=True):
            is_good &= words.are_within(word, low, high)
        month = self._read_month(found)
        day = self._read_pair(found, "dd")
        is_good &= (day >= 1) & (day <= _DAYS[month])
        century = self._read_pair(found, "yyyy")
        is_good &= (century == _CENTURIES[0]) | (century == _CENTURIES[1])
        if "HH" in self._letters:
            is_good &= self._read_pair(found, "HH") < 24
        return column.neither_empty_nor(is_good)

    @cached_property
    def _letters(self) -> str:
        return self.date_format.replace("'", "")

    @cached_property
    def _lowest(self) -> tuple[np.uint64, ...]:
        return self._pack(0)

    @cached_property
    def _highest(self) -> tuple[np.uint64, ...]:
        return self._pack(1)

    def _pack(self, end: int) -> tuple[np.uint64, ...]:
        """Return the lowest, or the highest byte in each place."""
        bounds = self._letters
        for letters, lowest, highest in _BOUNDS:
            bounds = bounds.replace(letters, (lowest, highest)[end])
        return words.pack(bounds.encode(), -(-len(bounds) // BYTES))

    def _read_pair(self, found: list[Words], letters: str) -> Words:
        """Return the number that the first two digits at some letters of the format stand for."""
        at = self._letters.index(letters)
        word, byte = divmod(at, BYTES)
        pair = found[word] >> np.uint64(8 * byte)
        if byte == BYTES - 1:
            pair |= found[word + 1] << np.uint64(8)
        return (pair & _LOW_NIBBLE) * np.uint64(10) + ((pair >> np.uint64(8)) & _LOW_NIBBLE)

    def _read_month(self, found: list[Words]) -> npt.NDArray[np.uint64]:
        """Return the month's number; 0 or more than 12 where there is no such month."""
        if "MMM" not in self._letters:
            return np.minimum(self._read_pair(found, "MM"), np.uint64(99))
        code = (found[0] >> np.uint64(8 * self._letters.index("MMM"))) & np.uint64(0xFFFFFF)
        month = np.zeros(code.size, dtype=np.uint64)
        for number, name in enumerate(_MONTHS, start=1):
            month[code == words.pack(name.encode(), 1)[0]] = number
        return month
