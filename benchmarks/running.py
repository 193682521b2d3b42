"""Runs a case: round by round, its contenders in turn, so that each meets the same state of a busy machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.case import Bench, Case
from benchmarks.measuring import Measurement, MeasurementFailed
from benchmarks.verdicts import OURS, Result
from sftp_orchestrator.errors import Failure


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A case that could not be measured to its end."""

    case: str
    reason: str


class ContendersDisagree(Exception):  # noqa: N818 - the sentence is in the name
    """Two contenders found different things: one of them did not do the work."""


def run_all(cases: Sequence[Case], bench: Bench, *, rounds: int | None = None) -> list[Result | Failed]:
    """Measure ``cases`` one after the other, whatever becomes of some of them. Blocking."""
    outcomes: list[Result | Failed] = []
    for case in cases:
        try:
            outcomes.append(run(case, bench, rounds=rounds))
        except (Failure, MeasurementFailed, ContendersDisagree) as error:
            outcomes.append(Failed(case=case.name, reason=str(error)))
    return outcomes


def run(case: Case, bench: Bench, *, rounds: int | None = None) -> Result:
    """Measure ``case``, ``rounds`` times or as often as it asks for by itself. Blocking.

    Raises:
        LocalFault: the disk has not enough space.
        MeasurementFailed: a contender failed.
        ContendersDisagree: they found different things.
    """
    with case.set_up(bench) as stage:
        measured: dict[str, list[Measurement]] = {contender.name: [] for contender in stage.contenders}
        if next(iter(measured)) != OURS:
            raise ValueError(f"the first contender of {case.name} must be '{OURS}'")
        total = rounds or case.rounds
        for number in range(1, total + 1):
            for contender in stage.contenders:
                bench.tell(f"{case.name}: {contender.name}, round {number} of {total}")
                measured[contender.name].append(contender.measure())
        _require_agreement(case, measured)
        return Result(case=case.name, bytes=stage.bytes, measured=measured)


def _require_agreement(case: Case, measured: dict[str, list[Measurement]]) -> None:
    """Raise unless all that contenders found under the same name is the same."""
    found: dict[str, int] = {}
    for contender, measurements in measured.items():
        for name, value in (item for measurement in measurements for item in measurement.facts.items()):
            if found.setdefault(name, value) != value:
                raise ContendersDisagree(f"{case.name}: {contender} found {value:,} {name}, not {found[name]:,}")
