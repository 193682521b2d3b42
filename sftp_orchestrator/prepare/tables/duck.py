"""DuckDB with our settings: bounded memory, a spill folder, nothing loaded from elsewhere, and its errors as ours."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.stopping import Stopped

READING_MEMORY = "96MB"
"""For DuckDB's own pool; with its buffers for reading it stays below the daemon's 300 MB, whatever the file's size."""
REWRITING_MEMORY = "160MB"
"""The same where a file is read as a whole, 2048 rows at a time: with rows of 12 kB the process took 290 MB."""
COMPARING_MEMORY = "256MB"
"""The same where rows are told apart: what does not fit is spilled; below 512 MB in all."""
_POLL_SECONDS = 0.1
_LINE_END = "\n"


@contextmanager
def open_duckdb(
    path: Path, rule: str, *, folder: Path, cancelled: Callable[[], bool]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to read ``path`` for the time of the context; it stops soon after ``cancelled`` says so.

    What does not fit into memory is spilled into ``folder``, and gone at the end.

    Raises:
        Refused: DuckDB cannot read the input; as a breach of ``rule``.
        LocalFault: memory or disk ran out.
        Stopped: ``cancelled`` said so.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": READING_MEMORY,
        "temp_directory": str(folder),
        "threads": "2",
        "preserve_insertion_order": "false",
        # It would keep what it read of a file for the next one of the same path, which may be another.
        "enable_external_file_cache": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=settings)
    ended = threading.Event()
    guard = threading.Thread(target=_interrupt_on, args=(connection, cancelled, ended), name="duckdb-guard")
    guard.start()
    try:
        yield connection
    except duckdb.InterruptException as error:
        raise Stopped from error
    except duckdb.OutOfMemoryException as error:
        raise LocalFault("inspect", path.name, "DuckDB's memory or spill folder ran out") from error
    except duckdb.IOException as error:
        raise LocalFault("inspect", path.name, _say(error, path)) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise refuse(rule, f"it cannot be read: {_say(error, path)}") from error
    except duckdb.Error as error:
        raise LocalFault("inspect", path.name, f"DuckDB: {_say(error, path)}") from error
    finally:
        ended.set()
        guard.join()
        connection.close()


def copy_to_csv(
    connection: duckdb.DuckDBPyConnection, query: str, names: Sequence[str], target: Path, parameters: Sequence[object]
) -> None:
    """Write the rows of ``query`` to ``target``, for us alone: UTF-8, commas, LF, under a header of ``names``.

    It is there in full and durably, or not at all.

    Raises:
        duckdb.Error: to be called within the context of ``open_duckdb``.
        LocalFault: the disk is full, or the folder not ours.
    """
    text = io.StringIO()
    # csv quotes only what may end a line as it is told to end them; and CR must be in quotes, too.
    csv.writer(text, lineterminator="\r\n").writerow(names)
    header = text.getvalue().removesuffix("\r\n") + _LINE_END
    # DuckDB would rename headers that differ in case alone, so ours goes before the rows as it stands.
    # In a file of one column an empty cell without quotes would be a blank line.
    force = ", FORCE_QUOTE *" if len(names) == 1 else ""
    options = f"""(FORMAT csv, HEADER false, DELIMITER ',', QUOTE '"', ESCAPE '"'{force},
        PREFIX {terms.quote(header)}, SUFFIX {terms.quote(_LINE_END)})"""
    unfinished = target.with_name(f".{target.name}.unfinished")
    with files.as_local_fault("write", str(target), hint="the workspace must be writable, with space for the file"):
        try:
            unfinished.unlink(missing_ok=True)
            unfinished.touch(mode=files.WORK_MODE)
            connection.execute(f"COPY ({query}) TO {terms.quote(str(unfinished))} {options}", list(parameters))
            files.fsync_file(unfinished)
            with failpoints.around("table.rename"):
                unfinished.rename(target)
            files.fsync_directory(target.parent)
        finally:
            unfinished.unlink(missing_ok=True)


def _interrupt_on(connection: duckdb.DuckDBPyConnection, cancelled: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(_POLL_SECONDS):
        if cancelled():
            connection.interrupt()


def _say(error: duckdb.Error, path: Path) -> str:
    """Return what DuckDB says, in one line, without the kind of error that it puts before it and our folders."""
    first = str(error).splitlines()[0].replace(str(path), path.name)
    return first.partition(" Error: ")[2] or first
