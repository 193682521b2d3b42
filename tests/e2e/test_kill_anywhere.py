"""Killed at every named step between claim and archive, and started again: nothing lost, nothing doubled, in order."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from sftp_orchestrator import failpoints
from tests.support.campaign import kill_all, record_all, select
from tests.support.crashing import Load, open_case, run_receiver
from tests.support.drops import make_batch
from tests.support.scenarios import PASS, UNREACHED

BAD_ROWS = next(drop for drop in make_batch(1, rows=12) if drop.name.endswith("a_new.csv"))
"""Two of its rows are bad: as many as its feed bears, unless it bears none."""
MORE = 40
"""Kills at later reaches, and in other scenarios, beside one for each place; ``make torture`` takes them all."""


@pytest.mark.parametrize("is_read_otherwise", [False, True], ids=["refused again", "sent"])
@pytest.mark.parametrize("at", ["files.write.after", "files.rename.after", "ledger.source.quarantined.before"])
async def test_of_a_quarantine_that_was_cut_off_nothing_is_left(
    tmp_path: Path, at: str, *, is_read_otherwise: bool
) -> None:
    """Killed before it is noted, the file is read again: no half report stays, and none of a file that is sent."""
    async with run_receiver(tmp_path / "receiver") as receiver:
        with open_case(tmp_path / "sender", Load(), receiver) as case:
            case.configure({"feeds": {"purchases": {"max_bad_rows": 0}}})
            case.drop([BAD_ROWS])
            assert await case.kill(*PASS, at=at)
            if is_read_otherwise:
                case.configure()
            else:
                case.drops = [dataclasses.replace(BAD_ROWS, rows=(), is_refused=True)]
            await case.finish()
            assert case.check().violations == []


@pytest.mark.timeout(900)
async def test_killed_at_any_place_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """At each place, once and more often: every row arrives once and in order, and no manifest twice or early."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    recorded = await record_all(tmp_path / "recorded")
    reached = {place for places in recorded.values() for place in places}
    wanted = {f"{step.name}.{side}" for step in failpoints.STEPS for side in ("before", "after")}
    unreached = {f"{name}.{side}" for name in UNREACHED for side in ("before", "after")}
    assert wanted - reached == unreached
    kills = select(recorded, seed=seed, more=MORE)
    tally = await kill_all(tmp_path / "killed", kills)
    assert tally.violations == []
    assert [missed for missed in tally.missed if "@1:" in missed] == []
    assert tally.kills + len(tally.missed) == len(kills)
