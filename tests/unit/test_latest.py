"""One answer for all who ask at the same time; a question that hangs holds up nobody but those who wait for it."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Iterator

import pytest

from sftp_orchestrator.web.latest import Latest, LatestOf

DEADLINE_SECONDS = 30


class _Question:
    """Answers with how often it was asked; hangs until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.asked += 1
        self.begun.set()
        assert self.go_on.wait(DEADLINE_SECONDS)
        if self.error is not None:
            raise self.error
        return self.asked


@pytest.fixture
def question() -> Iterator[_Question]:
    """A question whose thread has ended when the test has."""
    question = _Question()
    yield question
    question.go_on.set()
    for thread in threading.enumerate():
        if thread.name == "page":
            thread.join(DEADLINE_SECONDS)


async def test_all_who_ask_at_once_share_one_answer_and_so_do_those_a_moment_later(question: _Question) -> None:
    """However many look, one looks it up; after a second it is looked up anew."""
    now = [100.0]
    latest = Latest(question, keep_seconds=1, clock=lambda: now[0])
    waiting = [asyncio.create_task(latest.get()) for _ in range(20)]
    await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
    question.go_on.set()
    assert await asyncio.gather(*waiting) == [1] * 20
    now[0] += 0.9
    assert await latest.get() == 1
    now[0] += 0.2
    assert await latest.get() == 2


async def test_who_gives_up_takes_nothing_from_the_others(question: _Question) -> None:
    """A client that hangs up while others wait is no reason to ask again, and none for an error."""
    latest = Latest(question)
    first, second = asyncio.create_task(latest.get()), asyncio.create_task(latest.get())
    await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
    first.cancel()
    await asyncio.wait([first])
    question.go_on.set()
    assert (await second, question.asked) == (1, 1)


async def test_what_goes_wrong_is_told_to_everybody_who_waits(question: _Question) -> None:
    """A failure is an answer: each gets it, and once it is over the next one gets a better answer."""
    now = [100.0]
    latest = Latest(question, keep_seconds=1, clock=lambda: now[0])
    question.error = OSError("the disk is gone")
    question.go_on.set()
    outcomes = await asyncio.gather(*(latest.get() for _ in range(2)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["the disk is gone"] * 2
    question.error = None
    now[0] += 1
    assert await latest.get() == 2


def test_the_end_does_not_wait_for_an_answer(question: _Question) -> None:
    """The loop ends while a question hangs; nothing is printed when its answer comes to nobody, later."""

    async def ask_in_vain() -> None:
        task = asyncio.create_task(Latest(question).get())
        await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
        task.cancel()

    started = time.monotonic()
    asyncio.run(ask_in_vain())
    assert time.monotonic() - started < DEADLINE_SECONDS / 2
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "page"]
    assert thread.daemon


async def test_of_subjects_that_are_asked_about_least_nothing_is_kept() -> None:
    """The last ones are known, each by itself; of what is forgotten the next look asks anew."""
    asked: list[str] = []

    def ask(subject: str) -> str:
        asked.append(subject)
        return subject

    latest = LatestOf[str](most=2)
    for subject in "abacabb":
        assert await latest.get(subject, functools.partial(ask, subject)) == subject
    assert asked == list("abcb")
    latest.forget("b")
    await latest.get("b", functools.partial(ask, "b"))
    assert asked == list("abcbb")


def _count_threads() -> int:
    return [thread.name for thread in threading.enumerate()].count("page")


async def test_what_is_forgotten_while_a_question_hangs_takes_no_thread_more(question: _Question) -> None:
    """Who asks then has it asked anew once that one has ended, all of them once; who asked before gets its answer."""
    latest = Latest(question)
    before = asyncio.create_task(latest.get())
    await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
    after = []
    for _ in range(20):
        latest.forget()
        after.append(asyncio.create_task(latest.get()))
        await asyncio.sleep(0)
    assert (_count_threads(), question.asked) == (1, 1)
    question.go_on.set()
    assert await before == 1
    assert await asyncio.gather(*after) == [2] * 20


async def test_subjects_take_no_more_threads_than_may_be_watched(question: _Question) -> None:
    """However many are asked about while all hang, and however often they are forgotten; then each is answered."""
    latest = LatestOf[int](most=3)
    tasks = []
    for number in range(20):
        latest.forget(str(number % 5))
        tasks.append(asyncio.create_task(latest.get(str(number % 5), question)))
        await asyncio.sleep(0)
    await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
    assert _count_threads() == 3
    question.go_on.set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.gather(*tasks)
    assert _count_threads() <= 3


async def test_who_asks_about_another_subject_waits_for_whichever_place_is_free_first(question: _Question) -> None:
    """Not for the one asked about least lately: that may hang for ever."""
    latest, short = LatestOf[int](most=2), _Question()
    hanging = asyncio.create_task(latest.get("hanging", question))
    await asyncio.to_thread(question.begun.wait, DEADLINE_SECONDS)
    ending = asyncio.create_task(latest.get("ending", short))
    await asyncio.to_thread(short.begun.wait, DEADLINE_SECONDS)
    new = asyncio.create_task(latest.get("new", lambda: 7))
    await asyncio.sleep(0)
    short.go_on.set()
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        assert (await ending, await new) == (1, 7)
    assert not hanging.done()
    question.go_on.set()
    assert await hanging == 1
