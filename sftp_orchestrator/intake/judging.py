"""What becomes of a claim, decided from what lies in the workspace and under its name in staging. Pure.

A file from the same file system is renamed and is ``source.csv`` at once. One from another file system is copied, and
the name of the copy tells how far that went::

    source.copying    a piece of a copy
    source.copied     a whole copy; the original is still its producer's, and his to change, replace or take back
    source.removing   the copy is the file from here on: its original may be gone by our own hand
    source.csv        ours; the original is gone

So a copy is dropped only while its original cannot have been removed by us, or where every byte of it lies in staging.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass

from sftp_orchestrator.ledger.records import Claim


class Staged(enum.Enum):
    """What lies under the claimed name in staging."""

    NOTHING = enum.auto()
    ORIGINAL = enum.auto()
    """the claimed file, as it was claimed"""
    GROWN = enum.auto()
    """the claimed file, changed since, and every byte of ours is in it"""
    OTHER = enum.auto()
    """another file, or the claimed one with other content"""
    UNKNOWN = enum.auto()
    """nobody looked, or not to the end"""


class Place(enum.Enum):
    """What lies in the place of the source."""

    NOTHING = enum.auto()
    FILE = enum.auto()
    STRANGE = enum.auto()
    """no plain file, or one that has its name elsewhere: swapped between our look and the rename"""


class Step(enum.Enum):
    """What is to be done next about a claim; after the last four nothing is left to decide."""

    COMMIT = enum.auto()
    """``source.copied`` becomes ``source.removing``"""
    REMOVE = enum.auto()
    """the original is removed from staging"""
    ADOPT = enum.auto()
    """``source.removing`` becomes ``source.csv``"""
    GIVE_BACK = enum.auto()
    """what is none of ours goes back under its name in staging"""
    FINISH = enum.auto()
    """the file is ours: note it"""
    FORGET = enum.auto()
    """nothing of it is ours: remove what is left in the workspace, and forget the claim"""
    WAIT = enum.auto()
    """it cannot be told now; the claim stays as it is"""


LAST_STEPS = frozenset({Step.FINISH, Step.FORGET, Step.WAIT})


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a look at one claim's files saw."""

    source: Place = Place.NOTHING
    is_removing: bool = False
    """``source.removing`` is there"""
    is_copied: bool = False
    """``source.copied`` is there"""
    staged: Staged = Staged.UNKNOWN

    @property
    def is_committed(self) -> bool:
        """Whether the original may be gone by our own hand."""
        return self.source is Place.FILE or self.is_removing


def judge(found: Found, *, may_remove: bool = True) -> Step:
    """Decide the next step; ``may_remove`` is False once we were refused to remove the original. Pure."""
    if found.source is Place.STRANGE:
        return Step.GIVE_BACK
    if not (found.is_committed or found.is_copied):
        return Step.FORGET
    if found.staged is Staged.UNKNOWN:
        return Step.WAIT
    return _judge_committed(found, may_remove=may_remove) if found.is_committed else _judge_copied(found.staged)


def _judge_copied(staged: Staged) -> Step:
    # Gone, and not by our hand: ours may be the only one left. Whoever gave it another name sends the same content
    # twice, which the inspection tells.
    return Step.COMMIT if staged in {Staged.ORIGINAL, Staged.NOTHING} else Step.FORGET


def _judge_committed(found: Found, *, may_remove: bool) -> Step:
    if found.staged is Staged.ORIGINAL:
        # A copy beside an original that stays would be delivered twice.
        return Step.REMOVE if may_remove else Step.FORGET
    if found.staged is Staged.GROWN:
        return Step.FORGET
    return Step.FINISH if found.source is Place.FILE else Step.ADOPT


def is_same(claim: Claim, found: os.stat_result) -> bool:
    """Return whether ``found`` is the file that was claimed, as it was then. Pure."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == (
        claim.device,
        claim.inode,
        claim.size,
        claim.mtime_ns,
    )
