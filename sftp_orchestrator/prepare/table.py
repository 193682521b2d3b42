"""DuckDB over one CSV file: a fixed dialect, every column as text, rules as SQL; no row is looped over in Python."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.report import SHOWN, refuse
from sftp_orchestrator.prepare.scan import MAX_RECORD_BYTES

MEMORY_LIMIT = "96MB"
"""For DuckDB's own pool; with its buffers for reading it stays below the daemon's 300 MB, whatever the file's size."""
BUFFER_BYTES = 8_000_000
MAX_LINE_BYTES = MAX_RECORD_BYTES + 1
"""The scan refuses longer ones by name."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A row that has not the header's shape."""

    line: int
    message: str


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What DuckDB found."""

    records: int
    earliest_ts: int | None
    rejected: tuple[RejectedRow, ...]
    """the first of them"""
    rejected_count: int


def read_table(
    path: Path, header: Header, *, time_column: int | None, spill_directory: Path, stop: threading.Event
) -> TableFacts:
    """Read the whole file with a strict parser; may be repeated. Blocking; ends soon after ``stop`` is set.

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
        return _read(connection, path, header, time_column)
    except duckdb.OutOfMemoryException as error:
        raise LocalFault("inspect", path.name, "DuckDB's memory or spill folder ran out") from error
    except duckdb.IOException as error:
        raise LocalFault("inspect", path.name, str(error).splitlines()[0]) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        message = str(error).splitlines()[0]
        raise refuse("reader.failed", f"it cannot be read as CSV: {message}") from error
    finally:
        ended.set()
        guard.join()
        connection.close()


def _interrupt_on(connection: duckdb.DuckDBPyConnection, stop: threading.Event, ended: threading.Event) -> None:
    while not ended.wait(_POLL_SECONDS):
        if stop.is_set():
            connection.interrupt()


def _read(connection: duckdb.DuckDBPyConnection, path: Path, header: Header, time_column: int | None) -> TableFacts:
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(header.names)))
    earliest = f"min(TRY_CAST(c{time_column} AS BIGINT))" if time_column is not None else "NULL"
    # No new_line: set, DuckDB 2.0 finds no rows at all in a file with CR LF. The scan makes sure that all are alike.
    query = f"""
        SELECT count(*), {earliest}
        FROM read_csv(?, auto_detect = false, header = true, columns = {{{columns}}},
            delim = ',', quote = '"', escape = '"', strict_mode = true, compression = 'none',
            ignore_errors = true, store_rejects = true, rejects_limit = {SHOWN * 50},
            max_line_size = {MAX_LINE_BYTES}, buffer_size = {BUFFER_BYTES})
    """  # noqa: S608 - nothing of the input is in it: columns are named by number, the path is a parameter
    found = connection.execute(
        query, [str(path)]
    ).fetchall()  # only a whole result lets DuckDB write its table of rejects
    rejects = connection.execute(
        "SELECT line_byte_position, error_type, error_message FROM reject_errors"
        " ORDER BY line_byte_position, column_idx"
    ).fetchall()
    said = _choose_messages(rejects)
    positions = sorted(said)
    # With the row's first byte, which is never LF: after CR LF DuckDB 2.0 points at the LF before the row.
    lines = count_lines(path, positions[:SHOWN])
    return TableFacts(
        records=found[0][0],
        earliest_ts=found[0][1],
        rejected=tuple(RejectedRow(line=lines[position], message=said[position]) for position in positions[:SHOWN]),
        rejected_count=len(positions),
    )


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
