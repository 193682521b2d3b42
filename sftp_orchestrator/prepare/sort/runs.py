"""Runs: stretches of a file's records that are in the order of time, and a window on the next records of one."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.prepare.rows import _native

ROW_BYTES = 16
"""What is known of a record: its time as int64, where it begins and ends as uint32 (``Row`` in rows/order.h)."""
ASSUMED_RECORD_BYTES = 64
"""A window has room for as many rows as if records had so many bytes; of shorter ones it shows fewer bytes."""
BREAK_BYTES = 2
"""Of the longest line break: so much room a window keeps for one that is missing."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Of the records of one file."""

    time_column: int
    delimiter: str
    newline: bytes


@dataclass(frozen=True, kw_only=True)
class Run:
    """Records as a whole, from ``start`` to ``end`` of an open file; the last one may lack its line break."""

    descriptor: int
    start: int
    end: int


class Window:
    """The next records of a run, in a part of an arena. Blocking."""

    def __init__(self, run: Run, layout: Layout, arena: memoryview, *, base: int, size: int) -> None:
        """The part begins at ``base`` and has ``size`` bytes."""
        self._run = run
        self._layout = layout
        self._base = base
        self._content = arena[base : base + size]
        self.most_rows = max(1, size // ASSUMED_RECORD_BYTES)
        self._rows = memoryview(bytearray(self.most_rows * ROW_BYTES))
        self._times = self._rows.cast("q")[::2]
        self._starts, self._ends = (self._rows.cast("I")[place::4] for place in (2, 3))
        self._origin = self._behind = run.start
        self._count = self._next = 0
        self.longest = 0
        """bytes of the longest record that was seen"""
        self.added = 0
        """bytes of the line break that was missing at the run's end"""

    @property
    def place(self) -> int:
        """Offset in the file of the first record that was not taken."""
        if self._next == self._count:
            return self._behind
        return self._origin + self._starts[self._next] - self._base

    @property
    def has_more(self) -> bool:
        """Whether there are records behind those at hand."""
        return self._behind < self._run.end

    @property
    def is_done(self) -> bool:
        """Whether all records were taken."""
        return self._next == self._count and not self.has_more

    @property
    def is_low(self) -> bool:
        """Whether it is time to read on: what is at hand then would be read once more."""
        return self.has_more and 2 * self._next >= self._count

    @property
    def last(self) -> int:
        """The time of the last record at hand."""
        return self._times[self._count - 1]

    def read_on(self) -> bool:
        """Read as many records as there is room for, from the first that was not taken; return whether any fits.

        Raises:
            SourceChanged: the file ends before the run does.
        """
        self._origin = self._behind = self.place
        self._next = self._count = 0
        layout = self._layout
        self._count, longest = _native.find_rows(
            self._read(), self._base, layout.time_column, layout.delimiter, self._rows
        )
        if self._count:
            # Whoever takes the rows may put them into another order.
            self._behind = min(self._origin + self._ends[self._count - 1] - self._base, self._run.end)
        self.longest = max(self.longest, longest)
        return self._count > 0

    def _read(self) -> memoryview:
        wanted = min(self._run.end - self._origin, len(self._content) - BREAK_BYTES)
        size = os.preadv(self._run.descriptor, [self._content[:wanted]], self._origin)
        if size < wanted:
            raise SourceChanged("sort", "the file", "it became shorter while it was sorted")
        newline = self._layout.newline
        if self._origin + size == self._run.end and self._content[size - 1] != newline[-1]:
            self.added = len(newline)
            self._content[size : size + self.added] = newline
            size += self.added
        return self._content[:size]

    def take(self) -> memoryview:
        """Return the rows at hand, and do not show them again."""
        return self._take_to(self._count)

    def take_before(self, time: int, *, or_at: bool) -> memoryview:
        """Return the rows at hand that are before ``time``, or at it; do not show them again."""
        if self._times[self._next] > time:
            return self._rows[:0]
        find = bisect_right if or_at else bisect_left
        return self._take_to(find(self._times, time, self._next, self._count))

    def _take_to(self, end: int) -> memoryview:
        rows = self._rows[self._next * ROW_BYTES : end * ROW_BYTES]
        self._next = end
        return rows
