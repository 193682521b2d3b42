"""Blocking work in threads, and the loop around everything."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from sftp_orchestrator import threads


async def _work() -> str:
    await asyncio.sleep(0)
    return "done"


def test_what_ran_gives_its_result() -> None:
    """``run`` returns what the coroutine returns."""
    assert threads.run(_work()) == "done"


def test_an_interrupt_before_the_loop_runs_leaves_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the instant before the loop listens is an interrupt and nothing else: no coroutine is left over."""

    def interrupt(_: asyncio.Runner) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.Runner, "get_loop", interrupt)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(KeyboardInterrupt):
            threads.run(_work())
        gc.collect()
    assert seen == []


async def test_what_is_seen_through_has_ended_when_its_caller_is_cancelled() -> None:
    """Nothing is changed any more, in ledger or on disk, once the cancellation has come through."""
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def change() -> None:
        begun.set()
        may_end.wait()
        ended.set()

    task = asyncio.ensure_future(threads.see_through(change))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_what_runs_in_a_thread_of_its_own_is_awaited_as_long_as_one_likes() -> None:
    """Its result or error is there for everybody; who gives up takes it from nobody."""
    may_end = threading.Event()

    def work() -> str:
        may_end.wait()
        return "done"

    result = threads.begin(work, name="own")
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "own"]
    assert thread.daemon
    # Nor may anybody cancel it: the thread would end by an error of its own.
    assert not result.cancel()
    assert not await threads.has_ended(result, within_seconds=0.01)
    waiting = asyncio.create_task(threads.has_ended(result))
    other = asyncio.create_task(threads.has_ended(result))
    await asyncio.sleep(0)
    waiting.cancel()
    may_end.set()
    assert await other
    assert result.result() == "done"
    failed = threads.begin(lambda: 1 // 0, name="own")
    assert await threads.has_ended(failed)
    with pytest.raises(ZeroDivisionError):
        failed.result()


class _Counting(Future[None]):
    """Counts who is to be told of its end."""

    count = 0

    def add_done_callback(self, fn: Callable[[Future[None]], object]) -> None:
        self.count += 1
        super().add_done_callback(fn)


def test_what_hangs_is_asked_for_again_and_again_and_keeps_nothing_of_it() -> None:
    """A loop is told of its end by one call for all who wait; the next loop by another."""
    result = _Counting()

    async def ask() -> None:
        for _ in range(100):
            assert not await threads.has_ended(result, within_seconds=0)

    async def wait_for_it() -> list[bool]:
        waiting = [asyncio.create_task(threads.has_ended(result)) for _ in range(3)]
        await asyncio.sleep(0)
        result.set_result(None)
        return await asyncio.gather(*waiting, threads.has_ended(result))

    asyncio.run(ask())
    assert result.count == 1
    assert asyncio.run(wait_for_it()) == [True] * 4
    assert result.count == 2


def test_the_loop_does_not_wait_for_what_runs_in_a_thread_of_its_own() -> None:
    """It ends while that hangs, and what comes of it later disturbs nobody."""
    may_end = threading.Event()

    async def begin() -> threading.Thread:
        result = threads.begin(may_end.wait, name="own")
        task = asyncio.create_task(threads.has_ended(result))
        await asyncio.sleep(0)
        task.cancel()
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "own"]
        return thread

    thread = asyncio.run(begin())
    assert thread.is_alive()
    may_end.set()
    thread.join()
