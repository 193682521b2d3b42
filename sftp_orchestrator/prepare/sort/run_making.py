"""Makes the runs that a sort begins with: a file's blocks, each in the order of time, written only where it was not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

from sftp_orchestrator import space
from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.prepare.rows import _native
from sftp_orchestrator.prepare.sort.runs import BREAK_BYTES, ROW_BYTES, Layout, Run, Window
from sftp_orchestrator.prepare.stopping import Watch


class RunFile:
    """Runs in a file without a name, made with the first of them: it is gone when it is closed, and with us."""

    def __init__(self, held: space.Reservation, *, needed_bytes: int) -> None:
        """``needed_bytes`` is what the folder of ``held`` must take of all that is written until it is closed."""
        self._held = held
        self._needed_bytes = needed_bytes
        self._file: IO[bytes] | None = None
        self._size = 0

    def add(self, pieces: Iterable[memoryview]) -> Run:
        """Write a run.

        Raises:
            LocalFault: there is no space.
            OSError: the disk became full, or the folder is not ours.
        """
        if self._file is None:
            self._held.require(self._needed_bytes)
            self._file = tempfile.TemporaryFile(dir=self._held.folder, buffering=0)  # noqa: SIM115 - see close
        start = self._size
        for piece in pieces:
            self._write(self._file, piece)
        return Run(descriptor=self._file.fileno(), start=start, end=self._size)

    def close(self) -> None:
        """Give up the file; may be repeated."""
        if self._file is not None:
            self._file.close()

    def _write(self, file: IO[bytes], piece: memoryview) -> None:
        # Unbuffered, a full disk is told here and not at the end; then less may be written than was asked for.
        while piece:
            count = file.write(piece)
            self._size += count
            self._held.note_written(count)
            piece = piece[count:]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The runs of a file."""

    runs: list[Run]
    """in the file's order"""
    is_in_order: bool
    """whether they are the file as it stands"""
    records: int
    bytes: int
    """of all records, with the line break that the last one lacked"""
    longest: int
    """bytes of the longest record"""


def make_runs(body: Run, layout: Layout, written: RunFile, *, run_bytes: int, watch: Watch) -> Made:
    """Read ``body`` and make runs of it, of ``run_bytes`` or of one record where that is longer.

    Blocks that are in order where they stand become runs of the file itself, adjoining ones a single one; the others
    are added to ``written``.

    Raises:
        SourceChanged: there is no record where there was one.
        Stopped: ``watch`` said so.
    """
    maker = _Maker(body, layout, written, run_bytes)
    while maker.has_more:
        watch.advance(0)
        maker.go_on()
    return maker.get_made()


class _Maker:
    """Runs that are being made."""

    def __init__(self, body: Run, layout: Layout, written: RunFile, run_bytes: int) -> None:
        self._body = body
        self._layout = layout
        self._written = written
        self._runs: list[Run] = []
        self._latest = 0
        """the last time of the latest run"""
        self._records = self._longest = 0
        self._open_window(body, run_bytes + BREAK_BYTES)

    @property
    def has_more(self) -> bool:
        return self._window.has_more

    def go_on(self) -> None:
        """Make a run of the next block, or room for a larger one."""
        start = self._window.place
        if not self._window.read_on():
            self._grow(start)
            return
        rows = self._window.take()
        was_ordered = _native.sort_rows(rows, self._spare)
        self._add(start, rows, is_in_place=was_ordered)
        self._records += len(rows) // ROW_BYTES

    def get_made(self) -> Made:
        return Made(
            runs=self._runs,
            is_in_order=[run.descriptor for run in self._runs] == [self._body.descriptor],
            records=self._records,
            bytes=self._body.end - self._body.start + self._window.added,
            longest=max(self._longest, self._window.longest),
        )

    def _open_window(self, run: Run, size: int) -> None:
        self._arena, self._target = memoryview(bytearray(size)), memoryview(bytearray(size))
        self._window = Window(run, self._layout, self._arena, base=0, size=size)
        self._spare = bytearray(self._window.most_rows * ROW_BYTES)

    def _grow(self, start: int) -> None:
        size = len(self._arena)
        if size - BREAK_BYTES >= self._body.end - start:
            raise SourceChanged("sort", "the file", "it changed while it was sorted")
        self._longest = max(self._longest, self._window.longest)
        self._open_window(Run(descriptor=self._body.descriptor, start=start, end=self._body.end), 2 * size)

    def _add(self, start: int, rows: memoryview, *, is_in_place: bool) -> None:
        """Add a block that begins at ``start`` of the file and whose ``rows`` are in order now."""
        times = rows.cast("q")[::2]
        if is_in_place:
            self._add_in_place(start, first=times[0])
        else:
            size = _native.gather(self._arena, rows, self._target)
            self._runs.append(self._written.add([self._target[:size]]))
        self._latest = times[-1]

    def _add_in_place(self, start: int, *, first: int) -> None:
        descriptor = self._body.descriptor
        if self._runs and self._runs[-1].descriptor == descriptor and self._latest <= first:
            start = self._runs.pop().start
        self._runs.append(Run(descriptor=descriptor, start=start, end=self._window.place))
