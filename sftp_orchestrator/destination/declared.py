"""What a data file and its manifest tell the receiver of properties: their names, and types that are for ever."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType

_NOT_PROPERTIES = frozenset({*clevertap.IDENTITIES, clevertap.EVENT_NAME, clevertap.TIME})
"""They say who, what and when."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One property that a data file declares."""

    name: str
    type: DataType
    date_format: str | None
    """of a DATE: no part of its type, every format becomes the same date"""
    column: str
    """the header that becomes it"""


def read_declared(manifest: bytes, header_bytes: bytes) -> tuple[Declared, ...]:
    """Return the properties that a data file with this header and this manifest declares, in its order. Pure.

    A header that the manifest does not list is imported under its own name, as STRING (CleverTap, *Imports via SFTP*).
    Columns of operations are no properties, nor are names longer than the receiver takes.
    """
    columns = json.loads(manifest).get("columns", {})
    found: dict[str, Declared] = {}
    for declared in _list_all(columns, header_bytes):
        if declared.name not in _NOT_PROPERTIES and len(declared.name) <= clevertap.MAX_PROPERTY_NAME_CHARACTERS:
            found.setdefault(declared.name, declared)
    return tuple(found.values())


def _list_all(columns: Mapping[str, Mapping[str, str]], header_bytes: bytes) -> Iterator[Declared]:
    rows = csv.reader(io.StringIO(header_bytes.decode("utf-8"), newline=""), strict=True)
    for header in next(rows, []):
        column = columns.get(header)
        if column is None and header.endswith(clevertap.OPERATION_SUFFIX):
            continue
        values = column or {}
        yield Declared(
            name=values.get("ctName", header),
            type=DataType(values.get("dataType", DataType.STRING)),
            date_format=values.get("dateFormat"),
            column=header,
        )
