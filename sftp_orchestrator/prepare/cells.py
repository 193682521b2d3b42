"""When a cell is of a type, as SQL: one place for the rules about rows and for what is proposed from a file. All pure.

Only a cell that holds something is of a type or is not: an empty one breaks no rule.
"""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.prepare import terms

UNIX = "UNIX"
"""The one date format that is a number: epoch seconds."""
MILLISECONDS_DIGITS = 13
"""What epoch milliseconds have, from 2001 until 2286; seconds of these years have ten."""
EPOCH_TEXT_START = "$D_"
"""How a date begins in a STRING column (CleverTap, *CSV Upload*)."""

_WHOLE = "-?[0-9]+"
_SURE_INTEGER = "-?([0-9]{1,9}|1[0-9]{9}|20[0-9]{8})"
"""Most of what 32 bits hold, epoch seconds of today among it."""
_SURE_LONG = "-?[0-9]{1,18}"
_DECIMAL = "-?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"
_SURE_DECIMAL = "-?[0-9]{1,15}([.][0-9]{1,15})?"
_BOOLEAN = "true|false|1|0"
_EPOCH_TEXT = r"\$D_-?[0-9]{1,12}"
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999: a later one is milliseconds, and no date."""
_USUAL_SECONDS = "-2208988800 AND 5000000000"
_USUAL_YEARS = "1900 AND 2125"


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the cells of a type look."""

    fits: str
    """SQL; whether a cell that holds something is of the type; never NULL"""
    screen: str
    """SQL; true for every cell that is not, and for a few that are; cheap"""


def get_form(cell: str, type_: DataType, date_format: str | None = None) -> Form:
    """Return how ``cell``, a column's name, looks if it is of a type; ``date_format`` for DATE alone."""
    numbers = {
        DataType.INTEGER: (_WHOLE, f"TRY_CAST({cell} AS INTEGER) IS NOT NULL", _SURE_INTEGER),
        DataType.LONG: (_WHOLE, f"TRY_CAST({cell} AS BIGINT) IS NOT NULL", _SURE_LONG),
        DataType.FLOAT: (_DECIMAL, f"coalesce(isfinite(TRY_CAST({cell} AS DOUBLE)), false)", _SURE_DECIMAL),
        DataType.DATE: (_WHOLE, _is_second(cell), "[0-9]{1,10}"),
    }
    if date_format is not None and date_format != UNIX:
        return _get_calendar(cell, date_format)
    if type_ in numbers:
        pattern, in_range, sure = numbers[type_]
        return Form(fits=_both(terms.matches(cell, pattern), in_range), screen=terms.is_not(cell, sure))
    return _get_boolean(cell) if type_ is DataType.BOOLEAN else _get_text(cell)


def is_odd_date(cell: str, date_format: str) -> str:
    """Whether a cell is a date of the format, before 1900 or more than 100 years ahead: often of another format."""
    if date_format == UNIX:
        odd = f"TRY_CAST({cell} AS BIGINT) NOT BETWEEN {_USUAL_SECONDS}"
    else:
        odd = f"coalesce(year({_read_date(cell, date_format)}) NOT BETWEEN {_USUAL_YEARS}, false)"
    return f"({get_form(cell, DataType.DATE, date_format).fits} AND {odd})"


def is_whole(cell: str) -> str:
    """Whether a cell is a whole number of any length; NULL where it is empty."""
    return terms.matches(cell, _WHOLE)


def _get_boolean(cell: str) -> Form:
    fits = f"coalesce({terms.matches(cell, _BOOLEAN, ignore_case=True)}, false)"
    return Form(fits=fits, screen=terms.is_not(cell, _BOOLEAN, ignore_case=True))


def _get_calendar(cell: str, date_format: str) -> Form:
    exists = f"coalesce(year({_read_date(cell, date_format)}) >= 1, false)"
    return Form(
        fits=_both(terms.matches(cell, terms.get_date_shape(date_format)), exists),
        screen=terms.is_not(cell, terms.get_sure_date(date_format)),
    )


def _get_text(cell: str) -> Form:
    begins = f"starts_with({cell}, {terms.quote(EPOCH_TEXT_START)})"
    seconds = _is_second(f"substr({cell}, {len(EPOCH_TEXT_START) + 1})")
    is_date = _both(terms.matches(cell, _EPOCH_TEXT), seconds)
    return Form(fits=f"(CASE WHEN {begins} THEN {is_date} ELSE true END)", screen=begins)


def _is_second(number: str) -> str:
    return f"coalesce(TRY_CAST({number} AS BIGINT) BETWEEN {_FIRST_SECOND} AND {_LAST_SECOND}, false)"


def _read_date(cell: str, date_format: str) -> str:
    return f"try_strptime({cell}, {terms.quote(terms.get_strptime(date_format))})"


def _both(shape: str, value: str) -> str:
    """Return the conjunction; ``value`` is worked out for cells of that shape alone: for others it costs a lot."""
    return f"(CASE WHEN {shape} THEN {value} ELSE false END)"
