"""The values of properties: their lengths, and their types as the manifest has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sftp_orchestrator.sandbox.rules import date, number
from sftp_orchestrator.sandbox.rules.layout import Layout, Place
from sftp_orchestrator.sandbox.rules.rule import NONE, Faults, Rule, break_rule

MAX_CHARACTERS = 512
_BOOLEANS = frozenset({"true", "false", "1", "0"})


def is_boolean(cell: str) -> bool:
    """Return whether ``cell`` is a BOOLEAN, whatever its case."""
    return cell.lower() in _BOOLEANS


_TYPES: Mapping[str, tuple[Rule, Callable[[str], bool]]] = {
    "INTEGER": (Rule.VALUE_NOT_INTEGER, number.is_integer),
    "LONG": (Rule.VALUE_NOT_LONG, number.is_long),
    "FLOAT": (Rule.VALUE_NOT_FLOAT, number.is_float),
    "BOOLEAN": (Rule.VALUE_NOT_BOOLEAN, is_boolean),
}


def make_lengths_check(layout: Layout) -> Callable[[Sequence[str]], Faults]:
    """Return what checks the lengths of a row's values; identities and the event's name have limits of their own.

    Not documented: what a character is; a code point.
    """
    columns = tuple((place.position, place.header) for place in layout.properties)

    def check(row: Sequence[str]) -> Faults:
        # The longest cell of the row tells at once for nearly all rows.
        if len(max(row, key=len)) <= MAX_CHARACTERS:
            return NONE
        long = [header for position, header in columns if len(row[position]) > MAX_CHARACTERS]
        return tuple(break_rule(Rule.VALUE_TOO_LONG, column=header) for header in long)

    return check


def make_texts_check(layout: Layout) -> Callable[[Sequence[str]], Faults]:
    """Return what checks dates in a row's STRINGs."""
    texts = [place for place in layout.properties if place.column.data_type == "STRING"]
    columns = tuple((place.position, place.header) for place in texts)

    def check(row: Sequence[str]) -> Faults:
        faults = NONE
        for position, header in columns:
            cell = row[position]
            if cell.startswith(date.TEXT_PREFIX) and not date.is_date_text(cell):
                faults += (break_rule(Rule.DATE_TEXT_FORM, column=header),)
        return faults

    return check


def make_types_check(layout: Layout) -> Callable[[Sequence[str]], Faults]:
    """Return what checks a row's cells in columns that are no STRING, identities and the like among them.

    An empty cell is of every type. Not documented: a blank one; it is of none.
    """
    typed = [place for place in layout.places if place.column.data_type != "STRING"]
    columns = tuple((place.position, place.header, *_get_type(place)) for place in typed)

    def check(row: Sequence[str]) -> Faults:
        faults = NONE
        for position, header, rule, is_right in columns:
            cell = row[position]
            if cell and not is_right(cell):
                faults += (break_rule(rule, column=header),)
        return faults

    return check


def _get_type(place: Place) -> tuple[Rule, Callable[[str], bool]]:
    column = place.column
    if column.data_type == "DATE" and column.date_format is not None:
        return Rule.VALUE_NOT_DATE, date.make_matcher(column.date_format)
    return _TYPES[column.data_type]
