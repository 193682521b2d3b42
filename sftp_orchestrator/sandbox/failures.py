"""The vendor's CSV of failed rows: the original columns, and ``Failure Description`` last."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from sftp_orchestrator.sandbox.rules.rule import Faults

DESCRIPTION = "Failure Description"


SEPARATOR = "; "
"""Between what is wrong with a row. Not documented: whether the vendor gives one reason or all; all."""


@dataclass(frozen=True, kw_only=True)
class Breach:
    """How often a rule was broken in a file."""

    rows: int
    first_row: int
    """Records after the header count from 1."""


class FailureFile:
    """Collects failed rows in a file that appears in full when the context ends well, and not at all otherwise."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._header = header
        self._stream: TextIO | None = None
        self._rows: Counter[str] = Counter()
        self._first_rows: dict[str, int] = {}
        self.count = 0
        """Rows so far."""

    @property
    def breaches(self) -> dict[str, Breach]:
        """What was broken so far, by the rule's identifier."""
        return {rule: Breach(rows=rows, first_row=self._first_rows[rule]) for rule, rows in self._rows.items()}

    def __enter__(self) -> Self:
        return self

    def add(self, number: int, row: Sequence[str], faults: Faults) -> None:
        """Write one row, record ``number`` after the header, made as wide as the header, with what is wrong with it."""
        if self._stream is None:
            self._stream = self._temporary.open("w", encoding="utf-8", newline="")
            csv.writer(self._stream).writerow([*self._header, DESCRIPTION])
        width = len(self._header)
        filled = [*row[:width], *[""] * (width - len(row))]
        csv.writer(self._stream).writerow([*filled, SEPARATOR.join(fault.text for fault in faults)])
        self.count += 1
        for rule in {fault.rule.identifier for fault in faults}:
            self._rows[rule] += 1
            self._first_rows.setdefault(rule, number)

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
