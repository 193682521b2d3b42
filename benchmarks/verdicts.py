"""What the measurements of a case say: medians with their ranges, and whether a budget is met. All pure."""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measuring import Measurement

MB = 1_000_000
OURS = "ours"
"""What our own contender is called in every case."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Several values of one thing."""

    median: float
    lowest: float
    highest: float


def spread(values: Sequence[float]) -> Spread:
    """Return the median of ``values`` and their range."""
    return Spread(median=statistics.median(values), lowest=min(values), highest=max(values))


class Kind(enum.StrEnum):
    """What a budget is about."""

    SPEED = "speed"
    """MB/s of ours, at least"""
    TIMES_FASTER = "times_faster"
    """how many times as fast as the peer ours is, at least"""
    SECONDS = "seconds"
    """that ours takes, at most"""
    CPU_SECONDS = "cpu_seconds"
    """of a processor that ours takes, at most"""
    PEAK = "peak"
    """MB of memory that ours holds, at most"""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A promise of ours."""

    kind: Kind
    limit: float
    peer: str | None = None
    """the contender that ours is compared with, for ``TIMES_FASTER``"""

    def describe(self) -> str:
        """Return the promise in words."""
        if self.kind is Kind.SPEED:
            return f"at least {self.limit:g} MB/s"
        if self.kind is Kind.SECONDS:
            return f"at most {self.limit:g} s"
        if self.kind is Kind.CPU_SECONDS:
            return f"at most {self.limit:g} s of CPU"
        if self.kind is Kind.PEAK:
            return f"at most {self.limit:g} MB of memory"
        return f"at least {self.limit:.3g} times as fast as the {self.peer}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A case as it was measured."""

    case: str
    bytes: int
    """that each contender went through"""
    measured: Mapping[str, Sequence[Measurement]]
    """by contender, ours first; the n-th of each belong to one round"""

    def get_speeds(self, contender: str) -> list[float]:
        """Return MB/s in each round."""
        return [self.bytes / MB / found.seconds for found in self.measured[contender]]

    def get_speeds_per_cpu(self, contender: str) -> list[float]:
        """Return MB by CPU seconds in each round: what one CPU does, whatever else the machine has to do."""
        return [self.bytes / MB / found.cpu_seconds for found in self.measured[contender]]

    def compare(self, peer: str) -> list[float]:
        """Return how many times as fast as ``peer`` ours was, in each round.

        Within a round both ran one after the other, and met much the same machine.
        """
        pairs = zip(self.measured[OURS], self.measured[peer], strict=True)
        return [theirs.seconds / ours.seconds for ours, theirs in pairs]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a budget is met."""

    case: str
    budget: Budget
    measured: Spread
    is_met: bool


def judge(result: Result, budget: Budget) -> Verdict:
    """Hold a case to a budget: time and speed by the median, memory by the highest peak of all rounds."""
    ours = result.measured[OURS]
    if budget.kind is Kind.PEAK:
        measured = spread([found.peak_bytes / MB for found in ours])
        is_met = measured.highest <= budget.limit
    elif budget.kind in {Kind.SECONDS, Kind.CPU_SECONDS}:
        measured = spread([found.seconds if budget.kind is Kind.SECONDS else found.cpu_seconds for found in ours])
        is_met = measured.median <= budget.limit
    else:
        values = result.get_speeds(OURS) if budget.peer is None else result.compare(budget.peer)
        measured = spread(values)
        is_met = measured.median >= budget.limit
    return Verdict(case=result.case, budget=budget, measured=measured, is_met=is_met)
