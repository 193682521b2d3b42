"""Whether bytes are UTF-8, without making a text of them. All pure."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_DENSE = 4
"""Where more than one byte in so many is not ASCII, Python's own decoder is the faster one."""
_INVALID = 255
_LAST_OF_ASCII = 0x7F


def _make_widths() -> npt.NDArray[np.uint8]:
    """Return how many bytes a character has by its first; 0 for those that continue one (RFC 3629)."""
    widths = np.full(256, _INVALID, dtype=np.uint8)
    widths[0x80:0xC0] = 0
    widths[0xC2:0xE0] = 2
    widths[0xE0:0xF0] = 3
    widths[0xF0:0xF5] = 4
    return widths


def _make_second(others: int, **special: int) -> npt.NDArray[np.uint8]:
    table = np.full(256, others, dtype=np.uint8)
    for first, second in special.items():
        table[int(first, 16)] = second
    return table


_WIDTHS = _make_widths()
_LOWEST_SECOND = _make_second(0x80, E0=0xA0, F0=0x90)
_HIGHEST_SECOND = _make_second(0xBF, ED=0x9F, F4=0x8F)
"""What may follow a first byte: no overlong forms, no surrogates, nothing above U+10FFFF."""


def find_fault(content: bytes, array: npt.NDArray[np.uint8]) -> int | None:
    """Return where ``content`` stops being UTF-8, or None; ``array`` are its bytes, what is behind them is ASCII."""
    if content.isascii():
        return None
    places = np.flatnonzero(array > _LAST_OF_ASCII)
    if places.size * _DENSE < array.size and _is_right(array[places], places):
        return None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _is_right(high: npt.NDArray[np.uint8], places: npt.NDArray[np.int64]) -> bool:
    """Whether bytes above ASCII, which stand at ``places``, are characters as a whole."""
    widths = _WIDTHS[high]
    firsts = np.flatnonzero(widths != 0)
    if not firsts.size or firsts[0] != 0:
        return False
    wanted = widths[firsts].astype(np.int64)
    # As many bytes up to the next character as this one must have, and side by side.
    if not np.array_equal(np.diff(firsts, append=high.size), wanted):
        return False
    first, second = high[firsts], high[firsts + 1]
    return bool(
        (places[firsts + wanted - 1] - places[firsts] == wanted - 1).all()
        and (second >= _LOWEST_SECOND[first]).all()
        and (second <= _HIGHEST_SECOND[first]).all()
    )
