"""Many small calls go together: in the order of asking, each with its own outcome, and none is lost by a stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from sftp_orchestrator.together import MOST_AT_ONCE, Together


class _Work:
    """Doubles numbers, refuses odd ones, and remembers what it was called with; it waits where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.begun = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        self.begun.set()
        assert self.go_on.wait(10)
        return [number * 2 if number % 2 == 0 else ValueError(f"{number} is odd") for number in numbers]


async def _begin(together: Together[int, int], work: _Work, *numbers: int) -> list[asyncio.Task[int]]:
    """Ask for numbers, and return once the first of them is being worked on."""
    tasks = [asyncio.create_task(together.call(number)) for number in numbers]
    assert await asyncio.to_thread(work.begun.wait, 10)
    return tasks


async def test_what_comes_meanwhile_goes_together_in_the_order_of_asking() -> None:
    """One call for what came first, one for all that came while it was under way."""
    work = _Work()
    work.go_on.clear()
    together = Together(work)
    first = await _begin(together, work, 0)
    others = [asyncio.create_task(together.call(number)) for number in range(2, 20, 2)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await asyncio.gather(*first, *others) == [number * 2 for number in range(0, 20, 2)]
    assert work.batches == [[0], list(range(2, 20, 2))]


async def test_no_call_is_larger_than_the_limit() -> None:
    """Nobody waits for more than so many others."""
    work = _Work()
    together = Together(work)
    assert len(await asyncio.gather(*(together.call(2 * number) for number in range(3 * MOST_AT_ONCE)))) == 192
    assert max(map(len, work.batches)) == MOST_AT_ONCE


async def test_a_refusal_is_told_to_who_asked_alone() -> None:
    """One of three is refused."""
    outcomes = await asyncio.gather(*map(Together(_Work()).call, [2, 3, 4]), return_exceptions=True)
    assert [outcomes[0], str(outcomes[1]), outcomes[2]] == [4, "3 is odd", 8]


async def test_what_the_work_raises_is_raised_to_all_and_the_next_go_on() -> None:
    """The disk is full once."""
    failures = [OSError("disk full")]

    def work(numbers: Sequence[int]) -> list[int | Exception]:
        if failures:
            raise failures.pop()
        return list(numbers)

    together = Together(work)
    outcomes = await asyncio.gather(together.call(1), together.call(2), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["disk full", "disk full"]
    assert await together.call(3) == 3


async def test_cancelled_before_its_turn_it_is_not_done() -> None:
    """It leaves the queue, and the others are done."""
    work = _Work()
    work.go_on.clear()
    together = Together(work)
    (first,) = await _begin(together, work, 0)
    second, third = (asyncio.create_task(together.call(number)) for number in (2, 4))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    work.go_on.set()
    assert [await first, await third] == [0, 8]
    assert second.cancelled()
    assert work.batches == [[0], [4]]


async def test_cancelled_in_its_turn_it_is_seen_through_first() -> None:
    """The caller gets the cancellation only when nothing is changed behind its back any more."""
    work = _Work()
    work.go_on.clear()
    (task,) = await _begin(Together(work), work, 0)
    task.cancel()
    assert not (await asyncio.wait([task], timeout=0.05))[0]
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_end_of_all_work_leaves_nobody_waiting() -> None:
    """What is no error, such as the end of the interpreter, ends every wait."""

    class EndError(BaseException):
        """Not caught by anybody."""

    def work(_numbers: Sequence[int]) -> list[int | Exception]:
        raise EndError

    together = Together(work)
    outcomes = await asyncio.gather(together.call(1), together.call(2), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [EndError, EndError]
