"""This machine fails at each of its steps, or is stopped in each state: a line tells, and then all arrives once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import failing
from tests.support.campaign import Bench, share_out
from tests.support.failing import ENCRYPTED, FAR, LOCAL, NEAR, Trouble
from tests.support.scenarios import Scenario

MORE = 6
"""Steps that fail although they were done, beside each that fails before it was."""


async def _record(root: Path) -> dict[str, Counter[str]]:
    places: dict[str, Counter[str]] = {}

    async def work(bench: Bench, scenario: Scenario) -> None:
        places[scenario.name] = await failing.record(bench, scenario)

    await share_out(root, (NEAR, FAR, ENCRYPTED), work)
    return places


async def _make_all(root: Path, troubles: Sequence[Trouble]) -> list[str]:
    wrong: list[str] = []

    async def work(bench: Bench, trouble: Trouble) -> None:
        wrong.extend(await failing.make(bench, trouble))

    await share_out(root, troubles, work)
    return wrong


@pytest.mark.timeout(1200)
async def test_a_step_of_this_machine_that_fails_costs_nothing(tmp_path: Path) -> None:
    """Disk full, disk failing, ledger unusable, at each local step: one line tells, and the next pass delivers once."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    places = await _record(tmp_path / "recorded")
    troubles = failing.list_troubles(places, side="before", action=failing.ERROR)
    assert LOCAL - {trouble.place.removesuffix(".before") for trouble in troubles} == set()
    done = failing.list_troubles(places, side="after", action=failing.ERROR)
    chosen = random.Random(seed).sample(done, MORE)  # noqa: S311 - to choose, not to hide
    wrong = await _make_all(tmp_path / "failed", [*troubles, *chosen])
    assert not wrong, "\n".join(wrong)


@pytest.mark.timeout(300)
async def test_a_stop_in_any_state_is_in_time_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """SIGTERM to the daemon: it ends within 30 s with code 0, and what was under way is delivered once."""
    wrong = await _make_all(tmp_path / "stopped", failing.list_stops())
    assert not wrong, "\n".join(wrong)
