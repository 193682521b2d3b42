"""The names of events in a file: few, so each is judged once, and known again by its words in every later row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sftp_orchestrator.prepare.cells import MAX_WORDS, Column
from sftp_orchestrator.prepare.form import Positions
from sftp_orchestrator.prepare.words import BYTES, Mask, Words, pack

MAX_REMEMBERED = 10_000
"""Many times what an account has; the names that come later are judged each time that they are seen."""
MAX_TABLED = 512
"""So many are looked up for all rows at once; the others one by one."""
_ATTEMPTS = 64


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Names that are good, each in a slot of its own by its hash."""

    words: npt.NDArray[np.uint64]
    """a row of ``MAX_WORDS`` for each name; the first one is that of no name"""
    lengths: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int16]
    """by hash, the row of the name that has it"""
    factors: npt.NDArray[np.uint64]

    def find(self, column: Column) -> Mask:
        """Whether each cell is one of the names."""
        found = column.get_words(column.needed_words)
        rows = self.slots[_hash(found, self.factors, self.slots.size)]
        is_known: Mask = self.lengths[rows] == column.lengths
        for number, words in enumerate(found):
            is_known &= self.words[rows, number] == words
        return is_known


class EventNames:
    """All names that were seen so far; several threads may ask at the same time."""

    def __init__(self, is_suspicious: Callable[[bytes], bool]) -> None:
        self._is_suspicious = is_suspicious
        self._judged: dict[bytes, bool] = {}
        self._lock = threading.Lock()
        self._table: _Table | None = None

    @property
    def count(self) -> int:
        """How many different names there were, up to ``MAX_REMEMBERED``."""
        return len(self._judged)

    def find_suspicious(self, column: Column) -> Positions:
        """Return the rows whose name is suspicious."""
        table = self._table
        others = np.flatnonzero(~table.find(column)) if table is not None else np.arange(column.lengths.size)
        if not others.size:
            return others
        with self._lock:
            before = len(self._judged)
            suspicious = [row for row in others.tolist() if self._judge(column.read(row))]
            if len(self._judged) > before:
                self._renew_table()
        return np.array(suspicious, dtype=np.int64)

    def _judge(self, name: bytes) -> bool:
        found = self._judged.get(name)
        if found is None:
            found = self._is_suspicious(name)
            if len(self._judged) < MAX_REMEMBERED:
                self._judged[name] = found
        return found

    def _renew_table(self) -> None:
        good = (name for name, is_suspicious in self._judged.items() if not is_suspicious)
        names = [name for name in good if 0 < len(name) <= MAX_WORDS * BYTES][:MAX_TABLED]
        if names and (self._table is None or len(names) >= self._table.lengths.size):
            self._table = _make_table(names) or self._table


def _make_table(names: Sequence[bytes]) -> _Table | None:
    """Return the table of ``names``, or None where no try gave each a slot of its own."""
    words = np.array([pack(name, MAX_WORDS) for name in (b"", *names)], dtype=np.uint64)
    lengths = np.array([-1, *map(len, names)], dtype=np.int64)
    # With the square of their number as slots, two names share one by chance in less than half of the tries.
    size = 1 << (2 * len(names) ** 2).bit_length()
    for attempt in range(_ATTEMPTS):
        factors = np.random.default_rng(attempt).integers(0, 1 << 64, MAX_WORDS + 1, dtype=np.uint64) | np.uint64(1)
        hashes = _hash(list(words[1:].T), factors, size)
        if np.unique(hashes).size == len(names):
            slots = np.zeros(size, dtype=np.int16)
            slots[hashes] = np.arange(1, len(names) + 1)
            return _Table(words=words, lengths=lengths, slots=slots, factors=factors)
    return None


def _hash(columns: Sequence[Words], factors: npt.NDArray[np.uint64], size: int) -> npt.NDArray[np.int64]:
    """Return a number below ``size``, a power of two, for each row; words that are 0 do not change it."""
    mixed = columns[0] * factors[0]
    for column, factor in zip(columns[1:], factors[1:], strict=False):
        mixed += column * factor
    mixed ^= mixed >> np.uint64(31)
    mixed *= factors[-1]
    found: npt.NDArray[np.int64] = (mixed >> np.uint64(65 - size.bit_length())).astype(np.int64)
    return found
