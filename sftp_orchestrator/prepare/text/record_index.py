"""Where records end, without a list of them: the start of each piece, from which any place can be found."""

from __future__ import annotations

import bisect
import os
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.prepare.rows._native import find_record_ends


@dataclass(frozen=True, kw_only=True)
class RecordIndex:
    """The sparse index of one file: a few bytes for each piece, whatever its size."""

    starts: tuple[int, ...]
    """offset of each piece, the header being the first; a record begins there"""
    ends_before: tuple[int, ...]
    """record ends before each piece, the header's included"""
    last_offset: int
    """end of the last record, with or without a line break"""


class RecordEnds:
    """Finds record ends near any offset by reading the piece around it; keeps the last piece read."""

    def __init__(self, path: Path, index: RecordIndex) -> None:
        self._index = index
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._cached: tuple[int, memoryview[int]] | None = None

    def close(self) -> None:
        """Close the file; once."""
        os.close(self._descriptor)

    def find_last(self, *, after: int, up_to: int) -> tuple[int, int] | None:
        """Return the last record end in ``(after, up_to]`` and the number of ends up to it; None without one."""
        if up_to >= self._index.last_offset:
            return self._get_last() if after < self._index.last_offset else None
        piece = bisect.bisect_left(self._index.starts, up_to) - 1
        while piece >= 0 and self._get_end(piece) > after:
            ends = self._read(piece)
            place = bisect.bisect_right(ends, up_to)
            if place:
                found = ends[place - 1]
                return (found, self._index.ends_before[piece] + place) if found > after else None
            piece -= 1
        return None

    def find_first(self, *, after: int) -> tuple[int, int]:
        """Return the first record end behind ``after`` and the number of ends up to it; the file's end at last."""
        for piece in range(bisect.bisect_right(self._index.starts, after) - 1, len(self._index.starts)):
            ends = self._read(piece)
            place = bisect.bisect_right(ends, after)
            if place < len(ends):
                found = ends[place]
                if found < self._index.last_offset:
                    return found, self._index.ends_before[piece] + place + 1
                break
        return self._get_last()

    def find_record(self, number: int) -> tuple[int, int]:
        """Return where the ``number``-th record begins and ends, the header being record 0."""
        piece = bisect.bisect_right(self._index.ends_before, number) - 1
        ends = self._read(piece)
        place = number - self._index.ends_before[piece]
        start = ends[place - 1] if place else self._index.starts[piece]
        return start, min(ends[place], self._index.last_offset) if place < len(ends) else self._index.last_offset

    def _get_last(self) -> tuple[int, int]:
        last = self._index.last_offset
        piece = bisect.bisect_left(self._index.starts, last) - 1
        ends = self._read(piece)
        place = bisect.bisect_right(ends, last)
        has_break = bool(place) and ends[place - 1] == last
        return last, self._index.ends_before[piece] + place + (0 if has_break else 1)

    def _get_end(self, piece: int) -> int:
        following = piece + 1
        return self._index.starts[following] if following < len(self._index.starts) else self._index.last_offset

    def _read(self, piece: int) -> memoryview[int]:
        if self._cached is None or self._cached[0] != piece:
            start = self._index.starts[piece]
            content = os.pread(self._descriptor, self._get_end(piece) - start, start)
            self._cached = piece, memoryview(find_record_ends(content, start)).cast("q")
        return self._cached[1]
