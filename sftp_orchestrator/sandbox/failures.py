"""The vendor's CSV of failed rows: the original columns, and ``Failure Description`` last."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

DESCRIPTION = "Failure Description"


class FailureFile:
    """Collects failed rows in a file that appears in full when the context ends well, and not at all otherwise."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._header = header
        self._stream: TextIO | None = None
        self.count = 0
        """Rows so far."""

    def __enter__(self) -> Self:
        return self

    def add(self, row: Sequence[str], description: str) -> None:
        """Write one row, made as wide as the header, with what is wrong with it."""
        if self._stream is None:
            self._stream = self._temporary.open("w", encoding="utf-8", newline="")
            csv.writer(self._stream).writerow([*self._header, DESCRIPTION])
        width = len(self._header)
        filled = [*row[:width], *[""] * (width - len(row))]
        csv.writer(self._stream).writerow([*filled, description])
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:
            return
        with self._stream:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        if error is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink()
