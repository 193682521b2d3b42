"""Screens: for each rule for rows, what lets no row by that breaks it, and is cheap enough for every row of every file.

A screen may stop good rows, too: whatever it stops is looked at exactly, by the rule's SQL. So it need only know the
usual good forms. What it says of itself is done in C (``rows/screens.c``). A property test holds each to its rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sftp_orchestrator.destination import clevertap

Spec: TypeAlias = dict[str, str | int | bytes | tuple[int, ...] | tuple[bytes, ...]]
"""A screen as the C reads it: its kind, and the fields of its ``Screen`` (``rows/screens.h``)."""
_MOST_TIME_DIGITS = 10
"""Of epoch seconds until the year 2286; milliseconds have more."""
_MOST_DECIMAL_BYTES = 24
"""Without the sign; longer ones are looked at twice."""
_OBJECT_ID = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789()!:@$_-"
_IN_EVENT_NAMES = bytes(set(range(256)) - set(clevertap.REFUSED_EVENT_CHARACTERS.encode()))
_DATE_BOUNDS = (
    *(("MMM", "AAA", "zzz"), ("MM", "00", "19"), ("dd", "00", "39"), ("yyyy", "0000", "9999")),
    *(("HH", "00", "29"), ("mm", "00", "59"), ("ss", "00", "59")),
)
"""What may stand for the letters of a format, the longer ones first; more is asked of the numbers that they make."""


class Screen(Protocol):
    """What stops rows; equal screens stop the same ones."""

    def describe(self) -> Spec:
        """Return what the C must know of it."""
        ...


@dataclass(frozen=True, kw_only=True)
class AnyLong:
    """Stops rows in which any cell has more than so many bytes, and so perhaps as many characters."""

    max_bytes: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        return {"kind": "any_long", "max_bytes": self.max_bytes}


@dataclass(frozen=True, kw_only=True)
class Nobody:
    """Stops rows in which all of these columns are empty or may hold white space alone."""

    positions: tuple[int, ...]

    def describe(self) -> Spec:
        """See ``Screen``."""
        return {"kind": "nobody", "positions": self.positions}


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """Stops cells that may be one of ``values``, whatever the case, with white space around."""

    position: int
    values: tuple[str, ...]
    stops_empty: bool
    """whether it stops empty cells, too"""

    def describe(self) -> Spec:
        """See ``Screen``."""
        values = _encode(self.values, ignore_case=True)
        return {"kind": "reserved", "position": self.position, "values": values, "stops_empty": self.stops_empty}


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """Stops cells that are neither empty nor one of ``values``."""

    position: int
    values: tuple[str, ...]
    ignore_case: bool = False

    def describe(self) -> Spec:
        """See ``Screen``."""
        values = _encode(self.values, ignore_case=self.ignore_case)
        return {"kind": "one_of", "position": self.position, "values": values, "ignores_case": self.ignore_case}


@dataclass(frozen=True, kw_only=True)
class ObjectId:
    """Stops cells that have other characters than an objectId made by a customer, or too many."""

    position: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        most = clevertap.MAX_OBJECT_ID_CHARACTERS
        return {"kind": "only", "position": self.position, "max_bytes": most, "allowed": _OBJECT_ID}


@dataclass(frozen=True, kw_only=True)
class Time:
    """Stops cells that are no epoch seconds of up to 10 digits within a span."""

    position: int
    earliest: int
    latest: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        span = {"lowest": self.earliest, "highest": self.latest}
        return {"kind": "time", "position": self.position, "max_bytes": _MOST_TIME_DIGITS, **span}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Stops cells that are no whole numbers of so many digits within a span."""

    position: int
    digits: int
    lowest: int
    highest: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        span = {"lowest": self.lowest, "highest": self.highest}
        return {"kind": "whole", "position": self.position, "digits": self.digits, **span}


@dataclass(frozen=True, kw_only=True)
class Decimal:
    """Stops cells that are no digits with at most one point between them, and perhaps a minus before."""

    position: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        return {"kind": "decimal", "position": self.position, "max_bytes": _MOST_DECIMAL_BYTES}


@dataclass(frozen=True, kw_only=True)
class EpochText:
    """Stops rows in which any of these columns begins with a text, and goes on with no whole number within a span."""

    positions: tuple[int, ...]
    text: str
    digits: int
    lowest: int
    highest: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        span = {"digits": self.digits, "lowest": self.lowest, "highest": self.highest}
        return {"kind": "prefix", "positions": self.positions, "values": (self.text.encode(),), **span}


@dataclass(frozen=True, kw_only=True)
class Phone:
    """Stops cells that are not a plus and 7 to 15 digits, the first no zero."""

    position: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        return {"kind": "phone", "position": self.position}


@dataclass(frozen=True, kw_only=True)
class Email:
    """Stops cells that are not ASCII with one @, and a point behind it with something before and after."""

    position: int

    def describe(self) -> Spec:
        """See ``Screen``."""
        return {"kind": "email", "position": self.position}


@dataclass(frozen=True, kw_only=True)
class Date:
    """Stops cells that are not a day of the years 1900 to 2099 in a documented format, or 29 February."""

    position: int
    date_format: str

    def describe(self) -> Spec:
        """See ``Screen``."""
        letters = self.date_format.replace("'", "")
        lowest = highest = letters
        for group, low, high in _DATE_BOUNDS:
            lowest, highest = lowest.replace(group, low), highest.replace(group, high)
        found: Spec = {"kind": "date", "position": self.position, "max_bytes": len(letters)}
        found |= {"lowest_bytes": lowest.encode(), "highest_bytes": highest.encode()}
        found |= {"year_at": letters.index("yyyy"), "month_at": letters.index("MM"), "day_at": letters.index("dd")}
        found["has_month_name"] = "MMM" in letters
        return found | ({"hour_at": letters.index("HH")} if "HH" in letters else {})


@dataclass(frozen=True, kw_only=True)
class EventName:
    """Stops rows whose event has a name that is reserved, odd or none."""

    position: int
    listed: tuple[str, ...]
    """names that are to be looked at, whatever the case"""

    def describe(self) -> Spec:
        """See ``Screen``; its kind is its own, for the names are counted, too."""
        values, most = _encode(self.listed, ignore_case=True), clevertap.MAX_EVENT_NAME_CHARACTERS
        return {"position": self.position, "values": values, "max_bytes": most, "allowed": _IN_EVENT_NAMES}


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Stops no row, but tells whether an identity may get too many values in one column, over all rows of the file."""

    position: int
    operation: int
    """the column that says what is done with the value"""
    who: tuple[int, ...]
    """columns of identities; the first one that is filled counts"""

    def describe(self) -> Spec:
        """See ``Screen``."""
        found: Spec = {"kind": "crowd", "position": self.position, "operation": self.operation, "positions": self.who}
        adding = _encode(clevertap.ADDING_OPERATIONS, ignore_case=False)
        return found | {"values": adding, "most": clevertap.MAX_MULTI_VALUES}


def _encode(values: tuple[str, ...], *, ignore_case: bool) -> tuple[bytes, ...]:
    return tuple((value.lower() if ignore_case else value).encode() for value in values)
