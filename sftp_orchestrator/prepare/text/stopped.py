"""The rows that a screen stopped, put aside in a file of their own, each with its number, to be looked at exactly."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from sftp_orchestrator import files
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.nameless import get_descriptor_path, make_plain_header

_HINT = "the workspace must be writable, with space for the rows that are looked at twice"
_BATCH_BYTES = 24 * 1024 * 1024
"""So much is looked at together. DuckDB takes 2048 rows at a time into memory: of large ones it could not."""


class StoppedRows:
    """A CSV file without a name, in a folder of ours: it is gone with the context, and with us, however we end."""

    def __init__(self, folder: Path, header: Header) -> None:
        self._folder = folder
        # DuckDB takes the first line break that it sees for that of all rows, be it within quotes: so one goes before.
        self._header = make_plain_header(header, "number")
        self._file: IO[bytes] | None = None
        self._size = 0
        self._batches: list[_Batch] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with files.as_local_fault("write", str(self._folder), hint=_HINT):
                self._file.close()

    def add(self, numbered: bytes, rows: int) -> None:
        """Add so many rows, each with its number and a delimiter before it, and its line break.

        Raises:
            LocalFault: the disk is full, or the folder not ours.
        """
        with files.as_local_fault("write", str(self._folder), hint=_HINT):
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the context
            if not self._batches or self._size - self._batches[-1].start + len(numbered) > _BATCH_BYTES:
                self._batches.append(_Batch(start=self._size))
            self._size += self._file.write(numbered)
            self._batches[-1].rows += rows

    def list_batches(self) -> Iterator[tuple[Path, int]]:
        """Yield a file with some of the rows, and how many; each is there until the next, and for this process alone.

        Raises:
            LocalFault: the disk is full.
        """
        if self._file is None:
            return
        with files.as_local_fault("write", str(self._folder), hint=_HINT):
            self._file.flush()
        ends = [*(batch.start for batch in self._batches[1:]), self._size]
        for batch, end in zip(self._batches, ends, strict=True):
            with tempfile.TemporaryFile(dir=self._folder) as part:
                with files.as_local_fault("write", str(self._folder), hint=_HINT):
                    part.write(self._header)
                    part.write(os.pread(self._file.fileno(), end - batch.start, batch.start))
                    part.flush()
                yield get_descriptor_path(part), batch.rows


@dataclass(kw_only=True)
class _Batch:
    """Rows that are looked at together."""

    start: int
    """where they begin"""
    rows: int = 0
