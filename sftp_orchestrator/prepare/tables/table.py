"""DuckDB over one CSV file: a fixed dialect, every column as text, rules as SQL; no row is looped over in Python.

Only files that the scan let pass are read here, and it says how many rows there are: another number is never used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.checks.row_checks import Check
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.tables.comparing import Compared, compare
from sftp_orchestrator.prepare.tables.duck import copy_to_csv
from sftp_orchestrator.prepare.tables.duplicates import Repeated, find_repeated
from sftp_orchestrator.prepare.tables.examine import Count, Examination
from sftp_orchestrator.prepare.text.header import MAX_RECORD_BYTES, Header

BUFFER_BYTES = 8_000_000
MAX_LINE_BYTES = MAX_RECORD_BYTES + 32
"""The scan refuses longer records by name; before one there may be its number."""
COUNTED_COLUMNS = 200
"""Of how many columns the cells are counted at once: those of so many fit in memory, whatever the trait."""


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


@dataclass(frozen=True, kw_only=True)
class CellCount:
    """How many cells of one column have one trait."""

    position: int
    trait: int
    cells: int
    distinct: int
    """about how many different ones"""


class Table:
    """A CSV file, every column of it as text under its number: ``c0``, ``c1`` … Blocking; one call at a time.

    What a call puts into temporary tables, later ones on the same connection can use.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        header: Header,
        *,
        rows: int,
        is_numbered: bool = False,
    ) -> None:
        """``rows`` are those that the scan found; in a numbered file the number of each stands before its columns."""
        self._connection = connection
        self._path = path
        self._delimiter = header.delimiter
        self._width = len(header.names)
        self._rows = rows
        columns = [f"'c{number}': 'VARCHAR'" for number in range(self._width)]
        self._columns = ", ".join(["'number': 'BIGINT'", *columns] if is_numbered else columns)

    def examine(self, examination: Examination) -> None:
        """Add its rows to ``examination``, which is on the same connection; for a numbered one.

        Raises:
            Refused: DuckDB reads another number of rows.
        """
        self._require_rows(examination.add(self._from(), str(self._path)))

    def count_cells(self, trait: str) -> list[CellCount]:
        """Count the cells of every column by ``trait``, a whole number as SQL over ``cell``.

        The columns are laid below each other, so that the statement stays small however many there are; the file is
        read once for every ``COUNTED_COLUMNS`` of them.

        Raises:
            Refused: DuckDB reads another number of rows.
        """
        found = []
        for start in range(0, self._width, COUNTED_COLUMNS):
            places = range(start, min(start + COUNTED_COLUMNS, self._width))
            cells = ", ".join(f"c{place}" for place in places)
            rows = self._connection.execute(
                f"SELECT place, {trait} AS trait, count(*), approx_count_distinct(cell)"  # noqa: S608 - see _from
                f" FROM (SELECT unnest([{cells}]) AS cell, unnest(range({places.start}, {places.stop})) AS place"
                f" FROM {self._from()}) GROUP BY place, trait",
                [str(self._path)],
            ).fetchall()
            self._require_rows(sum(row[2] for row in rows if row[0] == start))
            found += [CellCount(position=row[0], trait=row[1], cells=row[2], distinct=row[3]) for row in rows]
        return found

    def follow(self) -> None:
        """Have ``get_progress`` tell how far any later query is; may be repeated."""
        self._connection.execute("SET enable_progress_bar = true")
        self._connection.execute("SET enable_progress_bar_print = false")

    def get_progress(self) -> float:
        """Return about which share of its work the query under way has done; asked from another thread."""
        return max(self._connection.query_progress(), 0.0) / 100

    def find_first(self, checks: Sequence[Check]) -> list[Count]:
        """Count the rows that break each of ``checks``, and find the first; where many do, this needs no space.

        Raises:
            Refused: DuckDB reads another number of rows.
        """
        self._keep_order()
        columns = ", ".join(
            f"count_if({check.broken}), min(CASE WHEN {check.broken} THEN number END)" for check in checks
        )
        read, *found = self._connection.execute(
            f"SELECT count(*), {columns} FROM {self._number_rows()}",  # noqa: S608 - see _from
            [str(self._path)],
        ).fetchall()[0]
        self._require_rows(read)
        pairs = zip(checks, found[::2], found[1::2], strict=True)
        return [Count(check=check, rows=int(rows), first=(int(first),)) for check, rows, first in pairs if rows]

    def rewrite(self, rewriting: Rewriting, target: Path) -> None:
        """Write the file anew to ``target``, as CSV with commas and LF; values stay what they are, rows in their order.

        How many rows were written is for the caller to find out, who reads them anyway.
        """
        self._keep_order()
        columns = [f"c{position}" for position in rewriting.positions]
        if len(rewriting.names) == 1:
            # A row of one empty cell would be a blank line; an empty text is written as "".
            columns = [f"coalesce({column}, '')" for column in columns]
        values = ", ".join([*columns, *(terms.quote(value) for value in rewriting.constants)])
        query = (
            f"SELECT {values} FROM {self._number_rows()}"  # noqa: S608 - literals are quoted, see _from
            f" WHERE {rewriting.is_kept}"
        )
        copy_to_csv(self._connection, query, rewriting.names, target, [str(self._path)])

    def find_repeated(
        self, *, cells: Mapping[str, str], is_kept: str, kept: int, earlier: Sequence[Path], target: Path
    ) -> Repeated:
        """Tell apart the ``kept`` rows that ``is_kept`` lets through; see ``duplicates.find_repeated``.

        Raises:
            Refused: DuckDB reads another number of them.
        """
        self._keep_order()
        repeated = find_repeated(
            self._connection,
            self._number_rows(cells.values()),
            self._path,
            cells=cells,
            is_kept=is_kept,
            earlier=earlier,
            target=target,
        )
        self._require_rows(repeated.read, kept)
        return repeated

    def compare(self, *, key: Sequence[str], moment: str, rows: int) -> Compared:
        """Compare the first ``rows`` with those before them; see ``comparing.compare``."""
        self._keep_order()
        cells = [f"c{place}" for place in range(self._width)]
        return compare(self._connection, self._from(), str(self._path), cells=cells, key=key, moment=moment, rows=rows)

    def _require_rows(self, read: int, expected: int | None = None) -> None:
        wanted = self._rows if expected is None else expected
        if read != wanted:
            raise refuse(
                "reader.disagree",
                f"two readers count different rows: of {wanted} that were found by quotes, {read} by fields",
                hint="look for quotes that are not RFC 4180",
            )

    def _keep_order(self) -> None:
        """Rows are numbered as they come, and written so: one thread does both.

        The setting of that name would keep all rows of a file that is not read in parallel until its end.
        """
        self._connection.execute("SET threads = 1")

    def _number_rows(self, columns: Collection[str] = ("*",)) -> str:
        """Return the rows for FROM, each with its ``number`` from 1; the file's path is the parameter."""
        return f"(SELECT row_number() OVER () AS number, {', '.join(columns)} FROM {self._from()})"  # noqa: S608 - see _from

    def _from(self) -> str:
        """Return the source for FROM: nothing of the input is in it, columns go by number, the path is a parameter."""
        # No new_line: set, DuckDB 2.0 finds no rows at all in a file with CR LF. The scan makes sure of that.
        # Nothing of the path: a folder called c0=x would stand in every cell of the first column.
        # Not parallel: each thread guesses where a row begins, and guesses wrong within quotes that hold line breaks.
        return f"""read_csv(?, auto_detect = false, header = true, columns = {{{self._columns}}},
            delim = {terms.quote(self._delimiter)}, quote = '"', escape = '"', strict_mode = true, parallel = false,
            compression = 'none', hive_partitioning = false, max_line_size = {MAX_LINE_BYTES},
            buffer_size = {BUFFER_BYTES})"""
