"""A file open to its readers: the scan, which sees every byte, and DuckDB, which is asked only where it is needed."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import duckdb

from sftp_orchestrator import files, space
from sftp_orchestrator.errors import DecisionNeeded, SourceChanged
from sftp_orchestrator.prepare.checks.row_checks import Check
from sftp_orchestrator.prepare.checks.screens import Screen
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.tables import duck
from sftp_orchestrator.prepare.tables.duck import open_duckdb
from sftp_orchestrator.prepare.tables.examine import Examination
from sftp_orchestrator.prepare.tables.table import Table
from sftp_orchestrator.prepare.tables.value_table import ValueTable
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.plain_copy import copy_plainly, must_copy
from sftp_orchestrator.prepare.text.scan import Scan, read_header, scan
from sftp_orchestrator.prepare.text.screening import Screening
from sftp_orchestrator.prepare.text.stopped import StoppedRows

T = TypeVar("T")
_POLL_SECONDS = 0.2
LARGE_ROW_BYTES = 12_000
"""Rows up to this were written anew in ``REWRITING_MEMORY``, of however many columns; those of 14,400 were not."""


class Reading:
    """A file that is open to its readers. Blocking; asked by one thread."""

    def __init__(
        self, path: Path, header: Header, *, outlet: Path, watch: Watch, opened: ExitStack, pool: ThreadPoolExecutor
    ) -> None:
        """``opened`` closes what is opened on the way, after ``pool`` has ended what works with it."""
        self.path = path
        self.header = header
        self._outlet = outlet
        self._watch = watch
        self._opened = opened
        self._pool = pool
        self._stop = threading.Event()
        self._stopped = opened.enter_context(StoppedRows(outlet, header))
        self._scanned: Scan | None = None

    def read(
        self,
        *,
        time_column: int | None = None,
        checks: Sequence[Check] = (),
        watching: Sequence[Screen] = (),
        puts_aside: bool = True,
    ) -> Scan:
        """Read it whole, once and first of all; rows that a screen of ``checks`` stops are put aside for ``examine``.

        ``watching`` are shown every row, too, and none is put aside for them.

        Raises:
            Refused: it is no RFC 4180 text in UTF-8, or a row has not the header's shape.
            Stopped: ``watch`` said so.
        """
        self._scanned = scan(
            self.path,
            delimiter=self.header.delimiter,
            screening=Screening(
                [check.screen for check in checks],
                watching=watching,
                time_column=time_column,
            ),
            stopped=self._stopped if puts_aside else None,
            watch=self._watch,
        )
        return self._scanned

    def examine(self, checks: Sequence[Check]) -> Examination:
        """Note exactly which of the rows that were put aside break which of ``checks``; the whole table knows it, too.

        Raises:
            Refused: DuckDB reads other rows than the scan.
            DecisionNeeded: the rows are too large for its memory.
        """
        # What a screen stopped nowhere is in no row: its columns need not be read.
        able = [check for check in checks if check.screen in self._get_scan().stopped_by]
        examination = Examination(self._connection, able)
        for path, rows in self._stopped.list_batches():
            table = Table(self._connection, path, self.header, rows=rows, is_numbered=True)
            self.wait_for(functools.partial(table.examine, examination))
        return examination

    @cached_property
    def table(self) -> ValueTable:
        """The whole file in DuckDB, once it was read.

        Raises:
            LocalFault: the disk is full.
            Stopped: ``watch`` said so.
        """
        scanned, path = self._get_scan(), self.path
        if must_copy(scanned):
            watch = self._watch.without_progress()
            path = self._opened.enter_context(copy_plainly(path, scanned, folder=self._outlet, watch=watch))
        self._connection.execute(f"SET memory_limit = '{duck.REWRITING_MEMORY}'")
        return ValueTable(self._connection, path, self.header, rows=scanned.records)

    def wait_for(self, work: Callable[[], T], *, look: Callable[[], None] = lambda: None) -> T:
        """Do ``work`` on a table, and ``look`` from time to time; whatever ends the wait early interrupts DuckDB.

        Raises:
            Stopped: ``watch`` said so.
            SourceChanged: DuckDB reads other rows than the scan, and the file was written to meanwhile.
            DecisionNeeded: the rows are too large for DuckDB's memory.
        """
        future = self._pool.submit(work)
        try:
            while True:
                try:
                    return future.result(_POLL_SECONDS)
                except TimeoutError:
                    if future.done():
                        raise
                    if self._watch.cancelled():
                        raise Stopped from None
                    look()
        except duckdb.OutOfMemoryException as error:
            self._require_space()
            raise self._explain_memory() from error
        except Refused as refused:
            # A file that is still being written looks broken; that it changes is the better reason.
            if files.get_fingerprint(self.path) != self._get_scan().fingerprint:
                raise SourceChanged("read", "the file", "it changed while it was read") from refused
            raise
        except BaseException:
            self._stop.set()
            raise

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """One for all tables: each sees what was found in the others."""
        return self._opened.enter_context(
            open_duckdb(self.path, "reader.failed", folder=self._outlet, cancelled=self._stop.is_set)
        )

    def _get_scan(self) -> Scan:
        if self._scanned is None:
            raise ValueError("the file was not read yet")
        return self._scanned

    def _require_space(self) -> None:
        """Raise where it was the disk that ran out, not the memory: later there may be more of it."""
        space.require_space(self._outlet, self._get_scan().fingerprint.size)

    def _explain_memory(self) -> DecisionNeeded:
        found = self._get_scan()
        hint = explain_memory(
            records=found.records, body_bytes=found.body_end - self.header.body_start, longest=found.longest_record
        )
        return DecisionNeeded("inspect", self.path.name, "DuckDB's memory ran out", hint=hint)


def explain_memory(*, records: int, body_bytes: int, longest: int) -> str:
    """Return why DuckDB's memory was too little for so many rows of so many bytes, and what helps. Pure."""
    average = body_bytes // records
    if average >= LARGE_ROW_BYTES:
        return f"its rows have {average} bytes on average, the longest {longest}: send fewer columns or shorter values"
    if longest >= LARGE_ROW_BYTES:
        return (
            f"it has {records:,} rows, of {average} bytes on average, but the longest {longest}: send those with fewer"
            " columns or shorter values, or all in several files"
        )
    return (
        f"its rows are not large, {average} bytes on average, but {records:,} are too many at once:"
        " send them in several files"
    )


@contextmanager
def open_reading(path: Path, delimiter: str = ",", *, outlet: Path, watch: Watch) -> Iterator[Reading]:
    """Open a file to its readers for the time of the context; what does not fit into memory goes to ``outlet``.

    Raises:
        Refused: it has no usable header, or DuckDB cannot go on.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    header = read_header(path, delimiter)
    with ExitStack() as opened, ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool:
        yield Reading(path, header, outlet=outlet, watch=watch, opened=opened, pool=pool)
