"""DuckDB over one CSV file: a fixed dialect, every column as text, rules as SQL; no row is looped over in Python."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare import terms
from sftp_orchestrator.prepare.examine import Examination
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.pieces import MAX_RECORD_BYTES
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.row_checks import Check

MEMORY_LIMIT = "96MB"
"""For DuckDB's own pool; with its buffers for reading it stays below the daemon's 300 MB, whatever the file's size."""
BUFFER_BYTES = 8_000_000
MAX_LINE_BYTES = MAX_RECORD_BYTES + 32
"""The scan refuses longer records by name; before one there may be its number."""
_POLL_SECONDS = 0.1


@contextmanager
def open_table(
    path: Path, header: Header, *, subject: str, spill_directory: Path, stop: threading.Event, is_numbered: bool = False
) -> Iterator[Table]:
    """Give the file as a table for the time of the context; what runs on it ends soon after ``stop`` is set.

    Errors call it ``subject``. A numbered one has the number of each row before the columns of ``header``.

    Raises:
        Refused: the parser cannot go on.
        LocalFault: memory or disk ran out.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY_LIMIT,
        "temp_directory": str(spill_directory),
        "threads": "2",
        "preserve_insertion_order": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    ended = threading.Event()
    guard = threading.Thread(target=_interrupt_on, args=(connection, stop, ended), name="duckdb-guard")
    guard.start()
    try:
        yield Table(connection, path, header, is_numbered=is_numbered)
    except duckdb.OutOfMemoryException as error:
        raise LocalFault("inspect", subject, "DuckDB's memory or spill folder ran out") from error
    except duckdb.IOException as error:
        raise LocalFault("inspect", subject, str(error).splitlines()[0]) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        message = str(error).splitlines()[0]
        raise refuse("reader.failed", f"it cannot be read as CSV: {message}") from error
    except duckdb.Error as error:
        raise LocalFault("inspect", subject, f"DuckDB: {str(error).splitlines()[0]}") from error
    finally:
        ended.set()
        guard.join()
        connection.close()


class Table:
    """A CSV file, every column of it as text under its position: ``c0``, ``c1`` … Blocking; one call at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path, header: Header, *, is_numbered: bool) -> None:
        self._connection = connection
        self._path = path
        columns = [f"'c{position}': 'VARCHAR'" for position in range(len(header.names))]
        self._columns = ", ".join(["'number': 'BIGINT'", *columns] if is_numbered else columns)

    def examine(self, checks: Sequence[Check], *, rows: int) -> Examination:
        """Note exactly which of its ``rows`` break which of ``checks``; for a numbered one.

        Raises:
            Refused: DuckDB reads another number of rows.
        """
        examination = Examination(self._connection, self._from(), str(self._path), checks)
        if examination.rows != rows:
            raise refuse(
                "reader.disagree",
                f"two readers count different rows: of {rows} that were found by quotes, {examination.rows} by fields",
                hint="look for quotes that are not RFC 4180",
            )
        return examination

    def copy(self, names: Sequence[str], target: Path) -> None:
        """Write the first columns, under ``names``, as CSV to ``target``; rows keep their order."""
        columns = ", ".join(f"c{number} AS {_quote_name(name)}" for number, name in enumerate(names))
        self._connection.execute("SET preserve_insertion_order = true")
        self._connection.execute(
            f"COPY (SELECT {columns} FROM {self._from()})"  # noqa: S608 - names are quoted, see _from
            f" TO {terms.quote(str(target))} (FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"')",
            [str(self._path)],
        )

    def _from(self) -> str:
        """Return the source for FROM: nothing of the input is in it, columns go by number, the path is a parameter."""
        # No new_line: set, DuckDB 2.0 finds no rows at all in a file with CR LF. The scan makes sure of that.
        return f"""read_csv(?, auto_detect = false, header = true, columns = {{{self._columns}}},
            delim = ',', quote = '"', escape = '"', strict_mode = true, compression = 'none',
            max_line_size = {MAX_LINE_BYTES}, buffer_size = {BUFFER_BYTES})"""


def _interrupt_on(connection: duckdb.DuckDBPyConnection, stop: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(_POLL_SECONDS):
        if stop.is_set():
            connection.interrupt()


def _quote_name(name: str) -> str:
    """Return a header as a quoted identifier, which may hold anything."""
    return '"' + name.replace('"', '""') + '"'
