"""Kills every scenario at every place it reaches: first told apart by a run that is not killed, then one by one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator.config.ledger_url import SQLITE
from tests.support.crashing import Case, Receiver, open_case, run_receiver
from tests.support.receipts import History
from tests.support.scenarios import SCENARIOS, Scenario

WORKERS = 2
"""Kills at a time: each has a receiver of its own."""
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: the command of a scenario, the ``reach``-th time that it comes to a place."""

    scenario: Scenario
    place: str
    reach: int

    def __str__(self) -> str:
        return f"{self.scenario.name}: {self.place}@{self.reach}"


@dataclass(kw_only=True)
class Tally:
    """What came of many kills."""

    kills: int = 0
    missed: list[str] = field(default_factory=list)
    """places that were not reached so often this time"""
    violations: list[str] = field(default_factory=list)
    resolved: int = 0
    """parts that a person had to decide about"""
    repeated_profiles: int = 0


def use_sqlite(_name: str) -> str:
    """Return the ``ledger.url`` of a case whose ledger lies in its workspace."""
    return SQLITE


class Bench:
    """Receivers for one worker, of both kinds, started when they are first asked for."""

    def __init__(self, root: Path, stack: contextlib.AsyncExitStack, make_ledger: Callable[[str], str]) -> None:
        self._root = root
        self._make_ledger = make_ledger
        self._stack = stack
        self._receivers: dict[bool, Receiver] = {}
        self._count = 0

    @contextlib.asynccontextmanager
    async def open(self, scenario: Scenario) -> AsyncIterator[Case]:
        """Give a new case of ``scenario``, to which nothing is dropped yet."""
        removes = scenario.load.removes_taken
        if removes not in self._receivers:
            root = self._root / ("removes" if removes else "leaves")
            self._receivers[removes] = await self._stack.enter_async_context(run_receiver(root, removes_taken=removes))
        self._count += 1
        name = f"{self._root.name}_case_{self._count:04}".replace("-", "_")
        load = dataclasses.replace(scenario.load, ledger_url=await asyncio.to_thread(self._make_ledger, name))
        with open_case(self._root / f"case-{self._count:04}", load, self._receivers[removes]) as case:
            yield case


async def record_all(
    root: Path, scenarios: Sequence[Scenario] = SCENARIOS, make_ledger: Callable[[str], str] = use_sqlite
) -> dict[str, Counter[str]]:
    """Run every scenario without a kill; return how often each came to which place. The promise holds there, too.

    ``make_ledger`` returns the ``ledger.url`` of a case, whose name it is given.
    """
    found: dict[str, Counter[str]] = {}

    async def record(bench: Bench, scenario: Scenario) -> None:
        async with bench.open(scenario) as case:
            command = await scenario.begin(case)
            reached = case.folder / "reached"
            await case.call(*command, record=reached)
            await case.receiver.settle()
            await scenario.mend(case)
            await case.finish()
            history = case.check()
            assert not history.violations, (scenario.name, history.violations, case.output.read_text())
            found[scenario.name] = Counter(reached.read_text(encoding="utf-8").split())

    await share_out(root, scenarios, record, make_ledger=make_ledger)
    return found


def select(recorded: dict[str, Counter[str]], *, seed: int, more: int | None) -> list[Kill]:
    """Return a kill for every place, where it is reached first, and ``more`` at random; None = all. Pure."""
    every = [
        Kill(scenario=scenario, place=place, reach=reach)
        for scenario in SCENARIOS
        for place, count in sorted(recorded.get(scenario.name, {}).items())
        for reach in range(1, count + 1)
    ]
    first = {kill.place: kill for kill in reversed(every) if kill.reach == 1}
    others = [kill for kill in every if first[kill.place] is not kill]
    count = len(others) if more is None else min(more, len(others))
    return [*first.values(), *random.Random(seed).sample(others, count)]  # noqa: S311 - to choose, not to hide


async def kill_all(
    root: Path,
    kills: Sequence[Kill],
    *,
    make_ledger: Callable[[str], str] = use_sqlite,
    tell: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Carry out ``kills``, start again after each until everything is done, and check what the receiver saw."""
    tally = Tally()

    async def carry_out(bench: Bench, kill: Kill) -> None:
        async with bench.open(kill.scenario) as case:
            command = await kill.scenario.begin(case)
            if await case.kill(*command, at=kill.place, reach=kill.reach):
                tally.kills += 1
            else:
                tally.missed.append(f"{kill}: {await asyncio.to_thread(case.output.read_text)}")
            if command[0] != "run":
                # The person types it again; where it was done by then, it is refused.
                await case.call(*command)
            await kill.scenario.mend(case)
            history = await _finish(case)
            tally.violations += [f"{kill}: {found} (see {case.output})" for found in history.violations]
            tally.resolved += case.resolved
            tally.repeated_profiles += history.repeated_profiles
            tell(f"{kill}: {history.violations or 'kept'}")

    await share_out(root, kills, carry_out, make_ledger=make_ledger)
    return tally


async def _finish(case: Case) -> History:
    try:
        await case.finish()
    except AssertionError as error:
        return History(violations=[str(error)[-500:]])
    return case.check()


async def share_out(
    root: Path,
    items: Iterable[Item],
    work: Callable[[Bench, Item], object],
    *,
    make_ledger: Callable[[str], str] = use_sqlite,
) -> None:
    """Have workers take ``items`` one by one, in this order; ``work`` is a coroutine function."""
    waiting = iter(list(items))

    async def labour(number: int) -> None:
        async with contextlib.AsyncExitStack() as stack:
            bench = Bench(root / f"worker-{number}", stack, make_ledger)
            for item in waiting:
                await work(bench, item)  # type: ignore[misc] # a coroutine function

    async with asyncio.TaskGroup() as group:
        for number in range(WORKERS):
            group.create_task(labour(number))
