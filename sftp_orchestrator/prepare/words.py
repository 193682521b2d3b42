"""Eight bytes of a cell in one integer, and a column of them in one array: looked at all at once, byte by byte in each.

Word ``k`` of a cell holds its bytes ``8k`` to ``8k + 7``, the first one lowest. "SIMD within a register": additions and
masks on 64 bits do to eight bytes what a loop would do to one (Lamport, *Multiple byte processing with full-word
instructions*, 1975). Flags are words with the top bit of every byte set that is meant. All pure.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

BYTES = 8
"""In one word."""


def fill(byte: int) -> np.uint64:
    """Return a word of eight times the same byte."""
    return np.uint64(byte * 0x0101010101010101)


KEEP = np.array([(1 << 8 * length) - 1 for length in range(BYTES + 1)], dtype=np.uint64)
"""By length: the mask that keeps so many bytes of a word, the first ones."""
_TOP = fill(0x80)
_REST = fill(0x7F)
_HIGH_HALVES = fill(0xF0)
_ZEROS = fill(ord("0"))
_PAIRS, _PAIR_FACTOR = np.uint64(0x000000FF000000FF), np.uint64(10)
_OUTER, _INNER = np.uint64(0x000F424000000064), np.uint64(0x0000271000000001)
"""A million and a hundred, ten thousand and one: what pairs of digits count in a number of eight."""


@functools.lru_cache(maxsize=1024)
def pack(text: bytes, count: int) -> tuple[np.uint64, ...]:
    """Return ``text`` as ``count`` words; what is behind it is 0."""
    padded = text.ljust(count * BYTES, b"\0")
    return tuple(np.uint64(int.from_bytes(padded[at : at + BYTES], "little")) for at in range(0, len(padded), BYTES))


def flag_range(words: Words, low: int, high: int) -> Words:
    """Return flags for bytes from ``low`` to ``high``, both ASCII."""
    # Without its top bit no byte overflows into the next.
    rest = words & _REST
    return (rest + fill(0x80 - low)) & ~(rest + fill(0x7F - high)) & ~words & _TOP


def flag_byte(words: Words, byte: int) -> Words:
    """Return flags for one byte of ASCII."""
    return flag_range(words, byte, byte)


def are_all(flags: Words) -> Mask:
    """Whether every byte is flagged."""
    found: Mask = flags == _TOP
    return found


def count(flags: Words) -> npt.NDArray[np.uint8]:
    """Return how many bytes are flagged."""
    return np.bitwise_count(flags)


def find_first(flags: Words) -> npt.NDArray[np.int64]:
    """Return the number of the first flagged byte; 8 where none is."""
    lowest = flags & (~flags + np.uint64(1))
    return (np.bitwise_count(lowest - np.uint64(1)) >> 3).astype(np.int64)


def between(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Words:
    """Return masks of the bytes from ``start`` to before ``end``; both may lie outside of the word."""
    return KEEP[np.clip(end, 0, BYTES)] & ~KEEP[np.clip(start, 0, BYTES)]


def are_digits(words: Words) -> Mask:
    """Whether every byte is a digit."""
    high = words & _HIGH_HALVES
    above_nine = (words + fill(6)) & _HIGH_HALVES
    found: Mask = (high | (above_nine >> np.uint64(4))) == fill(0x33)
    return found


def are_within(words: Words, low: np.uint64, high: np.uint64) -> Mask:
    """Whether each byte lies between those of ``low`` and of ``high`` in its place, all of them ASCII."""
    above = (words | _TOP) - low
    below = words + (_REST - high)
    return are_all(above & ~below & ~words & _TOP)


def read_digits(words: Words) -> Words:
    """Return the number that eight digits stand for."""
    digits = words - _ZEROS
    pairs = digits * _PAIR_FACTOR + (digits >> np.uint64(8))
    outer, inner = (pairs & _PAIRS) * _OUTER, ((pairs >> np.uint64(16)) & _PAIRS) * _INNER
    return (outer + inner) >> np.uint64(32)


def lower(words: Words) -> Words:
    """Return words with small letters for capital ones of ASCII."""
    capitals = flag_range(words, ord("A"), ord("Z"))
    return words | (capitals >> np.uint64(2))


def replace(words: Words, byte: int, other: int) -> Words:
    """Return words with ``other`` wherever ``byte`` was."""
    flags = flag_byte(words, byte) >> np.uint64(7)
    return words ^ (flags * np.uint64(byte ^ other))
