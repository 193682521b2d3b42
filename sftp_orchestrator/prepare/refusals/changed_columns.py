"""Columns in which nearly every cell is of another type than the feed says: what they look like instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sftp_orchestrator import units
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.prepare.checks import type_forms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn
from sftp_orchestrator.prepare.checks.row_checks import TYPE_RULES
from sftp_orchestrator.prepare.refusals import tallying
from sftp_orchestrator.prepare.report import ChangedColumn, show
from sftp_orchestrator.prepare.tables.examine import Count
from sftp_orchestrator.prepare.text.scan import Scan

_NEARLY_ALL = 0.9
"""Of the rows: fewer are bad rows, and no other type."""


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A type that cells can look like."""

    type: DataType
    date_format: str | None = None

    @property
    def shown(self) -> str:
        return f"{self.type} {self.date_format}" if self.date_format is not None else self.type.value


_FORMS = (
    *(_Form(type=type_) for type_ in (DataType.INTEGER, DataType.LONG, DataType.FLOAT, DataType.BOOLEAN)),
    *(_Form(type=DataType.DATE, date_format=one) for one in clevertap.DATE_FORMATS if one != type_forms.UNIX),
)
"""The narrowest first; what fits none is a STRING."""


def find_changed(path: Path, scanned: Scan, counts: Sequence[Count]) -> list[ChangedColumn]:
    """Return the columns of a file whose cells nearly all break the rule for their type; may be repeated."""
    found = []
    for count in counts:
        column = count.check.column
        is_of_type = count.check.rule.id in TYPE_RULES.values() and column is not None
        if is_of_type and column is not None and count.rows >= _NEARLY_ALL * scanned.records:
            values = tallying.read_values(path, scanned, count.first, column)
            found.append(_describe(column, values, rows=count.rows, of=scanned.records))
    return found


def _describe(column: ImportedColumn, values: Sequence[str], *, rows: int, of: int) -> ChangedColumn:
    looks = guess(values)
    cells = "all cells" if rows == of else "nearly all cells"
    return ChangedColumn(
        property_name=column.property_name,
        type=column.type,
        said=f"{cells} of column '{show(column.original)}' ({units.format_count(rows)} of {units.format_count(of)})"
        f" are no {column.type}, and look like {looks}",
    )


def guess(values: Sequence[str]) -> str:
    """Return the narrowest type that all ``values`` are of, for people."""
    with duckdb.connect() as connection:
        for form in _FORMS:
            fits = type_forms.is_of_type("cell", form.type, form.date_format)
            query = f"SELECT bool_and({fits}) FROM (SELECT unnest(?) AS cell)"  # noqa: S608 - values are a parameter
            if connection.execute(query, [list(values)]).fetchall()[0][0]:
                return form.shown
    return DataType.STRING.value
