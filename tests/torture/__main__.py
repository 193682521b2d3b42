"""``python -m tests.torture``: kills the daemon at random moments, and checks that nothing was lost or doubled."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tests.support import campaign
from tests.torture import storm

ROUNDS = 200
AT_ONCE = 2
"""Storms at a time."""
SHOWN = 20
"""Violations that are printed; their number is always told."""


def main(
    *,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="How many kills: 200 by default; with --failpoints all there are.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="What is random comes from it; printed at the start.")] = None,
    failpoints: Annotated[
        bool, typer.Option("--failpoints", help="Instead, kill at every named place as often as it is reached.")
    ] = False,
) -> None:
    """Kill the daemon at random moments on a mixed load, start it again, and check what the receiver saw."""
    sown = secrets.randbits(32) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"seed {sown}, in {folder}", flush=True)
    if failpoints:
        violations = asyncio.run(_kill_everywhere(folder, rounds=rounds, seed=sown))
    else:
        violations = asyncio.run(_rage(folder, rounds=rounds or ROUNDS, seed=sown))
    for violation in violations[:SHOWN]:
        print(f"VIOLATION {violation}")
    if violations:
        print(f"{len(violations)} violations; everything is kept in {folder}, seed {sown}")
        raise typer.Exit(1)
    shutil.rmtree(folder)
    print("the promise was kept")


async def _rage(folder: Path, *, rounds: int, seed: int) -> list[str]:
    names = list(storm.LOADS)
    shares = [rounds // len(names) + (place < rounds % len(names)) for place in range(len(names))]
    free = asyncio.Semaphore(AT_ONCE)

    async def rage(name: str, share: int) -> storm.Outcome:
        async with free:
            return await storm.rage(name, folder / name.replace(", ", "-"), rounds=share, seed=seed, tell=_tell)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(rage(*pair)) for pair in zip(names, shares, strict=True) if pair[1]]
    outcomes = [task.result() for task in tasks]
    _print_table(outcomes)
    return [f"{outcome.name}: {found}" for outcome in outcomes for found in outcome.history.violations]


async def _kill_everywhere(folder: Path, *, rounds: int | None, seed: int) -> list[str]:
    recorded = await campaign.record_all(folder / "recorded")
    kills = campaign.select(recorded, seed=seed, more=None)[:rounds]
    _tell(f"{len(kills)} kills")
    tally = await campaign.kill_all(folder / "killed", kills, tell=_tell)
    print(
        f"{tally.kills} kills, {len(tally.missed)} places not reached as often again, {tally.resolved} parts resolved, "
        f"{tally.repeated_profiles} rows of profiles sent again, {len(tally.violations)} violations"
    )
    return tally.violations


def _print_table(outcomes: Sequence[storm.Outcome]) -> None:
    heads = "rounds", "kills", "files", "rows", "manifests", "resolved", "repeated", "lost", "doubled", "disorder"
    print(f"{'storm':<32}" + "".join(f"{head:>10}" for head in heads))
    for outcome in outcomes:
        found = outcome.history
        figures = [outcome.rounds, outcome.kills, found.files, found.rows, found.manifests, outcome.resolved]
        figures += [found.repeated_profiles, found.lost_rows, found.doubled_rows, found.out_of_order]
        print(f"{outcome.name:<32}" + "".join(f"{figure:>10,}" for figure in figures))
    print("repeated: rows of profiles that came again under a new name, as they may where nobody can tell")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(main)
