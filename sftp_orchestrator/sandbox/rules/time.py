"""When it happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sftp_orchestrator.sandbox.rules.layout import Place
from sftp_orchestrator.sandbox.rules.number import parse_integer
from sftp_orchestrator.sandbox.rules.rule import NONE, Faults, Rule, break_rule

MAX_AHEAD_SECONDS = 86_400
"""Clocks differ, and time zones are mistaken; a day is the most that these make. Not documented by the vendor."""
MILLISECOND_DIGITS = 13


def make_check(place: Place, now: float) -> Callable[[Sequence[str]], Faults]:
    """Return what checks a row's time against ``now``, in epoch seconds. An empty one is *when processed*."""
    position, header = place.position, place.header
    latest = now + MAX_AHEAD_SECONDS

    def check(row: Sequence[str]) -> Faults:
        cell = row[position]
        if not cell:
            return NONE
        time = parse_integer(cell)
        if time is not None and 0 <= time <= latest:
            return NONE
        return (break_rule(_name_fault(time), column=header),)

    return check


def _name_fault(time: int | None) -> Rule:
    if time is None:
        return Rule.TIME_NOT_INTEGER
    if time < 0:
        return Rule.TIME_BEFORE_1970
    return Rule.TIME_IN_MILLISECONDS if len(str(time)) == MILLISECOND_DIGITS else Rule.TIME_IN_FUTURE
