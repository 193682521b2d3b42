"""Holding a row to every rule for rows.

What there is to look at is settled once a file, from its columns; of a row only these cells are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sftp_orchestrator.sandbox.rules import event_name, identity, operation, time, value
from sftp_orchestrator.sandbox.rules.layout import Layout
from sftp_orchestrator.sandbox.rules.rule import NONE, Fault, Faults, Rule

Check = Callable[[Sequence[str]], Faults]
"""Returns everything that is wrong with a row, in the order of the rules' table; nothing where it is right."""


def make_check(layout: Layout, *, now: float) -> Check:
    """Return what holds rows of a file to every rule; ``now`` is the receiver's clock in epoch seconds."""
    width = len(layout.header)
    checks = tuple(_list_checks(layout, now))

    def check(row: Sequence[str]) -> Faults:
        if len(row) != width:
            # Nobody knows which cell belongs to which column: the other rules say nothing of such a row.
            return (_describe_width(row, width),)
        faults = NONE
        for find_faults in checks:
            faults += find_faults(row)
        return faults

    return check


def _list_checks(layout: Layout, now: float) -> list[Check]:
    """Return a check for each thing that these columns have."""
    checks = [identity.make_check(layout)]
    if layout.event_name is not None:
        checks.append(event_name.make_check(layout.event_name))
    if layout.timestamp is not None:
        checks.append(time.make_check(layout.timestamp, now))
    if layout.properties:
        checks += [value.make_lengths_check(layout), value.make_texts_check(layout)]
    if any(place.column.data_type != "STRING" for place in layout.places):
        checks.append(value.make_types_check(layout))
    if layout.operations:
        checks.append(operation.make_check(layout))
    return checks


def _describe_width(row: Sequence[str], width: int) -> Fault:
    surplus = f"; surplus: {', '.join(row[width:])}" if len(row) > width else ""
    return Fault(rule=Rule.ROW_WIDTH, text=Rule.ROW_WIDTH.text.format(found=len(row), width=width, surplus=surplus))
