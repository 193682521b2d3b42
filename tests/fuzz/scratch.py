"""Where fuzzed files are written, and how the rest of a case is chosen."""

from __future__ import annotations

import contextlib
import hashlib
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - in it each has a folder of its own
FOLDER = _MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())
"""Not on a disk, where there is such a place."""


@contextlib.contextmanager
def written(content: bytes) -> Iterator[Path]:
    """Give a file with ``content`` in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="fuzz-") as folder:
        path = Path(folder) / "source.csv"
        path.write_bytes(content)
        yield path


def make_dice(content: bytes) -> random.Random:
    """Return what chooses the rest of a case: the same for the same bytes."""
    return random.Random(hashlib.sha256(content).digest())  # noqa: S311 - to be repeated, not to be secret
