"""Rows of a file compared with those before them: which come twice, and which are out of order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from sftp_orchestrator.prepare.tables.duck import COMPARING_MEMORY


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How many of the first rows of a file are like others before them."""

    rows: int = 0
    """that were compared"""
    repeated: int = 0
    """equal to an earlier one in every column"""
    repeated_by_key: int = 0
    """equal to an earlier one in the columns of the key"""
    late: int = 0
    """earlier than one before"""


NOTHING_COMPARED = Compared()


def compare(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: str,
    *,
    cells: Sequence[str],
    key: Sequence[str],
    moment: str,
    rows: int,
) -> Compared:
    """Compare the first ``rows`` of ``source`` (SQL, with its ``path`` as parameter), which come in the file's order.

    ``cells`` are all columns, ``key`` some of them, ``moment`` is SQL for a whole number. Rows are taken for equal by
    64 bits: of as many as fit into memory one in a million million may be so by chance.
    """
    connection.execute(f"SET memory_limit = '{COMPARING_MEMORY}'")
    connection.execute(
        f"CREATE TEMP TABLE compared AS SELECT {_hash(cells)} AS whole, {_hash(key)} AS key,"  # noqa: S608 - no input in it
        f" moment < max(moment) OVER (ROWS UNBOUNDED PRECEDING) AS is_late"
        f" FROM (SELECT *, {moment} AS moment FROM {source} LIMIT {rows})",
        [path],
    )
    read, late = connection.execute("SELECT count(*), count(*) FILTER (is_late) FROM compared").fetchall()[0]
    different, different_by_key = (
        connection.execute(f"SELECT count(*) FROM (SELECT {name} FROM compared GROUP BY {name})").fetchall()[0][0]  # noqa: S608 - names of ours
        for name in ("whole", "key")
    )
    connection.execute("DROP TABLE compared")
    return Compared(rows=read, repeated=read - different, repeated_by_key=read - different_by_key, late=late)


def _hash(cells: Sequence[str]) -> str:
    # A NUL stands in no cell, so no two different rows give one text.
    texts = ", ".join(f"coalesce({cell}, '')" for cell in cells)
    return f"hash(concat_ws(chr(0), {texts}))" if texts else "0"
