"""Numbers, as they may stand in a cell.

Not documented: a plus sign, blanks around, thousands separators; none of them is taken. Leading zeros and an exponent
are.
"""

from __future__ import annotations

import math
import re

INTEGER_BITS = 32
LONG_BITS = 64
_MAX_DIGITS = 512
"""No value is longer; and Python itself reads no more than 4,300."""
_SHORT_DIGITS = 20
_INTEGER = re.compile(rf"-?[0-9]{{1,{_MAX_DIGITS}}}")
_FLOAT = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def parse_integer(cell: str) -> int | None:
    """Return the integer in ``cell``, None where it is none."""
    # Nearly all are like this, and need no pattern.
    if len(cell) <= _SHORT_DIGITS and cell.isascii() and cell.isdecimal():
        return int(cell)
    return int(cell) if _INTEGER.fullmatch(cell) else None


def is_integer(cell: str) -> bool:
    """Return whether ``cell`` is an INTEGER, signed."""
    return _has_bits(parse_integer(cell), INTEGER_BITS)


def is_long(cell: str) -> bool:
    """Return whether ``cell`` is a LONG, signed."""
    return _has_bits(parse_integer(cell), LONG_BITS)


def is_float(cell: str) -> bool:
    """Return whether ``cell`` is a FLOAT. Not documented: its range; that of 64 bits."""
    return _FLOAT.fullmatch(cell) is not None and math.isfinite(float(cell))


def _has_bits(number: int | None, bits: int) -> bool:
    return number is not None and -(1 << (bits - 1)) <= number < 1 << (bits - 1)
