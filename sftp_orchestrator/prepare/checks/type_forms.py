"""When a cell is of a type, as SQL: one place for the rules about rows and for what is proposed from a file. All pure.

Only a cell that holds something is of a type or is not: an empty one breaks no rule.
"""

from __future__ import annotations

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.prepare.checks import terms

UNIX = "UNIX"
"""The one date format that is a number: epoch seconds."""
MILLISECONDS_DIGITS = 13
"""What epoch milliseconds have, from 2001 until 2286; seconds of these years have ten."""
EPOCH_TEXT_START = "$D_"
"""How a date begins in a STRING column (CleverTap, *CSV Upload*)."""
BOOLEANS = ("true", "false", "1", "0")
"""In any case."""
USUAL_SECONDS = -2_208_988_800, 5_000_000_000
"""From 1900 to more than a hundred years ahead."""

_WHOLE = "-?[0-9]+"
_DECIMAL = "-?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"
EPOCH_TEXT_DIGITS = 12
EPOCH_TEXT_SECONDS = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999: a later one is milliseconds, and no date."""
_EPOCH_TEXT = rf"\$D_-?[0-9]{{1,{EPOCH_TEXT_DIGITS}}}"
_USUAL_YEARS = "1900 AND 2125"


def is_of_type(cell: str, type_: DataType, date_format: str | None = None) -> str:
    """Whether ``cell``, a column's name, is of a type where it holds something; ``date_format`` for DATE alone."""
    numbers = {
        DataType.INTEGER: (_WHOLE, f"TRY_CAST({cell} AS INTEGER) IS NOT NULL"),
        DataType.LONG: (_WHOLE, f"TRY_CAST({cell} AS BIGINT) IS NOT NULL"),
        DataType.FLOAT: (_DECIMAL, f"coalesce(isfinite(TRY_CAST({cell} AS DOUBLE)), false)"),
        DataType.DATE: (_WHOLE, _is_second(cell)),
    }
    if date_format is not None and date_format != UNIX:
        return _is_day(cell, date_format)
    if type_ in numbers:
        pattern, in_range = numbers[type_]
        return _both(terms.matches(cell, pattern), in_range)
    return _is_boolean(cell) if type_ is DataType.BOOLEAN else _is_text(cell)


def is_odd_date(cell: str, date_format: str) -> str:
    """Whether a cell is a date of the format, before 1900 or more than 100 years ahead: often of another format."""
    if date_format == UNIX:
        odd = f"TRY_CAST({cell} AS BIGINT) NOT BETWEEN {USUAL_SECONDS[0]} AND {USUAL_SECONDS[1]}"
    else:
        odd = f"coalesce(year({_read_date(cell, date_format)}) NOT BETWEEN {_USUAL_YEARS}, false)"
    return f"({is_of_type(cell, DataType.DATE, date_format)} AND {odd})"


def is_whole(cell: str) -> str:
    """Whether a cell is a whole number of any length; NULL where it is empty."""
    return terms.matches(cell, _WHOLE)


def _is_boolean(cell: str) -> str:
    return f"coalesce({terms.matches(cell, '|'.join(BOOLEANS), ignore_case=True)}, false)"


def _is_day(cell: str, date_format: str) -> str:
    exists = f"coalesce(year({_read_date(cell, date_format)}) >= 1, false)"
    return _both(terms.matches(cell, terms.get_date_shape(date_format)), exists)


def _is_text(cell: str) -> str:
    begins = f"starts_with({cell}, {terms.quote(EPOCH_TEXT_START)})"
    seconds = _is_second(f"substr({cell}, {len(EPOCH_TEXT_START) + 1})")
    is_date = _both(terms.matches(cell, _EPOCH_TEXT), seconds)
    return f"(CASE WHEN {begins} THEN {is_date} ELSE true END)"


def _is_second(number: str) -> str:
    return f"coalesce(TRY_CAST({number} AS BIGINT) BETWEEN {EPOCH_TEXT_SECONDS[0]} AND {EPOCH_TEXT_SECONDS[1]}, false)"


def _read_date(cell: str, date_format: str) -> str:
    return f"try_strptime({cell}, {terms.quote(terms.get_strptime(date_format))})"


def _both(shape: str, value: str) -> str:
    """Return the conjunction; ``value`` is worked out for cells of that shape alone: for others it costs a lot."""
    return f"(CASE WHEN {shape} THEN {value} ELSE false END)"
