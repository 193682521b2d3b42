"""What becomes of a claim is decided by one table, and no row of it gives the only copy of a file away."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from sftp_orchestrator.intake.judging import LAST_STEPS, Found, Place, Staged, Step, judge

COPY = Found(is_copied=True)
REMOVING = Found(is_removing=True)
OURS = Found(source=Place.FILE)
STRANGE = Found(source=Place.STRANGE)

ALL = [
    Found(source=source, is_removing=is_removing, is_copied=is_copied, staged=staged)
    for source, is_removing, is_copied, staged in itertools.product(Place, (False, True), (False, True), Staged)
]


@pytest.mark.parametrize(
    ("kept", "staged", "step"),
    [
        # Nothing of it in the workspace, or a piece: it lies in staging, or its producer took it back.
        (Found(), Staged.NOTHING, Step.FORGET),
        (Found(), Staged.ORIGINAL, Step.FORGET),
        (Found(), Staged.GROWN, Step.FORGET),
        (Found(), Staged.OTHER, Step.FORGET),
        (Found(), Staged.UNKNOWN, Step.FORGET),
        # A whole copy: the original is its producer's still.
        (COPY, Staged.NOTHING, Step.COMMIT),
        (COPY, Staged.ORIGINAL, Step.COMMIT),
        (COPY, Staged.GROWN, Step.FORGET),
        (COPY, Staged.OTHER, Step.FORGET),
        (COPY, Staged.UNKNOWN, Step.WAIT),
        # The original may be gone by our own hand: what lies there is another file, unless it is this one.
        (REMOVING, Staged.NOTHING, Step.ADOPT),
        (REMOVING, Staged.ORIGINAL, Step.REMOVE),
        (REMOVING, Staged.GROWN, Step.FORGET),
        (REMOVING, Staged.OTHER, Step.ADOPT),
        (REMOVING, Staged.UNKNOWN, Step.WAIT),
        (OURS, Staged.NOTHING, Step.FINISH),
        (OURS, Staged.ORIGINAL, Step.REMOVE),
        (OURS, Staged.GROWN, Step.FORGET),
        (OURS, Staged.OTHER, Step.FINISH),
        (OURS, Staged.UNKNOWN, Step.WAIT),
        # Swapped between our look and the rename.
        *[(STRANGE, staged, Step.GIVE_BACK) for staged in Staged],
    ],
)
def test_every_claim_has_its_next_step(kept: Found, staged: Staged, step: Step) -> None:
    """The table: what lies in the workspace, what lies in staging, what is done."""
    assert judge(dataclasses.replace(kept, staged=staged)) is step


def test_an_original_that_may_not_be_removed_stays_and_its_copy_goes() -> None:
    """Both would be delivered, now and when the original can be removed."""
    for kept in (REMOVING, OURS):
        assert judge(dataclasses.replace(kept, staged=Staged.ORIGINAL), may_remove=False) is Step.FORGET


def test_what_may_be_the_only_copy_is_never_dropped() -> None:
    """From ``source.removing`` on, ours goes only where staging is known to hold every byte of it."""
    kept = [found for found in ALL if found.source is Place.FILE or found.is_removing]
    for found, may_remove in itertools.product(kept, (True, False)):
        if judge(found, may_remove=may_remove) is Step.FORGET:
            assert found.staged in {Staged.ORIGINAL, Staged.GROWN}, found


def test_an_original_is_removed_only_beside_a_whole_copy_that_counts() -> None:
    """Nothing is removed from staging before ``source.removing`` says so, and nothing but the original."""
    for found in ALL:
        if judge(found) is Step.REMOVE:
            assert found.staged is Staged.ORIGINAL
            assert found.is_removing or found.source is Place.FILE


@pytest.mark.parametrize("may_remove", [True, False])
def test_every_claim_comes_to_an_end(may_remove: bool) -> None:  # noqa: FBT001 - a case
    """From whatever lies there, a few steps lead to one that is the last, when nobody interferes."""
    for found in ALL:
        now, steps = found, 0
        while (step := judge(now, may_remove=may_remove)) not in LAST_STEPS:
            now, steps = _act(now, step), steps + 1
            assert steps <= 4, found


def _act(found: Found, step: Step) -> Found:
    """Return what lies there after a step."""
    if step is Step.COMMIT:
        return dataclasses.replace(found, is_copied=False, is_removing=True)
    if step is Step.REMOVE:
        return dataclasses.replace(found, staged=Staged.NOTHING)
    if step is Step.ADOPT:
        return dataclasses.replace(found, is_removing=False, source=Place.FILE)
    assert step is Step.GIVE_BACK
    return dataclasses.replace(found, source=Place.NOTHING)
