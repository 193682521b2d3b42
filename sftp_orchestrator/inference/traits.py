"""What a cell looks like, as one whole number: a bit for each trait, worked out by one SQL expression. All pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.prepare.checks import terms, type_forms

CELL = "cell"
"""How the expression calls the cell."""
CALENDAR_FORMATS = tuple(written for written in clevertap.DATE_FORMATS if written != type_forms.UNIX)
FIRST_SECOND, LAST_SECOND = 631_152_000, 4_102_444_800
"""The years 1990 to 2100: whole numbers within are taken for epoch seconds where a name says a time."""
_FIRST_FORMAT_BIT = 16
_YES_NO = ("yes", "no", "y", "n", "on", "off", "ja", "nein", "oui", "non", "si", "sim")
_SMALLEST_SECOND_BYTES = len(str(FIRST_SECOND))
_LONGEST_WORD_BYTES = 5
"""Of what means yes or no: ``false``."""
_WITH_COMMA = "-?[0-9]{1,3}([.][0-9]{3})*,[0-9]+|-?[0-9]+,[0-9]+|-?[0-9]{1,3}(,[0-9]{3})+([.][0-9]+)?"
_MONTH = "([0-9]{1,2}|[A-Za-z]{3,9})"
_BETWEEN = "[-/. ,]+"
_DATE_LIKE = (
    f"([0-9]{{1,2}}{_BETWEEN}{_MONTH}{_BETWEEN}([0-9]{{4}}|[0-9]{{2}})|[0-9]{{4}}{_BETWEEN}{_MONTH}{_BETWEEN}[0-9]{{1,2}})"
    "([T ].*)?"
)
"""Day, month and year in some order, with or without a time after them."""


class Trait(enum.IntFlag):
    """What one cell may look like; of ``INTEGER``, ``LONG`` and ``FLOAT`` a number has the narrowest alone."""

    FILLED = enum.auto()
    INTEGER = enum.auto()
    LONG = enum.auto()
    FLOAT = enum.auto()
    BOOLEAN = enum.auto()
    PADDED = enum.auto()
    """a whole number that begins with a zero: a code"""
    BEYOND = enum.auto()
    """a whole number of more than 64 bits"""
    EXPONENT = enum.auto()
    SECONDS = enum.auto()
    """a number that may be epoch seconds"""
    MILLISECONDS = enum.auto()
    MICROSECONDS = enum.auto()
    YES_NO = enum.auto()
    """a word that means yes or no, and is no BOOLEAN"""
    DATE_LIKE = enum.auto()
    """a date, of a documented format or not"""
    COMMA = enum.auto()
    """a number with a comma in it: for the fraction, or between thousands"""


FINER_UNITS = ((Trait.MILLISECONDS, "milliseconds", 1_000), (Trait.MICROSECONDS, "microseconds", 1_000_000))
"""What producers write instead of seconds, and how many of it a second has."""


def get_format_bit(date_format: str) -> int:
    """Return the bit of a cell that is a date of a calendar's format."""
    return 1 << (_FIRST_FORMAT_BIT + CALENDAR_FORMATS.index(date_format))


def write_traits() -> str:
    """Return SQL over ``cell``: all its traits as bits; 0 where it is empty.

    Cheap tests come first: digits, signs and points sort before ``:``, and letters behind it.
    """
    return (
        f"CASE WHEN {CELL} IS NULL OR {CELL} = '' THEN 0"
        f" WHEN {CELL} < ':' THEN {_write_number()}"
        f" WHEN strlen({CELL}) <= {_LONGEST_WORD_BYTES} THEN {_write_word()}"
        f" ELSE {int(Trait.FILLED)} END"
    )


def _write_number() -> str:
    decimal = type_forms.is_of_type(CELL, DataType.FLOAT)
    return (
        f"CASE WHEN {type_forms.is_whole(CELL)} THEN {int(Trait.FILLED)}{_add_padded()} + {_write_whole()}"
        f" WHEN {decimal} THEN {int(Trait.FILLED | Trait.FLOAT)}{_add_exponent()}{_add_time('DOUBLE')}"
        f" WHEN {terms.matches(CELL, _WITH_COMMA)} THEN {int(Trait.FILLED | Trait.COMMA)}"
        f" WHEN {terms.matches(CELL, _DATE_LIKE)} THEN {int(Trait.FILLED | Trait.DATE_LIKE)}{_add_formats()}"
        f" ELSE {int(Trait.FILLED)} END"
    )


def _write_whole() -> str:
    integer, long, decimal = (
        type_forms.is_of_type(CELL, type_) for type_ in (DataType.INTEGER, DataType.LONG, DataType.FLOAT)
    )
    return (
        f"CASE WHEN {integer} THEN {int(Trait.INTEGER)}{_add_bit()}{_add_time('BIGINT')}"
        f" WHEN {long} THEN {int(Trait.LONG)}{_add_time('BIGINT')}"
        f" WHEN {decimal} THEN {int(Trait.FLOAT | Trait.BEYOND)} ELSE 0 END"
    )


def _write_word() -> str:
    words = ", ".join(terms.quote(word) for word in _YES_NO)
    return (
        f"CASE WHEN {type_forms.is_of_type(CELL, DataType.BOOLEAN)} THEN {int(Trait.FILLED | Trait.BOOLEAN)}"
        f" WHEN lower({CELL}) IN ({words}) THEN {int(Trait.FILLED | Trait.YES_NO)}"
        f" ELSE {int(Trait.FILLED)} END"
    )


def _add_bit() -> str:
    return _add(f"strlen({CELL}) = 1 AND {type_forms.is_of_type(CELL, DataType.BOOLEAN)}", Trait.BOOLEAN)


def _add_padded() -> str:
    begins = f"starts_with({CELL}, '0') AND strlen({CELL}) > 1 OR starts_with({CELL}, '-0') AND strlen({CELL}) > 2"
    return _add(begins, Trait.PADDED)


def _add_exponent() -> str:
    return _add(f"contains({CELL}, 'e') OR contains({CELL}, 'E')", Trait.EXPONENT)


def _add_time(number: str) -> str:
    value = f"TRY_CAST({CELL} AS {number})"
    cases = " ".join(
        f"WHEN {value} BETWEEN {FIRST_SECOND * factor} AND {LAST_SECOND * factor} THEN {int(trait)}"
        for trait, _, factor in ((Trait.SECONDS, "seconds", 1), *FINER_UNITS)
    )
    return f" + CASE WHEN strlen({CELL}) < {_SMALLEST_SECOND_BYTES} THEN 0 {cases} ELSE 0 END"


def _add_formats() -> str:
    """Few formats share a length and a shape: a cell is read by no other."""
    shapes: dict[int, dict[str, str]] = {}
    for written in CALENDAR_FORMATS:
        plain = written.replace("'", "")
        shape = re.sub("[yMdHms]", "_", plain)
        added = _add(type_forms.is_of_type(CELL, DataType.DATE, written), get_format_bit(written))
        of_length = shapes.setdefault(len(plain), {})
        of_length[shape] = of_length.get(shape, "0") + added
    cases = " ".join(f"WHEN {length} THEN {_write_shapes(found)}" for length, found in shapes.items())
    return f" + CASE strlen({CELL}) {cases} ELSE 0 END"


def _write_shapes(shapes: Mapping[str, str]) -> str:
    cases = " ".join(f"WHEN {CELL} LIKE {terms.quote(shape)} THEN {added}" for shape, added in shapes.items())
    return f"CASE {cases} ELSE 0 END"


def _add(condition: str, bits: int) -> str:
    return f" + CASE WHEN {condition} THEN {int(bits)} ELSE 0 END"
