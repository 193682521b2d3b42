"""Two readers over one file at the same time: the scan of its bytes, and DuckDB. They must agree on every row."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.report import Finding, Refused, refuse, tally
from sftp_orchestrator.prepare.row_checks import Check
from sftp_orchestrator.prepare.scan import Scan, read_header, scan
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.table import Table, TableFacts, open_table

T = TypeVar("T")
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A file that is open to both readers. Blocking."""

    path: Path
    header: Header
    table: Table
    _watch: Watch
    _stop: threading.Event
    _pool: ThreadPoolExecutor

    def read(self, *, time_column: int | None, checks: Sequence[Check] = ()) -> tuple[Scan, TableFacts]:
        """Read it whole with both; count the rows that a screen of ``checks`` stops.

        Raises:
            Refused: it is no RFC 4180 text in UTF-8, a row has not the header's shape, or the two do not agree.
        """
        screens = [check.screen for check in checks]
        found = self._pool.submit(self.table.read, time_column=time_column, screens=screens)
        try:
            scanned = scan(self.path, delimiter=self.header.delimiter, watch=self._watch)
        except BaseException:
            self._stop.set()
            raise
        facts = self.wait_for(found.result)
        _require_agreement(scanned, facts)
        return scanned, facts

    def wait_for(self, work: Callable[[], T], *, look: Callable[[], None] = lambda: None) -> T:
        """Do ``work`` on the table, and ``look`` from time to time; whatever ends the wait early interrupts DuckDB.

        Raises:
            Stopped: ``cancelled`` said so.
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
        except BaseException:
            self._stop.set()
            raise


@contextmanager
def open_reading(path: Path, delimiter: str = ",", *, outlet: Path, watch: Watch) -> Iterator[Reading]:
    """Open a file to both readers for the time of the context; what does not fit into memory goes to ``outlet``.

    Raises:
        Refused: it has no usable header, or the parser cannot go on.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    header = read_header(path, delimiter)
    stop = threading.Event()
    with (
        open_table(path, header, outlet=outlet, stop=stop) as table,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="inspect") as pool,
    ):
        yield Reading(path=path, header=header, table=table, _watch=watch, _stop=stop, _pool=pool)


def _require_agreement(scanned: Scan, facts: TableFacts) -> None:
    if facts.rejected:
        findings = [Finding(rule="row.ragged", message=row.message, line=row.line) for row in facts.rejected]
        # DuckDB keeps a limited number of rejects; all that it did not read are told by the difference.
        total = max(facts.rejected_count, scanned.records - facts.records)
        raise Refused(tally(findings, total=total), hint="every row must have as many fields as the header")
    if facts.records != scanned.records:
        raise refuse(
            "reader.disagree",
            f"two readers count different rows: {scanned.records} by quotes, {facts.records} by fields",
            hint="look for quotes that are not RFC 4180",
        )
