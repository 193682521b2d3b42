"""Parquet and JSON lines as CSV: DuckDB reads them and writes text, column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.prepare import terms
from sftp_orchestrator.prepare.columns import ImportedColumn, list_columns
from sftp_orchestrator.prepare.duck import copy_to_csv, open_duckdb
from sftp_orchestrator.prepare.header import check_names
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.unpack.formats import Content

_MAX_OBJECT_BYTES = 4_000_000
"""Of one line of JSON; a row of CSV may be as long."""
_LINES = f"read_json_objects(?, format = 'newline_delimited', maximum_object_size = {_MAX_OBJECT_BYTES})"
"""The source of JSON lines, of which the path is the parameter."""
_MOMENTS = ("DATE", "TIMESTAMP")
_NUMBERS = (
    *(
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    ),
    *("FLOAT", "DOUBLE", "DECIMAL"),
)
_BINARY = ("BLOB", "BIT", "GEOMETRY")


@dataclass(frozen=True, kw_only=True)
class _Column:
    """One column of the input and the text that becomes of it."""

    name: str
    text: str
    """SQL over ``source``"""
    moment_format: str | None = None
    """of a column of moments: the ``date_format`` that keeps most of them"""
    is_number: bool = False
    """by its type; of JSON it is not looked at"""


@dataclass(frozen=True, kw_only=True)
class Types:
    """What the types of a table say of its columns, by name."""

    moments: Mapping[str, str]
    """those that hold moments, each with the format that keeps most of them"""
    numbers: frozenset[str]
    """those that hold numbers; of JSON it is not known"""


def write_table(path: Path, target: Path, content: Content, feed: Feed, *, cancelled: Callable[[], bool]) -> Types:
    """Write a Parquet file or JSON lines to ``target`` as CSV with a header, commas and LF; rows keep their order.

    Moments become what the feed's columns ask for: epoch seconds for ``ts`` and UNIX, else the ``date_format``. Return
    what the types of the columns say.

    Raises:
        Refused: it is damaged, or holds what CSV cannot: nested or binary values.
        LocalFault: memory or disk ran out.
        Stopped: ``cancelled`` said so.
    """
    readers: dict[Content, Callable[[duckdb.DuckDBPyConnection, str, Feed], tuple[str, list[_Column]]]] = {
        Content.PARQUET: _read_parquet,
        Content.JSON_LINES: _read_json,
    }
    with open_duckdb(path.name, "format.broken", folder=target.parent, cancelled=cancelled) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = true")
        source, columns = readers[content](connection, str(path), feed)
        if not columns:
            raise refuse("header.empty", "it has no columns")
        check_names([column.name for column in columns])
        texts = ", ".join(column.text for column in columns)
        query = f"SELECT {texts} FROM {source}"  # noqa: S608 - names are quoted
        copy_to_csv(connection, query, [column.name for column in columns], target, [str(path)])
    return Types(
        moments={column.name: column.moment_format for column in columns if column.moment_format is not None},
        numbers=frozenset(column.name for column in columns if column.is_number),
    )


def find_json_numbers(path: Path, *, folder: Path, cancelled: Callable[[], bool]) -> frozenset[str]:
    """Return the keys of JSON lines whose values are numbers and nothing else, ``null`` aside; reads the file once.

    Raises:
        Refused: it is damaged.
        LocalFault: memory or disk ran out.
        Stopped: ``cancelled`` said so.
    """
    with open_duckdb(path.name, "format.broken", folder=folder, cancelled=cancelled) as connection:
        found = connection.execute(
            f"""SELECT key FROM (SELECT unnest(keys) AS key, unnest(list_transform(keys,
                    lambda key: json_type(json, '/' || replace(replace(key, '~', '~0'), '/', '~1')))) AS kind
                FROM (SELECT json, json_keys(json) AS keys FROM {_LINES})) WHERE kind <> 'NULL'
                GROUP BY key HAVING bool_and(kind IN ('BIGINT', 'UBIGINT', 'DOUBLE'))""",  # noqa: S608 - no input in it
            [str(path)],
        ).fetchall()
    return frozenset(key for (key,) in found)


def _read_parquet(connection: duckdb.DuckDBPyConnection, path: str, feed: Feed) -> tuple[str, list[_Column]]:
    source = "read_parquet(?)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}", [path]).fetchall()  # noqa: S608 - no input in it
    imported = list_columns([name for name, *_ in described], feed)
    return source, [
        _Column(
            name=column.original,
            text=_get_text(column, kind),
            moment_format=_get_moment_format(kind),
            is_number=kind.startswith(_NUMBERS),
        )
        for column, (_, kind, *_) in zip(imported, described, strict=True)
    ]


def _get_text(column: ImportedColumn, kind: str) -> str:
    name = f'"{column.original.replace(chr(34), chr(34) * 2)}"'
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
        raise refuse("format.nested", f"the column '{column.original}' is nested ({kind[:60]})")
    if kind.startswith(_BINARY):
        raise refuse("format.nested", f"the column '{column.original}' is binary ({kind})")
    if not kind.startswith(_MOMENTS):
        return f"{name}::VARCHAR"
    if column.property_name == clevertap.TIME or column.date_format == "UNIX":
        return f"floor(epoch({name}))::BIGINT::VARCHAR"
    if column.type is DataType.DATE and column.date_format is not None:
        return f"strftime({name}::TIMESTAMP, {terms.quote(terms.get_strptime(column.date_format))})"
    return f"{name}::VARCHAR"


def _get_moment_format(kind: str) -> str | None:
    if kind == "DATE":
        return "yyyy-MM-dd"
    return "yyyy-MM-dd'T'HH:mm:ss" if kind.startswith(_MOMENTS) else None


def _read_json(connection: duckdb.DuckDBPyConnection, path: str, _feed: Feed) -> tuple[str, list[_Column]]:
    lines = _LINES
    other = connection.execute(
        f"SELECT min(number) FROM (SELECT row_number() OVER () AS number, json FROM {lines})"  # noqa: S608 - no input in it
        " WHERE json_type(json) <> 'OBJECT'",
        [path],
    ).fetchall()[0][0]
    if other is not None:
        raise refuse("format.broken", "a line is no JSON object", line=other)
    # Keys in the order in which they are first seen.
    keys = connection.execute(
        f"""SELECT key FROM (SELECT number, unnest(keys) AS key, generate_subscripts(keys, 1) AS place FROM
            (SELECT row_number() OVER () AS number, json_keys(json) AS keys FROM {lines}))
            GROUP BY key ORDER BY min(number), arg_min(place, number)""",  # noqa: S608 - no input in it
        [path],
    ).fetchall()
    names = [name for (name,) in keys]
    check_names(names)
    pointers = [terms.quote("/" + name.replace("~", "~0").replace("/", "~1")) for name in names]
    _require_flat(connection, path, lines, names, pointers)
    source = f"(SELECT json_extract_string(json, [{', '.join(pointers)}]) AS texts FROM {lines})"  # noqa: S608 - quoted
    return source, [_Column(name=name, text=f"texts[{place}]") for place, name in enumerate(names, start=1)]


def _require_flat(
    connection: duckdb.DuckDBPyConnection, path: str, lines: str, names: Sequence[str], pointers: Sequence[str]
) -> None:
    found = connection.execute(
        f"""SELECT min(number), list_position(first(nested ORDER BY number), true) FROM
            (SELECT number, list_transform(json_type(json, [{", ".join(pointers)}]),
                lambda kind: coalesce(kind IN ('OBJECT', 'ARRAY'), false)) AS nested FROM
                (SELECT row_number() OVER () AS number, json FROM {lines}))
            WHERE list_contains(nested, true)""",  # noqa: S608 - quoted
        [path],
    ).fetchall()[0]
    if found[0] is not None:
        raise refuse("format.nested", f"the value of '{names[found[1] - 1]}' is nested", line=found[0])
