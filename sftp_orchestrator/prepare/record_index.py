"""Where records end, without a list of them: the state at each chunk's start, from which any place can be found."""

from __future__ import annotations

import bisect
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_QUOTE, _LF = b'"\n'


def find_record_ends(
    array: npt.NDArray[np.uint8], quotes: npt.NDArray[np.int64], *, inside: bool
) -> tuple[npt.NDArray[np.int64], int]:
    """Return the positions of the line breaks that end records, and how many line breaks there are in all. Pure.

    A line break is within quotes when the number of quotes before it is odd (RFC 4180: quotes come in pairs).
    """
    breaks = np.flatnonzero(array == _LF)
    if not quotes.size:
        return (breaks[:0] if inside else breaks), int(breaks.size)
    outside = (np.searchsorted(quotes, breaks) + int(inside)) % 2 == 0
    return breaks[outside], int(breaks.size)


@dataclass(frozen=True, kw_only=True)
class RecordIndex:
    """The sparse index of one file: a few bytes for each chunk, whatever its size."""

    chunk_bytes: int
    inside: tuple[bool, ...]
    """whether each chunk begins within quotes"""
    ends_before: tuple[int, ...]
    """record ends before each chunk, the header's included"""
    first_offset: int
    """end of the header"""
    last_offset: int
    """end of the last record, with or without a line break"""


class RecordEnds:
    """Finds record ends near any offset by reading the chunk around it; keeps the last chunk read."""

    def __init__(self, path: Path, index: RecordIndex) -> None:
        self._index = index
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._cached: tuple[int, npt.NDArray[np.int64]] | None = None

    def close(self) -> None:
        """Close the file; once."""
        os.close(self._descriptor)

    def find_last(self, *, after: int, up_to: int) -> tuple[int, int] | None:
        """Return the last record end in ``(after, up_to]`` and the number of ends up to it; None without one."""
        if up_to >= self._index.last_offset:
            return self._get_last() if after < self._index.last_offset else None
        chunk = (up_to - 1) // self._index.chunk_bytes
        while chunk >= 0 and (chunk + 1) * self._index.chunk_bytes > after:
            ends = self._read(chunk)
            place = int(np.searchsorted(ends, up_to, side="right"))
            if place:
                found = int(ends[place - 1])
                return (found, self._index.ends_before[chunk] + place) if found > after else None
            chunk -= 1
        return None

    def find_first(self, *, after: int) -> tuple[int, int]:
        """Return the first record end behind ``after`` and the number of ends up to it; the file's end at last."""
        for chunk in range(after // self._index.chunk_bytes, len(self._index.inside)):
            ends = self._read(chunk)
            place = int(np.searchsorted(ends, after, side="right"))
            if place < ends.size:
                found = int(ends[place])
                if found < self._index.last_offset:
                    return found, self._index.ends_before[chunk] + place + 1
                break
        return self._get_last()

    def find_nth(self, number: int) -> int:
        """Return the offset after the ``number``-th record end, the header's being the first; at last the file's."""
        chunk = bisect.bisect_left(self._index.ends_before, number) - 1
        ends = self._read(chunk)
        place = number - self._index.ends_before[chunk] - 1
        return min(int(ends[place]), self._index.last_offset) if place < ends.size else self._index.last_offset

    def _get_last(self) -> tuple[int, int]:
        last = self._index.last_offset
        chunk = (last - 1) // self._index.chunk_bytes
        ends = self._read(chunk)
        place = int(np.searchsorted(ends, last, side="right"))
        has_break = bool(place) and int(ends[place - 1]) == last
        return last, self._index.ends_before[chunk] + place + (0 if has_break else 1)

    def _read(self, chunk: int) -> npt.NDArray[np.int64]:
        if self._cached is None or self._cached[0] != chunk:
            offset = chunk * self._index.chunk_bytes
            array = np.frombuffer(os.pread(self._descriptor, self._index.chunk_bytes, offset), dtype=np.uint8)
            ends, _ = find_record_ends(array, np.flatnonzero(array == _QUOTE), inside=self._index.inside[chunk])
            self._cached = chunk, ends + (offset + 1)
        return self._cached[1]
