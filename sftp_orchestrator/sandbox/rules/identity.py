"""Whose row it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sftp_orchestrator.sandbox.rules.layout import OBJECT_ID, Layout
from sftp_orchestrator.sandbox.rules.rule import NONE, Fault, Faults, Rule, break_rule

TOO_MANY_CHARACTERS = 1024
"""An identity must stay below this."""
REFUSED_VALUES = frozenset(
    (
        *("undefined", "null", "na", "n/a", "0", "nil", "-1", "infinity", "-infinity", "inf", "-inf", "nan", "-nan"),
        *("empty", "xxxxxx", "none", "test", "blank"),
    )
)
"""In lower case; they stand for nobody, and would make all who bear them one person."""
_OBJECT_ID = re.compile(r"[A-Za-z0-9()!:@$_-]{1,64}")


def make_check(layout: Layout) -> Callable[[Sequence[str]], Faults]:
    """Return what checks a row's identities.

    Not documented: whether the refused values are refused for ``identity`` alone (for all four here), whether one right
    identity makes up for a wrong one (it does not), and whether blanks around count (for the form of an objectId and
    for the length they do; a blank cell is empty).
    """
    places = tuple((place.position, place.header, place.column.property_name) for place in layout.identities)

    def check(row: Sequence[str]) -> Faults:
        is_known = False
        faults = NONE
        for position, header, name in places:
            cell = row[position]
            trimmed = cell.strip()
            if trimmed:
                is_known = True
                if name == OBJECT_ID or len(cell) >= TOO_MANY_CHARACTERS or trimmed.lower() in REFUSED_VALUES:
                    faults += tuple(_find_faults(cell, header, name))
        return faults if is_known else (break_rule(Rule.IDENTITY_MISSING),)

    return check


def _find_faults(cell: str, header: str, name: str) -> list[Fault]:
    is_broken = {
        Rule.IDENTITY_TOO_LONG: len(cell) >= TOO_MANY_CHARACTERS,
        Rule.IDENTITY_REFUSED: cell.strip().lower() in REFUSED_VALUES,
        Rule.OBJECT_ID_FORM: name == OBJECT_ID and not _OBJECT_ID.fullmatch(cell),
    }
    return [break_rule(rule, column=header) for rule, is_so in is_broken.items() if is_so]
