"""How many connections there are: found by what they bring, on lines of every kind, in time that is not real."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from sftp_orchestrator.deliver.growth import AGAIN_SECONDS, FIRST_WIDTH, MOST_WIDTH, Growth
from sftp_orchestrator.deliver.slots import Slots
from sftp_orchestrator.deliver.tuning import Tuner
from tests.support import virtual_time

MB = 1_000_000
Line = Callable[[int], float]
"""The rate of all together by their number."""


def shared(rate: float) -> Line:
    """Return a line that one connection fills."""
    return lambda _: rate


def limited_each(rate: float, whole: float = float("inf")) -> Line:
    """Return a line that limits each connection for itself, as a window over a long way does, and all together."""
    return lambda width: min(rate * width, whole)


def punishing(rate: float, width: int) -> Line:
    """Return a line whose receiver slows everybody down from more than ``width`` on."""
    return lambda found: rate * found if found <= width else rate * width * 0.4


def _grow(line: Line, windows: int = 40, growth: Growth | None = None, noise: float = 0.0) -> Growth:
    chance = random.Random(0)  # noqa: S311 - nothing is kept secret by it
    growth = growth or Growth()
    for second in range(windows):
        growth = growth.judge(line(growth.width) * chance.uniform(1 - noise, 1 + noise), second)
    return growth


@given(rate=st.floats(1e4, 1e9))
def test_every_connection_that_pays_is_kept(rate: float) -> None:
    """Where each has a limit of its own, there are soon as many as there may be."""
    assert _grow(limited_each(rate), windows=3).width == MOST_WIDTH


@given(rate=st.floats(1e4, 1e9), noise=st.floats(0, 0.04))
def test_none_is_kept_that_does_not_pay(rate: float, noise: float) -> None:
    """Where one fills the line, there are never more than at first, but for tries, of which there are few."""
    assert _grow(shared(rate), noise=noise).resume().width == FIRST_WIDTH


@given(each=st.floats(1e5, 1e8), fit=st.floats(1, 12), noise=st.floats(0, 0.02))
def test_what_is_found_is_near_the_best(each: float, fit: float, noise: float) -> None:
    """Whatever number fills the line: nine tenths of what the best one brings is reached."""
    line = limited_each(each, whole=each * fit)
    assert line(_grow(line, noise=noise).resume().width) >= 0.85 * line(MOST_WIDTH)


@given(rates=st.lists(st.floats(0, 1e9), max_size=80), most=st.integers(1, MOST_WIDTH))
def test_the_number_stays_within_its_bounds(rates: list[float], most: int) -> None:
    """Whatever is measured: at least one, never more than allowed, and of two decisions one is no try."""
    growth = Growth(width=min(FIRST_WIDTH, most))
    for second, rate in enumerate(rates):
        after = growth.judge(rate, second, most)
        assert 1 <= after.width <= most
        assert growth.before is None or after.before is None
        growth = after


def test_a_receiver_that_punishes_gets_fewer() -> None:
    """Where the rate falls, fewer are tried, and kept if that costs nothing."""
    growth = _grow(limited_each(10 * MB))
    assert growth.width == MOST_WIDTH
    assert _grow(punishing(10 * MB, 4), growth=growth, windows=20).width <= 4


def test_a_line_that_has_become_slower_keeps_its_number() -> None:
    """A rate that fell and does not come back with fewer is the line's: the number stays what it was."""
    growth = _grow(limited_each(10 * MB))
    growth = _grow(limited_each(2 * MB), growth=growth, windows=20)
    assert growth.width == MOST_WIDTH


def test_it_is_tried_again_later() -> None:
    """A line that was shared and is ours alone at night gets more connections then."""
    growth = _grow(shared(10 * MB))
    late = growth.judge(10 * MB, 40 + AGAIN_SECONDS)
    assert late.before is not None
    assert late.width > growth.width


@dataclass
class _Simulation:
    """Parts without end over a line, sent a tenth of a second at a time by as many as there is room for."""

    line: Line
    tuner: Tuner = field(default_factory=lambda: Tuner("production"))
    most: int = MOST_WIDTH + 1
    widths: list[int] = field(default_factory=list)
    login_seconds: float = 1.0

    async def run(self, seconds: float) -> None:
        """Send for so long."""
        async with (
            asyncio.timeout(seconds),
            self.tuner.tuning(lambda: self.most),
            asyncio.TaskGroup() as group,
        ):
            for _ in range(self.tuner.most + 1):  # one more always waits
                group.create_task(self._send())

    async def _send(self) -> None:
        await asyncio.sleep(self.login_seconds)
        while True:
            async with self.tuner.slots:
                with self.tuner.sending():
                    for _ in range(20):
                        await asyncio.sleep(0.1)
                        self.tuner.note(round(self.line(self.tuner.slots.taken) / self.tuner.slots.taken / 10))
                        self.widths.append(self.tuner.slots.taken)


def _simulate(simulation: _Simulation, seconds: float = 60) -> list[dict[str, object]]:
    async def send() -> None:
        with contextlib.suppress(TimeoutError):
            await simulation.run(seconds)

    with structlog.testing.capture_logs() as logs:
        virtual_time.run(send())
    return [dict(line) for line in logs]


def test_a_long_way_gets_more_connections_within_seconds() -> None:
    """It is told with the rates; and what was found holds for the next run."""
    simulation = _Simulation(limited_each(17 * MB))
    (line,) = _simulate(simulation, seconds=10)
    assert (line["event"], line["connections"], line["before"]) == ("connections_changed", MOST_WIDTH, FIRST_WIDTH)
    assert line["bytes_per_second"] == pytest.approx(136 * MB, rel=0.05)
    assert line["bytes_per_second_before"] == pytest.approx(68 * MB, rel=0.05)
    again = _Simulation(limited_each(17 * MB), tuner=simulation.tuner)
    _simulate(again, seconds=5)
    assert set(again.widths[MOST_WIDTH:]) == {MOST_WIDTH}


def test_a_line_that_is_full_sees_few_tries() -> None:
    """A try in vain is told, costs seconds, and the next one comes after a minute."""
    simulation = _Simulation(shared(10 * MB))
    lines = _simulate(simulation, seconds=60)
    assert {line["event"] for line in lines} == {"connections_tried"}
    assert [line["tried"] for line in lines] == [8, 6, 5]
    assert simulation.tuner.slots.size == FIRST_WIDTH
    assert sum(width > FIRST_WIDTH for width in simulation.widths) < len(simulation.widths) / 3


def test_a_receiver_that_refuses_gets_no_more() -> None:
    """Where the pool has become smaller, no more go up than there are connections, and nothing else is tried."""
    simulation = _Simulation(limited_each(10 * MB), most=2)
    (line,) = _simulate(simulation, seconds=30)
    assert (line["event"], line["connections"], line["before"]) == ("connections_changed", 2, FIRST_WIDTH)
    assert simulation.tuner.slots.size == 2


def test_what_cannot_be_reached_is_given_up() -> None:
    """Logins that hang do not keep a try open for ever, nor count as a rate."""
    simulation = _Simulation(limited_each(10 * MB))
    tuner = simulation.tuner
    tuner.most = FIRST_WIDTH  # no more than these ever begin
    lines = _simulate(simulation, seconds=60)
    assert [line["event"] for line in lines] == ["connections_tried"]
    assert "bytes_per_second" not in lines[0]
    assert tuner.slots.size == FIRST_WIDTH


def test_a_number_is_never_changed() -> None:
    """Whoever wrote how many has so many."""
    simulation = _Simulation(limited_each(10 * MB), tuner=Tuner("production", width=3))
    assert _simulate(simulation) == []
    assert max(simulation.widths) == 3


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=10))
def test_slots_never_hold_more_than_there_is_room_for(sizes: list[int]) -> None:
    """Whenever somebody enters, no more are inside than there is room for; made larger, those who wait go at once."""

    async def run() -> None:
        slots = Slots(1)
        before = [0]
        """how many were inside when it was made smaller"""

        async def work() -> None:
            for _ in range(20):
                async with slots:
                    assert slots.taken <= max(slots.size, before[0])
                    await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(work())
            for size in sizes:
                await asyncio.sleep(1.5)
                before[0] = slots.taken
                slots.resize(size)
                await asyncio.sleep(0)
                assert slots.taken >= size
        assert slots.taken == 0

    virtual_time.run(run())


def test_who_gives_up_waiting_for_a_slot_takes_none() -> None:
    """Cancelled while waiting, even in the moment of being let in, it leaves the room to the next."""

    async def enter(slots: Slots) -> None:
        async with slots:
            pass

    async def run() -> None:
        slots = Slots(1)
        async with slots:
            waiting, served = (asyncio.create_task(enter(slots)) for _ in range(2))
            await asyncio.sleep(0)
            waiting.cancel()
        served.cancel()
        await asyncio.gather(waiting, served, return_exceptions=True)
        assert slots.taken == 0
        await enter(slots)

    virtual_time.run(run())
