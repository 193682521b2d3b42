"""A storm: a daemon that is killed at random moments, again and again, while files keep coming."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import forked
from tests.support.crashing import Case, Load, open_case, run_receiver
from tests.support.drops import Drop, make_batch
from tests.support.receipts import History
from tests.support.scenarios import SMALL, SMALL_PIECES

LONGEST_LIFE = 2.5
"""In times of what one batch takes on this machine: kills fall into the start, into every step, and into the pauses."""
MOST_ENTRIES = 60
"""In the receiver's log; a batch makes about that many. Half of the kills follow one of these closely."""
AFTER_SECONDS = (0.0, 0.0, 0.001, 0.004)
"""How closely, one of these: between a manifest's last byte and the note of it lie one or two milliseconds."""
PAUSE_SECONDS = 0.15
"""Between two files of a producer, at most."""
BATCHES = (0, 1, 1, 2)
"""How many come in a round, one of these."""

LOADS: dict[str, Load] = {
    "plain, left there": Load(rows=60, destination=SMALL),
    "encrypted, taken away": Load(rows=180, encrypts=True, removes_taken=True, destination=SMALL_PIECES),
    "other file system, left there": Load(rows=60, is_far=True, destination=SMALL),
    "renamed, taken away": Load(rows=60, removes_taken=True, destination={**SMALL, "rename": True}),
}
"""Each has a storm of its own."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a storm."""

    name: str
    rounds: int
    kills: int
    """daemons that still ran when they were killed: all, unless one ended by itself"""
    resolved: int
    """parts that a person had to decide about"""
    history: History


async def rage(name: str, folder: Path, *, rounds: int, seed: int, tell: Callable[[str], None]) -> Outcome:
    """Run one storm below ``folder``; what is random in it comes from ``seed`` and the name."""
    load = LOADS[name]
    chance = random.Random(f"{seed} {name}")  # noqa: S311 - to choose, not to hide
    kills = batches = 0
    async with run_receiver(folder / "receiver", removes_taken=load.removes_taken) as receiver:
        with open_case(folder / "sender", load, receiver) as case:
            longest_seconds = LONGEST_LIFE * await _measure(case)
            for number in range(1, rounds + 1):
                coming: list[Drop] = []
                for _ in range(chance.choice(BATCHES)):
                    batches += 1
                    coming += sorted(make_batch(batches, rows=load.rows), key=lambda drop: drop.rank)
                kills += await _live_and_die(case, coming, chance, longest_seconds=longest_seconds)
                if number % 10 == 0:
                    tell(f"{name}: {number} of {rounds} rounds, {len(case.drops)} files")
            history = await _conclude(case)
            return Outcome(name=name, rounds=rounds, kills=kills, resolved=case.resolved, history=history)


@dataclass(frozen=True, kw_only=True)
class _Life:
    """When a daemon dies: after a time, or soon after the receiver has seen so much of it, if that comes first."""

    seconds: float
    entries: int | None
    after_seconds: float

    async def spend(self, case: Case) -> None:
        """Return when it is over. Not to wait for anything: how long it lives is what is random."""
        if self.entries is None:
            await asyncio.sleep(self.seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                memory = case.receiver.memory
                await memory.wait_until(memory.sequence + self.entries)
                await asyncio.sleep(self.after_seconds)


async def _measure(case: Case) -> float:
    """Return how many seconds a pass over one batch takes."""
    case.drop(make_batch(0, rows=case.load.rows))
    started = time.monotonic()
    await case.call("run", "--once")
    return time.monotonic() - started


async def _live_and_die(case: Case, coming: Sequence[Drop], chance: random.Random, *, longest_seconds: float) -> bool:
    """Run the daemon for a while, with files coming, and kill it; return whether it ran until then."""
    life = _Life(
        seconds=chance.uniform(0, longest_seconds),
        entries=chance.choice((None, chance.randint(1, MOST_ENTRIES))),
        after_seconds=chance.choice(AFTER_SECONDS),
    )
    pauses = [chance.uniform(0, PAUSE_SECONDS) for _ in coming]
    daemon = await asyncio.to_thread(forked.start, case.config, "run", output=case.output)
    feeding = asyncio.create_task(_feed(case, coming, pauses))
    deciding = asyncio.create_task(_decide(case))
    await life.spend(case)
    daemon.kill()
    code = await daemon.wait()
    await asyncio.gather(feeding, deciding)
    await case.receiver.settle()
    return code < 0


async def _feed(case: Case, coming: Sequence[Drop], pauses: Sequence[float]) -> None:
    for drop, pause in zip(coming, pauses, strict=True):
        case.drop([drop])
        await asyncio.sleep(pause)


async def _decide(case: Case) -> None:
    """Say what became of parts of earlier rounds, beside the daemon."""
    await case.resolve(await case.list_sources())


async def _conclude(case: Case) -> History:
    try:
        await case.finish()
    except AssertionError as error:
        history = case.check()
        history.violations.append(str(error))
        return history
    return case.check()
