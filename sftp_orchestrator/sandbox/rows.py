"""What the receiver demands of each row: a function a rule, each says what is wrong or None. Pure.

A row that breaks a rule fails alone: it goes to the CSV of failed rows, the others are imported. To add a rule, write
the function and list it in ``RULES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from sftp_orchestrator.sandbox.refusals import IDENTITY_MANDATORY

IDENTITIES = ("identity", "objectId", "fbId", "gpId")
"""Properties of which one at least says whose row it is."""
EVENT_NAME = "evtName"
TIMESTAMP = "ts"


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of one data file."""

    type: str
    """``profile`` or ``event``."""
    header: tuple[str, ...]
    properties: tuple[str, ...]
    """What each column of the header becomes."""

    @cached_property
    def identity_positions(self) -> tuple[int, ...]:
        """Where the identity columns stand."""
        return tuple(position for position, name in enumerate(self.properties) if name in IDENTITIES)

    @cached_property
    def timestamp_position(self) -> int | None:
        """Where the time of the event stands."""
        return self.properties.index(TIMESTAMP) if TIMESTAMP in self.properties else None


Rule = Callable[[Table, Sequence[str]], str | None]
"""Returns the failure's description, None where the row is right."""


def find_fault(table: Table, row: Sequence[str]) -> str | None:
    """Return the description of the first rule that ``row`` breaks, None where it breaks none."""
    for rule in RULES:
        fault = rule(table, row)
        if fault is not None:
            return fault
    return None


def check_width(table: Table, row: Sequence[str]) -> str | None:
    """A row has as many columns as the header. The vendor has no words for it; these are ours."""
    if len(row) == len(table.header):
        return None
    surplus = f"; surplus: {', '.join(row[len(table.header) :])}" if len(row) > len(table.header) else ""
    return f"Row has {len(row)} columns, the header has {len(table.header)}{surplus}"


def check_identity(table: Table, row: Sequence[str]) -> str | None:
    """A row says in one column at least whose it is."""
    return None if any(row[position].strip() for position in table.identity_positions) else IDENTITY_MANDATORY


RULES: tuple[Rule, ...] = (check_width, check_identity)
"""In the order in which they are checked; the first one makes sure that the others find every column."""
