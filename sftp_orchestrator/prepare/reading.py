"""A file open to its readers: the scan, which sees every byte, and DuckDB, which is asked only where it is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator.prepare.examine import Examination
from sftp_orchestrator.prepare.file_checks import FileCheck
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.row_checks import Check
from sftp_orchestrator.prepare.scan import Scan, Stopped, read_header, scan
from sftp_orchestrator.prepare.screening import Screening
from sftp_orchestrator.prepare.stopped import StoppedRows
from sftp_orchestrator.prepare.table import Table, open_table

T = TypeVar("T")
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who says when to stop, and who is told how far it is."""

    cancelled: Callable[[], bool] = lambda: False
    progress: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A file that is open to its readers. Blocking."""

    path: Path
    header: Header
    _spill_directory: Path
    _watch: Watch
    _stop: threading.Event
    _pool: ThreadPoolExecutor
    _stopped: StoppedRows
    _open: ExitStack

    @cached_property
    def table(self) -> Table:
        """The whole file in DuckDB."""
        return self._open_table(self.path, is_numbered=False)

    def read(
        self, *, time_column: int | None, checks: Sequence[Check] = (), file_checks: Sequence[FileCheck] = ()
    ) -> Scan:
        """Read it whole; the rows that a screen of ``checks`` stops are put aside. Once.

        Raises:
            Refused: it is no RFC 4180 text in UTF-8, or a row has not the header's shape.
        """
        return scan(
            self.path,
            screening=Screening(
                [check.screen for check in checks],
                watching=[check.watched for check in file_checks],
                time_column=time_column,
            ),
            stopped=self._stopped,
            cancelled=self._watch.cancelled,
            progress=self._watch.progress,
        )

    def examine(self, checks: Sequence[Check]) -> Examination:
        """Note exactly which of the rows that were put aside break which of ``checks``.

        Raises:
            Refused: DuckDB reads other rows than the scan.
        """
        table = self._open_table(self._stopped.get_path(), is_numbered=True)
        return self.wait_for(lambda: table.examine(checks, rows=self._stopped.count))

    def wait_for(self, work: Callable[[], T]) -> T:
        """Do ``work`` on a table; told to stop, have DuckDB interrupted and raise ``Stopped``."""
        future = self._pool.submit(work)
        while True:
            try:
                return future.result(_POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise
                if self._watch.cancelled():
                    self._stop.set()
                    raise Stopped from None

    def _open_table(self, path: Path, *, is_numbered: bool) -> Table:
        return self._open.enter_context(
            open_table(
                path,
                self.header,
                subject=self.path.name,
                spill_directory=self._spill_directory,
                stop=self._stop,
                is_numbered=is_numbered,
            )
        )


@contextmanager
def open_reading(path: Path, *, spill_directory: Path, watch: Watch) -> Iterator[Reading]:
    """Open a file to its readers for the time of the context.

    Raises:
        Refused: it has no usable header, or DuckDB cannot go on.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    header = read_header(path)
    with (
        StoppedRows(spill_directory, header) as stopped,
        ExitStack() as opened,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool,
    ):
        yield Reading(
            path=path,
            header=header,
            _spill_directory=spill_directory,
            _watch=watch,
            _stop=threading.Event(),
            _pool=pool,
            _stopped=stopped,
            _open=opened,
        )
