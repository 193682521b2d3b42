"""What to do with the value of a profile's property: columns ``<column>.operation``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sftp_orchestrator.sandbox.rules.layout import Layout
from sftp_orchestrator.sandbox.rules.rule import NONE, Faults, Rule, break_rule

OPERATIONS = frozenset({"$add", "$remove", "$set", "$delete"})


def make_check(layout: Layout) -> Callable[[Sequence[str]], Faults]:
    """Return what checks a row's operations.

    Not documented: another case or blanks around (not taken), and an operation without a value (taken).
    """
    positions = tuple(place.position for place in layout.operations)

    def check(row: Sequence[str]) -> Faults:
        cells = [row[position] for position in positions]
        is_right = all(not cell or cell in OPERATIONS for cell in cells)
        return NONE if is_right else (break_rule(Rule.OPERATION_UNKNOWN),)

    return check
