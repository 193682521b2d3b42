"""The throttle holds its limit whoever sends how much and when: in time that is not real, and so exact."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from sftp_orchestrator.deliver.throttle import (
    BURST_SECONDS,
    LOOK_SECONDS,
    SLICE_SECONDS,
    SMALLEST_SLICE_BYTES,
    Bucket,
    Throttle,
    count_wire_bytes,
)
from tests.support import virtual_time

MOST_BYTES = 255 * 1024
RATES = st.sampled_from([1_000, 10_000, 123_457, 1_000_000, 12_500_000, 1_000_000_000])
Sent = list[tuple[float, int]]


@given(rate=RATES, steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, MOST_BYTES)), max_size=60))
def test_a_bucket_never_gives_more_than_its_rate(rate: int, steps: list[tuple[float, int]]) -> None:
    """Between any two moments goes what the rate allows, and at most one burst and one slice beside it."""
    bucket, now, taken = Bucket(rate, 0), 0.0, Sent()
    for seconds, most in steps:
        now += seconds
        if not bucket.get_wait(now):
            size = min(most, bucket.slice_bytes)
            bucket.take(size)
            taken.append((now, size))
    beside = rate * BURST_SECONDS + bucket.slice_bytes
    for begin, end in itertools.combinations_with_replacement(range(len(taken)), 2):
        size = sum(size for _, size in taken[begin : end + 1])
        assert size <= rate * (taken[end][0] - taken[begin][0]) + beside + 1


@given(rate=RATES, late=st.floats(0, BURST_SECONDS - SLICE_SECONDS), count=st.integers(20, 200))
def test_a_bucket_gives_all_of_its_rate(rate: int, late: float, count: int) -> None:
    """Who wakes late each time, but no later than a burst lasts, gets no less than the rate."""
    bucket, now, taken = Bucket(rate, 0), 0.0, 0
    for _ in range(count):
        now += bucket.get_wait(now) + late
        while not bucket.get_wait(now):
            bucket.take(bucket.slice_bytes)
            taken += bucket.slice_bytes
    assert taken >= rate * now - 1


async def _send_for(seconds: float, throttle: Throttle, most: int, sent: Sent) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < seconds:
        size = await throttle.take(most)
        sent.append((loop.time(), size))
        if size == most:
            await asyncio.sleep(0)  # as whatever is sent takes a turn of the loop


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([1_000, 10_000, 123_457, 1_000_000, 12_500_000]),
    senders=st.lists(st.integers(2000, MOST_BYTES), min_size=1, max_size=8),
)
def test_all_senders_together_hold_the_rate(rate: int, senders: list[int]) -> None:
    """However many send however large writes: the wire's bytes are those of the rate within 2 %, and shared evenly."""
    sent = [Sent() for _ in senders]

    async def send_all() -> None:
        throttle = Throttle("production", lambda: float(rate))
        async with asyncio.TaskGroup() as group:
            for most, mine in zip(senders, sent, strict=True):
                group.create_task(_send_for(seconds, throttle, most, mine))

    seconds = 60 if rate < 100_000 else 3
    virtual_time.run(send_all())
    total = sum(count_wire_bytes(size) for mine in sent for _, size in mine)
    slack = len(senders) * count_wire_bytes(max(SMALLEST_SLICE_BYTES, int(rate * SLICE_SECONDS)))
    assert rate * seconds * 0.98 - slack <= total <= rate * seconds * 1.02 + slack
    turns = [len(mine) for mine in sent]
    assert max(turns) - min(turns) <= 2


def _switch(at: float, before: float | None, after: float | None) -> Callable[[], float | None]:
    return lambda: before if asyncio.get_running_loop().time() < at else after


def test_another_limit_takes_effect_while_somebody_waits() -> None:
    """10 kB/s until the tenth second, 1 MB/s until the twentieth, then no limit: in the middle of what is sent."""
    sent = Sent()

    async def send() -> None:
        def get_limit() -> float | None:
            now = asyncio.get_running_loop().time()
            return 10_000 if now < 10 else 1_000_000 if now < 20 else None

        throttle = Throttle("production", get_limit)
        await _send_for(20, throttle, MOST_BYTES, sent)
        assert await throttle.take(MOST_BYTES) == MOST_BYTES

    with structlog.testing.capture_logs() as logs:
        virtual_time.run(send())
    slow = sum(size for at, size in sent if at < 10)
    fast = sum(size for at, size in sent if 10 <= at < 20)
    assert 85_000 < slow < 101_000  # the smallest write has a head of 8 %
    assert 9_700_000 < fast < 10_100_000
    assert [line["bytes_per_second"] for line in logs if line["event"] == "bandwidth_limited"] == [10_000, 1e6, None]


def test_a_slow_limit_begins_without_debt_of_the_fast_one() -> None:
    """One write at 1 GB/s would be 26 seconds at 10 kB/s: the first small write afterwards does not wait for them."""

    async def send() -> None:
        throttle = Throttle("production", _switch(1, 1e9, 10_000))
        sent = Sent()
        await _send_for(1, throttle, MOST_BYTES, sent)
        await throttle.take(SMALLEST_SLICE_BYTES)
        await throttle.take(SMALLEST_SLICE_BYTES)
        assert asyncio.get_running_loop().time() < 1 + LOOK_SECONDS

    virtual_time.run(send())


def test_a_small_file_does_not_starve_behind_data() -> None:
    """With eight connections full of data, one more write waits for one turn of each of them."""

    async def send() -> None:
        throttle, sent = Throttle("production", lambda: 1e6), Sent()
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(_send_for(10, throttle, MOST_BYTES, sent))
            await asyncio.sleep(5)
            await throttle.take(300)
            assert asyncio.get_running_loop().time() < 5 + 9.5 * SLICE_SECONDS

    virtual_time.run(send())


def test_who_gives_up_waiting_takes_no_turn_along() -> None:
    """A cancelled upload leaves its turn to the next, and has used nothing of the limit."""

    async def send() -> None:
        throttle = Throttle("production", lambda: 1000)
        await throttle.take(1000)
        first, second = (asyncio.create_task(throttle.take(10)) for _ in range(2))
        await asyncio.sleep(0.1)
        first.cancel()
        assert await second == 10
        assert asyncio.get_running_loop().time() < 1.2

    virtual_time.run(send())
