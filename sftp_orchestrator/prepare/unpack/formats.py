"""What a file is by its name: compressed or not, text with delimiters, Parquet or JSON lines."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Compression(enum.Enum):
    """How a whole file is compressed."""

    NONE = enum.auto()
    GZIP = enum.auto()
    """RFC 1952"""
    ZSTANDARD = enum.auto()
    """RFC 8878"""


class Content(enum.Enum):
    """What a file holds once it is not compressed any more."""

    TEXT = enum.auto()
    """rows with delimiters, as RFC 4180 has them"""
    PARQUET = enum.auto()
    JSON_LINES = enum.auto()
    """one JSON object a line"""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What a file is."""

    compression: Compression
    content: Content

    @property
    def is_plain_text(self) -> bool:
        """Whether its bytes are the text itself."""
        return self.compression is Compression.NONE and self.content is Content.TEXT


@dataclass(frozen=True, kw_only=True)
class Types:
    """What the types of a table say of its columns, by name."""

    moments: Mapping[str, str]
    """those that hold moments, each with the format that keeps most of them"""
    numbers: frozenset[str]
    """those that hold numbers; of JSON only where it was asked for"""
    decimals: frozenset[str] = frozenset()
    """those of which the whole numbers, too, are written with a point; JSON has none"""


_COMPRESSIONS = {".gz": Compression.GZIP, ".zst": Compression.ZSTANDARD}
_CONTENTS = {".parquet": Content.PARQUET, ".jsonl": Content.JSON_LINES, ".ndjson": Content.JSON_LINES}


def get_format(name: str) -> Format:
    """Return what a file called ``name`` is; any other ending than the known ones is text. Case does not count. Pure.

    The name decides, not the bytes: a file that is not what its name says is refused.
    """
    rest = name.lower()
    compression = Compression.NONE
    for ending, found in _COMPRESSIONS.items():
        if rest.endswith(ending):
            rest, compression = rest.removesuffix(ending), found
    content = next((found for ending, found in _CONTENTS.items() if rest.endswith(ending)), Content.TEXT)
    return Format(compression=compression, content=content)
