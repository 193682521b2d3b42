"""DuckDB over one CSV file: a fixed dialect, every column as text, rules as SQL; no row is looped over in Python."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator.prepare import terms
from sftp_orchestrator.prepare.duck import SORTING_MEMORY, copy_to_csv, open_duckdb
from sftp_orchestrator.prepare.duplicates import Repeated, find_repeated
from sftp_orchestrator.prepare.examine import Count, Examination
from sftp_orchestrator.prepare.header import MAX_RECORD_BYTES, Header
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.report import SHOWN
from sftp_orchestrator.prepare.row_checks import Check

BUFFER_BYTES = 8_000_000
MAX_LINE_BYTES = MAX_RECORD_BYTES + 1
"""The scan refuses longer ones by name."""
COUNTED_COLUMNS = 200
"""Of how many columns the cells are counted at once: those of so many fit in memory, whatever the trait."""


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that has not the header's shape."""

    line: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Rewriting:
    """What a file becomes where it is written anew."""

    names: Sequence[str]
    """its header"""
    positions: Sequence[int]
    """the columns that stay, in their order"""
    constants: Sequence[str] = ()
    """values of further columns, the same in every row"""
    is_kept: str = "true"
    """SQL; whether the row of this ``number`` stays"""
    order: str = ""
    """SQL; ORDER BY …; without it rows keep their order"""


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What DuckDB found."""

    records: int
    earliest_ts: int | None
    stopped: int
    """rows that a screen stopped: to be looked at again"""
    rejected: tuple[RejectedRow, ...]
    """the first of them"""
    rejected_count: int


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """How many cells of one column have one trait."""

    position: int
    trait: int
    cells: int
    distinct: int
    """about how many different ones"""


@contextmanager
def open_table(path: Path, header: Header, *, outlet: Path, stop: threading.Event) -> Iterator[Table]:
    """Give the file as a table for the time of the context; what runs on it ends soon after ``stop`` is set.

    Raises:
        Refused: the parser cannot go on.
        LocalFault: memory or disk ran out.
    """
    with open_duckdb(path.name, "reader.failed", folder=outlet, cancelled=stop.is_set) as connection:
        yield Table(connection, path, header)


class Table:
    """A CSV file, every column of it as text under its number: ``c0``, ``c1`` … Blocking; one call at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path, header: Header) -> None:
        self._connection = connection
        self._path = path
        self._delimiter = header.delimiter
        self._width = len(header.names)
        self._columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(header.names)))

    def read(self, *, time_column: int | None, screens: Sequence[str]) -> TableFacts:
        """Read the whole file with a strict parser, and count the rows that any of ``screens`` stops."""
        earliest = f"min(TRY_CAST(c{time_column} AS BIGINT))" if time_column is not None else "NULL"
        stopped = f"count(*) FILTER ({terms.any_of(screens)})" if screens else "0"
        found = self._connection.execute(
            f"SELECT count(*), {earliest}, {stopped} FROM {self._from()}",  # noqa: S608 - see _from
            [str(self._path)],
        ).fetchall()  # only a whole result lets DuckDB write its table of rejects
        rejects = self._connection.execute(
            "SELECT line_byte_position, error_type, error_message FROM reject_errors"
            " ORDER BY line_byte_position, column_idx"
        ).fetchall()
        said = _choose_messages(rejects)
        positions = sorted(said)
        # With the row's first byte, which is never LF: after CR LF DuckDB 2.0 points at the LF before the row.
        lines = count_lines(self._path, positions[:SHOWN])
        return TableFacts(
            records=found[0][0],
            earliest_ts=found[0][1],
            stopped=found[0][2],
            rejected=tuple(RejectedRow(line=lines[position], message=said[position]) for position in positions[:SHOWN]),
            rejected_count=len(positions),
        )

    def count_cells(self, trait: str) -> list[CellCount]:
        """Count the cells of every column by ``trait``, a whole number as SQL over ``cell``; for files of one shape.

        The columns are laid below each other, so that the statement stays small however many there are; the file is
        read once for every ``COUNTED_COLUMNS`` of them.
        """
        found = []
        for start in range(0, self._width, COUNTED_COLUMNS):
            places = range(start, min(start + COUNTED_COLUMNS, self._width))
            cells = ", ".join(f"c{place}" for place in places)
            rows = self._connection.execute(
                f"SELECT place, {trait} AS trait, count(*), approx_count_distinct(cell)"  # noqa: S608 - see _from
                f" FROM (SELECT unnest([{cells}]) AS cell, unnest(range({places.start}, {places.stop})) AS place"
                f" FROM {self._from(rejects=False)}) GROUP BY place, trait",
                [str(self._path)],
            ).fetchall()
            found += [CellCount(position=row[0], trait=row[1], cells=row[2], distinct=row[3]) for row in rows]
        return found

    def follow(self) -> None:
        """Have ``get_progress`` tell how far any later query is; may be repeated."""
        self._connection.execute("SET enable_progress_bar = true")
        self._connection.execute("SET enable_progress_bar_print = false")

    def get_progress(self) -> float:
        """Return about which share of its work the query under way has done; asked from another thread."""
        return max(self._connection.query_progress(), 0.0) / 100

    def examine(self, checks: Sequence[Check]) -> Examination:
        """Read it again and note exactly which rows break which of ``checks``; for files whose rows have one shape."""
        return Examination(self._connection, self.numbered, str(self._path), checks)

    def find_first(self, checks: Sequence[Check]) -> list[Count]:
        """Count the rows that break each of ``checks``, and find the first; where many do, this needs no space."""
        # As in an examination: rows are numbered as they come, so the reader must keep their order.
        self._connection.execute("SET preserve_insertion_order = true")
        columns = ", ".join(
            f"count_if({check.broken}), min(CASE WHEN {check.broken} THEN number END)" for check in checks
        )
        stopped = terms.any_of(f"coalesce({check.screen}, false)" for check in checks)
        found = self._connection.execute(
            f"SELECT {columns} FROM {self.numbered} WHERE {stopped}",  # noqa: S608 - see _from
            [str(self._path)],
        ).fetchall()[0]
        pairs = zip(checks, found[::2], found[1::2], strict=True)
        return [Count(check=check, rows=int(rows), first=(int(first),)) for check, rows, first in pairs if rows]

    def rewrite(self, rewriting: Rewriting, target: Path) -> None:
        """Write the file anew to ``target``, as CSV with commas and LF; values stay what they are."""
        self._connection.execute("SET preserve_insertion_order = true")
        if rewriting.order:
            self._connection.execute(f"SET memory_limit = '{SORTING_MEMORY}'")
        columns = ", ".join(f"c{position}" for position in rewriting.positions)
        constants = "".join(f", {terms.quote(value)}" for value in rewriting.constants)
        query = (
            f"SELECT {columns}{constants} FROM {self.numbered}"  # noqa: S608 - literals are quoted, see _from
            f" WHERE {rewriting.is_kept} {rewriting.order}"
        )
        copy_to_csv(self._connection, query, rewriting.names, target, [str(self._path)])

    def find_repeated(self, *, cells: Sequence[str], is_kept: str, earlier: Sequence[Path], target: Path) -> Repeated:
        """Tell its rows apart; see ``duplicates.find_repeated``."""
        return find_repeated(
            self._connection,
            self.numbered,
            self._path,
            cells=cells,
            is_kept=is_kept,
            earlier=earlier,
            target=target,
        )

    @property
    def numbered(self) -> str:
        """The rows for FROM, each with its ``number`` from 1; the file's path is the parameter."""
        return f"(SELECT row_number() OVER () AS number, * FROM {self._from(rejects=False)})"  # noqa: S608 - see _from

    def _from(self, *, rejects: bool = True) -> str:
        """Return the source for FROM: nothing of the input is in it, columns go by number, the path is a parameter."""
        # No new_line: set, DuckDB 2.0 finds no rows at all in a file with CR LF. The scan makes sure of that.
        lenient = f"ignore_errors = true, store_rejects = true, rejects_limit = {SHOWN * 50}, " if rejects else ""
        return f"""read_csv(?, auto_detect = false, header = true, columns = {{{self._columns}}},
            delim = {terms.quote(self._delimiter)}, quote = '"', escape = '"', strict_mode = true, {lenient}
            compression = 'none', max_line_size = {MAX_LINE_BYTES}, buffer_size = {BUFFER_BYTES})"""


def _choose_messages(rejects: list[tuple[int, str, str]]) -> dict[int, str]:
    """Return one message for each rejected row, by its position.

    DuckDB rejects a row once for each field that it lacks or has too many: how many there are is told by the first of
    the lacking ones, and by the last of those too many.
    """
    messages: dict[int, str] = {}
    for position, kind, text in rejects:
        if kind == "TOO MANY COLUMNS" or position not in messages:
            messages[position] = _say(kind, text)
    return messages


def _say(kind: str, text: str) -> str:
    said = str(text).splitlines()[0] if text else str(kind).lower()
    counts = [int(number) for number in re.findall(r"\d+", said)]
    if kind in {"TOO MANY COLUMNS", "MISSING COLUMNS"} and len(counts) == 2:
        return f"the row has {counts[1]} fields, the header {counts[0]}"
    return said
