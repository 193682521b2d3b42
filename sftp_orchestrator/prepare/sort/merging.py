"""Makes one run of several, a block of each at a time: memory is that of the blocks, however long the runs are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.prepare.rows import _native
from sftp_orchestrator.prepare.sort.runs import BREAK_BYTES, Layout, Run, Window
from sftp_orchestrator.prepare.stopping import Watch


def merge(runs: Sequence[Run], layout: Layout, *, block_bytes: int, watch: Watch) -> Iterator[memoryview]:
    """Yield the records of ``runs`` by time, those of equal times in the order of the runs; each piece until the next.

    Of each run ``block_bytes`` are at hand, which must be what ``choose_block_bytes`` says or more.

    Raises:
        SourceChanged: there is no record where there was one.
        Stopped: ``watch`` said so.
    """
    arena, target = (memoryview(bytearray(block_bytes * len(runs))) for _ in range(2))
    windows = [
        Window(run, layout, arena, base=number * block_bytes, size=block_bytes) for number, run in enumerate(runs)
    ]
    while windows:
        watch.advance(0)
        for window in windows:
            if window.is_low and not window.read_on():
                raise SourceChanged("sort", "the file", "it changed while it was sorted")
        rows = memoryview(bytearray().join(_take_ready(windows)))
        _native.sort_rows(rows, bytearray(len(rows)))
        size = _native.gather(arena, rows, target)
        yield target[:size]
        windows = [window for window in windows if not window.is_done]


def _take_ready(windows: Sequence[Window]) -> list[memoryview]:
    """Take all rows that no row which is not at hand yet comes before."""
    limit = find_limit([window.last if window.has_more else None for window in windows])
    if limit is None:
        return [window.take() for window in windows]
    time, of = limit
    return [window.take_before(time, or_at=number <= of) for number, window in enumerate(windows)]


def find_limit(lasts: Sequence[int | None]) -> tuple[int, int] | None:
    """Return up to which time rows are ready, and the last run whose rows at that very time are; None where all are.

    ``lasts`` are the times of the last rows at hand, of each run that has more. The least of them is the limit: behind
    it in its run, and in no run before that, rows of the same time may follow, so later runs wait with theirs. Pure.
    """
    return min(((time, number) for number, time in enumerate(lasts) if time is not None), default=None)


def choose_fan_in(longest: int, *, merge_bytes: int, least_block_bytes: int) -> int:
    """Return how many runs are merged at once, where the longest record has so many bytes. Pure."""
    return max(2, merge_bytes // max(longest + BREAK_BYTES, least_block_bytes))


def choose_block_bytes(longest: int, runs: int, *, merge_bytes: int) -> int:
    """Return how much of each run is at hand: at least its longest record, whatever the memory. Pure."""
    return max(longest + BREAK_BYTES, merge_bytes // runs)


def group(runs: Sequence[Run], size: int) -> Iterator[Sequence[Run]]:
    """Yield ``runs`` in groups of ``size``, in their order. Pure."""
    for start in range(0, len(runs), size):
        yield runs[start : start + size]
