"""Dates, as they may stand in a cell."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sftp_orchestrator.sandbox.rules.number import parse_integer

UNIX = "UNIX"
TEXT_PREFIX = "$D_"
"""Begins a date in a STRING."""
KEPT_DAYS = 4096
"""A file has few days, so each is looked at once."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS: Mapping[str, str] = {
    "yyyy": "(?P<year>[0-9]{4})",
    "MMM": "(?P<month>[A-Za-z]{3})",
    "MM": "(?P<month>[0-9]{2})",
    "dd": "(?P<day>[0-9]{2})",
    "HH": "(?:[01][0-9]|2[0-3])",
    "mm": "[0-5][0-9]",
    "ss": "[0-5][0-9]",
    "'T'": "T",
}
"""The letters of a dateFormat, the longer ones first, and what they stand for."""
_FIELD = re.compile("|".join(_FIELDS))
_EARLIEST = int(datetime.datetime(1, 1, 1, tzinfo=datetime.UTC).timestamp())
_LATEST = int(datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC).timestamp())


def make_matcher(date_format: str) -> Callable[[str], bool]:
    """Return what says whether a cell is a date of ``date_format``, one of those that are documented.

    Not documented: fewer digits than the format has letters, a time that is missing where the format has one, or
    blanks around; none of them is taken. A month's name is English, whatever its case.
    """
    if date_format == UNIX:
        return is_epoch_seconds
    pattern = re.compile(_FIELD.sub(lambda field: _FIELDS[field[0]], date_format))

    def match(cell: str) -> bool:
        found = pattern.fullmatch(cell)
        return found is not None and _is_day(*found.group("year", "month", "day"))

    return match


def is_epoch_seconds(cell: str) -> bool:
    """Return whether ``cell`` is a date in epoch seconds.

    Not documented: dates before 1970 (taken: people are older) and how far off a date may be (years 1 to 9999, so that
    milliseconds are seen).
    """
    seconds = parse_integer(cell)
    return seconds is not None and _EARLIEST <= seconds <= _LATEST


def is_date_text(cell: str) -> bool:
    """Return whether ``cell``, which begins with ``$D_``, is a date."""
    return is_epoch_seconds(cell.removeprefix(TEXT_PREFIX))


@lru_cache(maxsize=KEPT_DAYS)
def _is_day(year: str, month: str, day: str) -> bool:
    try:
        number = int(month) if month.isdecimal() else _MONTHS.index(month.lower()) + 1
        datetime.date(int(year), number, int(day))
    except ValueError:
        return False
    return True
