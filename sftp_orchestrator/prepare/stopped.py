"""The rows that a screen stopped, put aside in a file of their own, each with its number, to be looked at exactly."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

from sftp_orchestrator import files
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.nameless import get_descriptor_path, make_plain_header

_HINT = "the workspace must be writable, with space for the rows that are looked at twice"


class StoppedRows:
    """A CSV file without a name, in a folder of ours: it is gone with the context, and with us, however we end."""

    def __init__(self, folder: Path, header: Header) -> None:
        self.count = 0
        """rows in it"""
        self._folder = folder
        self._header = header
        self._delimiter = header.delimiter.encode()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with files.as_local_fault("write", str(self._folder), hint=_HINT):
                self._file.close()

    def add(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Add rows with their numbers; each must end with its line break.

        Raises:
            LocalFault: the disk is full, or the folder not ours.
        """
        with files.as_local_fault("write", str(self._folder), hint=_HINT):
            if self._file is None:
                self._file = self._open()
            for number, record in rows:
                self._file.write(b"%d%b%b" % (number, self._delimiter, record))
                self.count += 1

    def _open(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the context
        # DuckDB takes the first line break that it sees for that of all rows, be it within quotes: so one goes before.
        file.write(make_plain_header(self._header, "number"))
        return file

    def get_path(self) -> Path:
        """Return where this process can open it, with all that was added; only where there is some."""
        if self._file is None:
            raise ValueError("no row was stopped")
        with files.as_local_fault("write", str(self._folder), hint=_HINT):
            self._file.flush()
        return get_descriptor_path(self._file)
