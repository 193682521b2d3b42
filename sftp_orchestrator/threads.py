"""Blocking work in threads that end when they are told to, and an exit that waits for no thread in vain."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

EXIT_GRACE_SECONDS = 5.0
"""How long an exit waits for threads nobody awaits any more, such as one that asks a dead name server."""

_ENDS: weakref.WeakKeyDictionary[Future[Any], tuple[asyncio.AbstractEventLoop, asyncio.Event]] = (
    weakref.WeakKeyDictionary()
)
"""What is set once a result is there, and the loop that it is for: one for all who wait for it."""


async def call(function: Callable[[], T], stop: threading.Event) -> T:
    """Return what ``function`` returns in a thread; when we are cancelled it is told to ``stop``, and waited for.

    For work that must not go on once lock and ledger are given back.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def see_through(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Return what a short ``function`` returns in a thread; when we are cancelled meanwhile, its end is waited for.

    For what changes ledger or disk: nothing is changed behind the back of what comes after us.
    """
    return await call(functools.partial(function, *arguments, **keywords), threading.Event())


def begin(function: Callable[[], T], *, name: str) -> Future[T]:
    """Have ``function`` run in a thread of its own called ``name``, and return what will come of it.

    The thread is none of the event loop's: one that hangs takes none away from the daemon's work, and neither the loop
    nor the process waits for it at the end. So nothing may depend on its being carried through, and who calls sees to
    it that they do not become many.
    """
    result: Future[T] = Future()
    # From now on nobody who gives up can cancel it for the others.
    result.set_running_or_notify_cancel()

    threading.Thread(target=_work, args=(function, result), name=name, daemon=True).start()
    return result


def _work(function: Callable[[], T], result: Future[T]) -> None:
    try:
        found = function()
    except BaseException as error:  # noqa: BLE001 - not swallowed: raised by whoever asks for the result
        result.set_exception(error)
    else:
        result.set_result(found)
    finally:
        # The error knows this frame: what it holds would live until the next collection.
        del result


async def has_ended(result: Future[T], *, within_seconds: float | None = None) -> bool:
    """Return whether ``result`` is there, whatever it is, as soon as it is, or the time is up; may be repeated."""
    if not result.done():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await _get_end(result).wait()
    return result.done()


def _get_end(result: Future[T]) -> asyncio.Event:
    """Return what is set once ``result`` is there: a result that hangs is asked for again and again, and keeps one."""
    loop = asyncio.get_running_loop()
    known = _ENDS.get(result)
    if known is not None and known[0] is loop:
        return known[1]
    ended = asyncio.Event()

    def note(_: Future[T]) -> None:
        # The loop may have ended meanwhile: then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    _ENDS[result] = loop, ended
    result.add_done_callback(note)
    return ended


class _Abandonable(ThreadPoolExecutor):
    """Threads that nobody waits for when the event loop ends: ``leave`` does, for a while."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the base class's signature
        """Take no more work, and return at once."""
        super().shutdown(wait=False, cancel_futures=True)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` as ``asyncio.run`` does, but without waiting at its end for threads whose result nobody wants.

    Ctrl-C before ``main`` has begun leaves nothing to warn of, either.
    """
    with contextlib.closing(main), asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Abandonable(thread_name_prefix="work"))
        return runner.run(main)


def leave(code: int) -> NoReturn:
    """End the process with ``code``; threads that do not end within ``EXIT_GRACE_SECONDS`` are left where they are.

    A transaction that is cut off there is rolled back, as after a crash.
    """
    deadline = time.monotonic() + EXIT_GRACE_SECONDS
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    for thread in others:
        if not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() and not thread.daemon for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
