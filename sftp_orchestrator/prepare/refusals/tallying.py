"""Broken rules with their places: physical lines, and what stands there, for the first rows of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.prepare.checks.columns import ImportedColumn
from sftp_orchestrator.prepare.refusals import rejecting
from sftp_orchestrator.prepare.report import SHOWN, Finding, Tally, show
from sftp_orchestrator.prepare.tables.examine import Count
from sftp_orchestrator.prepare.tables.value_table import Crowds
from sftp_orchestrator.prepare.text.lines import count_lines
from sftp_orchestrator.prepare.text.scan import Scan

_LONGEST_VALUE = 60
"""Characters of a value that are shown."""


def tally_rows(path: Path, scanned: Scan, counts: Sequence[Count], totals: Mapping[str, int]) -> list[Tally]:
    """Return the row rules that are broken; checks of one rule are one tally, ``totals`` its rows."""
    rows = _Rows(path, scanned, [number for count in counts for number in count.first])
    tallies = []
    for rule in dict.fromkeys(count.check.rule.id for count in counts):
        group = [count.check for count in counts if count.check.rule.id == rule]
        failed = [count for count in counts if count.check.rule.id == rule]
        places = sorted(
            ((number, count.check) for count in failed for number in count.first),
            key=lambda place: (place[0], place[1].describe()),
        )
        findings = tuple(
            Finding(
                rule=rule,
                message=check.describe(),
                line=rows.get_line(number),
                severity=check.severity,
                value=rows.get_value(number, check.column),
            )
            for number, check in places[:SHOWN]
        )
        tallies.append(Tally(rule=rule, severity=group[0].severity, rows=totals[rule], first=findings))
    return tallies


def tally_repeated(path: Path, scanned: Scan, total: int, first: Sequence[int]) -> Tally:
    """Return how many rows were there before, and where the first of them are."""
    rows = _Rows(path, scanned, first)
    findings = tuple(
        Finding(
            rule="row.duplicate",
            message="a row that was there before is left out",
            line=rows.get_line(number),
            severity=Severity.WARNING,
        )
        for number in first
    )
    return Tally(rule="row.duplicate", severity=Severity.WARNING, rows=total, first=findings)


def tally_crowds(
    path: Path,
    scanned: Scan,
    crowds: Crowds,
    column: ImportedColumn,
    identities: Sequence[ImportedColumn],
    *,
    rule: str,
    severity: Severity,
) -> Tally:
    """Return how many of ``identities`` get too many values in a column, and which are the first."""
    rows = _Rows(path, scanned, [crowd.first for crowd in crowds.first])
    findings = tuple(
        Finding(
            rule=rule,
            message=f"{show(column.original)}: {crowd.values:,} values are added to one identity, from this line on;"
            f" {clevertap.MAX_MULTI_VALUES} are documented",
            line=rows.get_line(crowd.first),
            severity=severity,
            value=rows.get_first_value(crowd.first, identities),
        )
        for crowd in crowds.first
    )
    return Tally(rule=rule, severity=severity, rows=crowds.identities, first=findings)


def read_values(path: Path, scanned: Scan, numbers: Sequence[int], column: ImportedColumn) -> list[str]:
    """Return what stands in a column of some rows, given by their numbers in rising order, shortened."""
    rows = _Rows(path, scanned, numbers)
    return [rows.get_value(number, column) or "" for number in numbers]


def split_record(record: bytes, delimiter: str) -> list[str]:
    """Return the cells of a record that the scan let pass. Pure."""
    (cells,) = csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter)
    return cells


class _Rows:
    """Some rows of a file, given by their numbers: where they begin, and their cells."""

    def __init__(self, path: Path, scanned: Scan, numbers: Sequence[int]) -> None:
        wanted = sorted(set(numbers))
        self._delimiter = scanned.header.delimiter
        self._records = dict(zip(wanted, rejecting.read_rows(path, scanned, wanted), strict=True))
        self._lines = count_lines(path, [offset for offset, _ in self._records.values()])

    def get_line(self, number: int) -> int:
        """Return the physical line on which a row begins."""
        return self._lines[self._records[number][0]]

    def get_value(self, number: int, column: ImportedColumn | None) -> str | None:
        """Return what stands in a column of a row, shortened; None where the rule is about the row as a whole."""
        if column is None:
            return None
        return self.get_first_value(number, [column])

    def get_first_value(self, number: int, columns: Sequence[ImportedColumn]) -> str:
        """Return what stands in the first of ``columns`` that is filled, shortened."""
        cells = split_record(self._records[number][1], self._delimiter)
        value = next((cells[column.position] for column in columns if cells[column.position]), "")
        return value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
