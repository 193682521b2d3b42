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
from tests.support.ledgers import make_postgresql
from tests.support.scenarios import PASS, SCENARIOS

BAD_ROWS = next(drop for drop in make_batch(1, rows=12) if drop.name.endswith("a_new.csv"))
"""Two of its rows are bad: as many as its feed bears, unless it bears none."""
KILLS_ON_POSTGRESQL = 8
MORE = 12
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


@pytest.mark.parametrize(
    ("at", "reach"),
    [("archive.rename.before", 1), ("archive.rename.after", 1), ("archive.rename.after", 2), ("files.rmdir.before", 1)],
)
async def test_refused_rows_that_were_given_up_are_put_away_by_the_next_start(
    tmp_path: Path, at: str, reach: int
) -> None:
    """Killed between two files or before the folder is removed: in the end both lie in the archive, and once."""
    async with run_receiver(tmp_path / "receiver") as receiver:
        with open_case(tmp_path / "sender", Load(), receiver) as case:
            case.drop([BAD_ROWS])
            await case.call(*PASS)
            (kept,) = (case.workspace / "rejected").iterdir()
            content = {path.name: path.read_bytes() for path in kept.iterdir()}
            for code in (0, 2):
                assert (await case.call("discard", kept.name, "--reason", "nobody wants them")).code == code
            assert await case.kill(*PASS, at=at, reach=reach)
            await case.finish()
            assert case.check().violations == []
            assert list((case.workspace / "rejected").iterdir()) == []
            (folder,) = (path.parent for path in (case.workspace / "archive").rglob("failed_rows.csv"))
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == content


@pytest.mark.timeout(1800)
async def test_killed_at_any_place_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """At each place, once and more often: every row arrives once and in order, and no manifest twice or early."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    recorded = await record_all(tmp_path / "recorded")
    reached = {place for places in recorded.values() for place in places}
    wanted = {f"{step.name}.{side}" for step in failpoints.STEPS for side in ("before", "after")}
    assert wanted - reached == set()
    kills = select(recorded, seed=seed, more=MORE)
    tally = await kill_all(tmp_path / "killed", kills)
    assert tally.violations == []
    assert [missed for missed in tally.missed if "@1:" in missed] == []
    assert tally.kills + len(tally.missed) == len(kills)


ON_POSTGRESQL = ("plain", "start after cut profiles", "start of a daemon with the clock set back")
"""Together they come to most moves, and to ticks."""


@pytest.mark.timeout(300)
async def test_killed_while_it_writes_to_postgresql_nothing_is_lost_or_doubled(
    tmp_path: Path, postgresql_url: str
) -> None:
    """A transaction that was cut off there leaves no lock and no half move: the next start goes on as with SQLite."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")

    def make_ledger(name: str) -> str:
        return make_postgresql(postgresql_url, name)

    scenarios = [scenario for scenario in SCENARIOS if scenario.name in ON_POSTGRESQL]
    recorded = await record_all(tmp_path / "recorded", scenarios, make_ledger)
    every = [kill for kill in select(recorded, seed=seed, more=0) if kill.place.startswith("ledger.")]
    kills = random.Random(seed).sample(every, KILLS_ON_POSTGRESQL)  # noqa: S311 - to choose, not to hide
    tally = await kill_all(tmp_path / "killed", kills, make_ledger=make_ledger)
    assert (tally.violations, tally.missed) == ([], [])
