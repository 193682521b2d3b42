"""What decides of a merge: which rows are ready, how many runs at once, how much of each."""

from __future__ import annotations

import pytest

from sftp_orchestrator.prepare.sort.merging import choose_block_bytes, choose_fan_in, find_limit, group
from sftp_orchestrator.prepare.sort.runs import Run


@pytest.mark.parametrize(
    ("lasts", "limit"),
    [
        ([], None),
        ([None, None], None),
        ([7, None, 5], (5, 2)),
        ([5, 9, 5], (5, 0)),
        ([None, -3], (-3, 1)),
    ],
)
def test_rows_wait_for_those_that_may_still_come_before_them(
    lasts: list[int | None], limit: tuple[int, int] | None
) -> None:
    """The least last time is the limit; of several runs it is that of the first, whose equal rows come first."""
    assert find_limit(lasts) == limit


@pytest.mark.parametrize(
    ("longest", "fan_in"), [(100, 256), (128 * 1024 - 2, 256), (1024 * 1024 - 2, 32), (4_000_000, 8), (64_000_000, 2)]
)
def test_runs_are_as_many_as_memory_has_blocks(longest: int, fan_in: int) -> None:
    """Each has a block that is worth reading and holds the longest record; two runs are merged whatever it takes."""
    assert choose_fan_in(longest, merge_bytes=32 * 1024 * 1024, least_block_bytes=128 * 1024) == fan_in
    block = choose_block_bytes(longest, fan_in, merge_bytes=32 * 1024 * 1024)
    assert block >= longest + 2
    assert block * fan_in <= max(32 * 1024 * 1024, 2 * (longest + 2))


def test_runs_are_grouped_in_their_order() -> None:
    """So that rows of equal times keep their order over several rounds."""
    runs = [Run(descriptor=3, start=number, end=number + 1) for number in range(5)]
    assert [[run.start for run in some] for some in group(runs, 2)] == [[0, 1], [2, 3], [4]]
