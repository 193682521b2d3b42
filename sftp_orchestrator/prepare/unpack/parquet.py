"""Parquet as CSV: DuckDB reads it and writes text, column by column, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator import space
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, list_columns
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.tables.duck import copy_to_csv, open_duckdb
from sftp_orchestrator.prepare.text.header import check_names
from sftp_orchestrator.prepare.unpack.formats import Types

PARQUET_MEMORY = "192MB"
"""For DuckDB's own pool; with what it takes besides the process stays below 300 MB."""
_SOURCE = "read_parquet(?, hive_partitioning = false)"
"""Only what is in the file: DuckDB would add a column for a folder that is called ``key=value``."""
_MOMENTS = ("DATE", "TIMESTAMP")
_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    *("FLOAT", "DOUBLE", "DECIMAL"),
)
_DECIMALS = ("FLOAT", "DOUBLE")
_BINARY = ("BLOB", "BIT", "GEOMETRY")
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT")


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One column of the input and the text that becomes of it."""

    name: str
    text: str
    """SQL over the columns by number"""
    moment_format: str | None
    """of a column of moments: the ``date_format`` that keeps most of them"""
    is_number: bool
    """by its type"""
    is_decimal: bool
    """written with a point"""


def write_parquet(path: Path, target: Path, feed: Feed, *, cancelled: Callable[[], bool]) -> Types:
    """Write a Parquet file to ``target`` as CSV with a header, commas and LF; rows keep their order.

    Moments become what the feed's columns ask for: epoch seconds for ``ts`` and UNIX, else the ``date_format``. Return
    what the types of the columns say.

    Raises:
        Refused: it is damaged, or holds what CSV cannot: nested or binary values.
        DecisionNeeded: its values or row groups are too large for DuckDB's memory.
        LocalFault: the disk ran out.
        Stopped: ``cancelled`` said so.
    """
    with open_duckdb(path, "format.broken", folder=target.parent, cancelled=cancelled) as connection:
        try:
            return _write(connection, path, target, feed)
        except duckdb.OutOfMemoryException as error:
            space.require_space(target.parent, path.stat().st_size)
            hint = "have it written in row groups of fewer rows, such as 100,000, or with shorter values; or as CSV"
            raise DecisionNeeded("unpack", path.name, "DuckDB's memory ran out", hint=hint) from error


def _write(connection: duckdb.DuckDBPyConnection, path: Path, target: Path, feed: Feed) -> Types:
    # One thread keeps the rows' order; the setting of that name would keep the rows themselves, in memory.
    for setting in ("TimeZone = 'UTC'", "threads = 1", f"memory_limit = '{PARQUET_MEMORY}'"):
        connection.execute(f"SET {setting}")
    # Else it reads every row group whole, in one piece.
    connection.execute("SET disable_parquet_prefetching = true")
    columns = _list_columns(connection, path, feed)
    if not columns:
        raise refuse("header.empty", "it has no columns")
    names = [column.name for column in columns]
    check_names(names)
    texts = ", ".join(column.text for column in columns)
    numbers = ", ".join(f"c{place}" for place in range(len(columns)))
    query = f"SELECT {texts} FROM {_SOURCE} AS source({numbers})"  # noqa: S608 - no input in it but quoted formats
    copy_to_csv(connection, query, names, target, [str(path)])
    return Types(
        moments={column.name: column.moment_format for column in columns if column.moment_format is not None},
        numbers=frozenset(column.name for column in columns if column.is_number),
        decimals=frozenset(column.name for column in columns if column.is_decimal),
    )


def _list_columns(connection: duckdb.DuckDBPyConnection, path: Path, feed: Feed) -> list[_Column]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {_SOURCE}", [str(path)]).fetchall()  # noqa: S608 - no input
    imported = list_columns(_list_names(connection, path), feed)
    return [
        _Column(
            name=column.original,
            text=_get_text(column, kind),
            moment_format=_get_moment_format(kind),
            is_number=kind.startswith(_NUMBERS),
            is_decimal=kind in _DECIMALS,
        )
        for column, (_, kind, *_) in zip(imported, described, strict=True)
    ]


def _list_names(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return the columns' names as the file has them: of those that differ in case alone DuckDB renames one."""
    schema = connection.execute("SELECT name, num_children FROM parquet_schema(?)", [str(path)]).fetchall()
    names, inner = [], 0
    # Below the root, which is the first, each column with what is nested in it.
    for name, children in schema[1:]:
        if inner == 0:
            names.append(name)
        inner = max(inner - 1, 0) + (children or 0)
    return names


def _get_text(column: ImportedColumn, kind: str) -> str:
    cell = column.sql
    if kind.endswith("]") or kind.startswith(_NESTED):
        raise refuse("format.nested", f"the column '{column.original}' is nested ({kind[:60]})")
    if kind.startswith(_BINARY):
        raise refuse("format.nested", f"the column '{column.original}' is binary ({kind})")
    if not kind.startswith(_MOMENTS):
        return f"{cell}::VARCHAR"
    if column.property_name == clevertap.TIME or column.date_format == "UNIX":
        return f"floor(epoch({cell}))::BIGINT::VARCHAR"
    if column.type is DataType.DATE and column.date_format is not None:
        return f"strftime({cell}::TIMESTAMP, {terms.quote(terms.get_strptime(column.date_format))})"
    return f"{cell}::VARCHAR"


def _get_moment_format(kind: str) -> str | None:
    if kind == "DATE":
        return "yyyy-MM-dd"
    return "yyyy-MM-dd'T'HH:mm:ss" if kind.startswith(_MOMENTS) else None
