"""Rows that were there before: in the same file, or in files of the same feed that were sent in the last days.

A row is known by the MD5 of the cells that tell rows apart and of their columns' names, 16 bytes each, whatever the
order of a file's columns and the setting of earlier files. The fingerprints of a file's rows that are sent lie in one
Parquet file beside those of earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.report import SHOWN
from sftp_orchestrator.prepare.tables.duck import COMPARING_MEMORY

FINGERPRINTS_NAME = "fingerprints.parquet"


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """The rows that were there before."""

    read: int
    """rows that were told apart"""
    rows: int
    first: tuple[int, ...]
    """the numbers of the first of them"""
    condition: str
    """SQL; whether the row of this ``number`` is one"""


def find_repeated(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: Path,
    *,
    cells: Mapping[str, str],
    is_kept: str,
    earlier: Sequence[Path],
    target: Path,
) -> Repeated:
    """Tell apart the rows of ``source`` (SQL, with its ``path`` as parameter) that ``is_kept`` lets through.

    ``cells`` are the columns in which equal rows agree, as SQL by name, ``earlier`` the fingerprints of files before
    this one. The fingerprints of the rows that are new are written to ``target``.
    """
    connection.execute(f"SET memory_limit = '{COMPARING_MEMORY}'")
    # A NUL stands in no cell, so no two different rows give one text.
    text = ", ".join(f"{terms.quote(name)}, coalesce({cell}, '')" for name, cell in sorted(cells.items()))
    created = connection.execute(
        "CREATE TEMP TABLE fingerprint AS SELECT number, md5_number(row_text) AS value"  # noqa: S608 - quoted
        f" FROM (SELECT number, concat_ws(chr(0), {text}) AS row_text FROM {source} WHERE {is_kept})",
        [str(path)],
    ).fetchall()
    new = "SELECT min(number) AS number FROM fingerprint GROUP BY value"
    if earlier:
        connection.execute(f"CREATE TEMP VIEW sent AS {_list_sent(earlier)}")
        new = "SELECT min(number) AS number FROM fingerprint ANTI JOIN sent USING (value) GROUP BY value"
    connection.execute(
        "CREATE TEMP TABLE repeated AS"  # noqa: S608 - no input in it
        f" SELECT number FROM fingerprint ANTI JOIN ({new}) USING (number)"
    )
    connection.execute(
        "COPY (SELECT (value >> 64)::UBIGINT AS high, (value & 18446744073709551615)::UBIGINT AS low FROM fingerprint"  # noqa: S608 - quoted
        f" ANTI JOIN repeated USING (number)) TO {terms.quote(str(target))} (FORMAT parquet, COMPRESSION uncompressed)"
    )
    counted = f"SELECT count(*), min(number, {SHOWN}) FROM repeated"  # noqa: S608 - a number of ours
    rows, first = connection.execute(counted).fetchall()[0]
    return Repeated(
        read=int(created[0][0]),
        rows=rows,
        first=tuple(first or ()),
        condition="number IN (SELECT number FROM repeated)",
    )


def _list_sent(earlier: Sequence[Path]) -> str:
    paths = ", ".join(terms.quote(str(path)) for path in earlier)
    # Parquet has no whole numbers of 128 bits.
    return f"SELECT (high::UHUGEINT << 64) | low AS value FROM read_parquet([{paths}], hive_partitioning = false)"  # noqa: S608 - quoted
