"""Physical lines, for people: where in a file a byte lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_READ_BYTES = 1024 * 1024


def count_lines(path: Path, lengths: Sequence[int]) -> dict[int, int]:
    """Return the physical line, counted from 1, on which the first so many bytes of a file end; rising lengths."""
    lines: dict[int, int] = {}
    line, offset = 1, 0
    with path.open("rb") as stream:
        for length in lengths:
            while offset < length:
                chunk = stream.read(min(_READ_BYTES, length - offset))
                line += chunk.count(b"\n")
                offset += len(chunk)
                if not chunk:
                    break
            lines[length] = line
    return lines
