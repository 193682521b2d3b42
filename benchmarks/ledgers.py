"""A ledger that has seen a million parts, made in seconds: one source that was delivered, written again and again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sftp_orchestrator import space

MADE_BY = 1
"""Part of every name: to be counted up when the same number of parts gives another ledger."""
ROWS_PER_DISCARDED, ROWS_PER_ASIDE, ROWS_PER_REFUSING = 200, 2000, 50
"""Of so many sources one was discarded, one is quarantined and one held, one had rows that were refused."""
_BYTES_PER_PART = 4000
_SECONDS_APART = 30
"""Between two sources: a million are about a year."""

_DISCARDED = f"i % {ROWS_PER_DISCARDED} = 1"
_QUARANTINED = f"i % {ROWS_PER_ASIDE} = 2"
_HELD = f"i % {ROWS_PER_ASIDE} = 3"
_WITHOUT_PARTS = f"({_DISCARDED} OR {_QUARANTINED} OR {_HELD})"
_REFUSING = f"i % {ROWS_PER_REFUSING} = 4"
_AGO = f"'-' || ((:count - i + 1) * {_SECONDS_APART}) || ' seconds'"

_SOURCE = {
    "number": "NULL",
    "id": "printf('b%09d', i)",
    "relative_path": "CAST(printf('events_%09d.csv', i) AS BLOB)",
    "state": f"CASE WHEN {_DISCARDED} THEN 'discarded' WHEN {_QUARANTINED} THEN 'quarantined'"
    f" WHEN {_HELD} THEN 'held' ELSE 'archived' END",
    # Hashes are in no order: rows of an index on them come to lie anywhere in it.
    "sha256": "printf('%016x%048x', (i * 2654435761) % 4294967296, i)",
    "claimed_at": f"strftime('%Y-%m-%d %H:%M:%f', claimed_at, {_AGO}) || '000'",
    "changed_at": f"strftime('%Y-%m-%d %H:%M:%f', changed_at, {_AGO}) || '000'",
    "refused_rows": f"CASE WHEN {_REFUSING} THEN 5 ELSE 0 END",
    "reason": f"CASE WHEN {_WITHOUT_PARTS} THEN 'for want of a reason' END",
}
_PART = {
    "source_id": "printf('b%09d', i)",
    "data_name": "printf('b%09d', i) || data_name",
    "manifest_name": "printf('b%09d', i) || manifest_name",
}
_HISTORY = {
    "number": "NULL",
    "source_id": "printf('b%09d', i)",
    "at": f"strftime('%Y-%m-%d %H:%M:%f', at, {_AGO}) || '000'",
}
_RUN = {"number": "NULL"}


def make(folder: Path, template: Path, *, parts: int, tell: Callable[[str], None]) -> Path:
    """Return a ledger of so many delivered parts in ``folder``, written unless it is there.

    ``template`` is a ledger with one source that is archived: its rows are what is multiplied.

    Raises:
        LocalFault: the disk has not enough space.
    """
    with closing(sqlite3.connect(template)) as database:
        (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    path = folder / f"ledger-{parts}-{revision}-v{MADE_BY}.db"
    if path.exists():
        return path
    tell(f"the ledger {path.name}")
    space.require_space(folder, 2 * parts * _BYTES_PER_PART)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        shutil.copyfile(template, unfinished)
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
            _fill(database, parts)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _fill(database: sqlite3.Connection, parts: int) -> None:
    for pragma in ("journal_mode=DELETE", "synchronous=OFF", "cache_size=-400000"):
        database.execute(f"PRAGMA {pragma}")
    (kept,) = database.execute("SELECT id FROM source").fetchone()
    # One in 200 was discarded, and two in 2,000 wait for a person: these have no parts.
    count = parts + parts // 150
    database.execute("BEGIN")
    _multiply(database, "source", _SOURCE, count, where=f"source.id = '{kept}'")
    delivered = f"source_id = '{kept}' AND NOT {_WITHOUT_PARTS}"
    _multiply(database, "part", _PART, count, where=delivered)
    begun = f"source_id = '{kept}' AND (before IS NULL OR NOT {_WITHOUT_PARTS})"
    _multiply(database, "history", _HISTORY, count, where=begun)
    _multiply(database, "run", _RUN, count // 10, where="run.number = 1")
    database.execute("COMMIT")


def _multiply(database: sqlite3.Connection, table: str, changed: dict[str, str], count: int, *, where: str) -> None:
    """Write the rows ``where`` of ``table`` ``count`` times more, with ``changed`` columns; ``i`` counts from 1."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    named = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
    counted = "WITH RECURSIVE counted(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counted WHERE i < :count)"
    # CROSS JOIN keeps the order: all rows of one source, then those of the next.
    query = f"INSERT INTO {table} ({named}) {counted} SELECT {values} FROM counted CROSS JOIN {table} WHERE {where}"  # noqa: S608 - all of it is ours
    database.execute(query, {"count": count})
