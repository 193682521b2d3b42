"""The second look: which of the rows that a screen stopped break which rules.

Rows have the numbers that they have in their file: from 1, without the header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.checks.row_checks import Check
from sftp_orchestrator.prepare.report import SHOWN

_BITS = 60
"""Checks in one integer."""
_FETCHED_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class Count:
    """How often a check failed."""

    check: Check
    rows: int
    first: tuple[int, ...]
    """the numbers of the first such rows"""


@dataclass(frozen=True, kw_only=True)
class BrokenRow:
    """A row that breaks at least one rule that is an error."""

    number: int
    checks: tuple[Check, ...]
    """the errors alone"""


class Examination:
    """Rows with the checks that they fail, in a table that spills to disk; valid as long as its connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> None:
        self._connection = connection
        self._checks = tuple(checks)
        self._bits = [_make_bits(self._checks[start : start + _BITS]) for start in range(0, len(checks), _BITS)]
        columns = ", ".join(["number BIGINT", *(f"b{number} BIGINT" for number in range(len(self._bits)))])
        connection.execute(f"CREATE TEMP TABLE broken ({columns})")

    def add(self, source: str, path: str) -> int:
        """Add the rows of ``source``, SQL with its ``path`` as parameter; return how many there were.

        Of the file no more columns are read than the checks need.
        """
        columns = ", ".join(["number", *self._bits])
        added = self._connection.execute(
            f"INSERT INTO broken SELECT {columns} FROM {source}",  # noqa: S608 - no input in it
            [path],
        ).fetchall()
        return int(added[0][0])

    def count(self) -> list[Count]:
        """Return each check that failed, with how often and where first, in the order of the checks."""
        counts = []
        for place, check in enumerate(self._checks):
            failed = _has_bit(place)
            found = self._connection.execute(
                f"SELECT count(*), min(number, {SHOWN}) FROM broken WHERE {failed}"  # noqa: S608 - no input in it
            ).fetchall()[0]
            if found[0]:
                counts.append(Count(check=check, rows=int(found[0]), first=tuple(found[1])))
        return counts

    def count_by_rule(self) -> dict[str, int]:
        """Return how many rows break each rule; in several columns at once counts once."""
        places: dict[str, list[str]] = {}
        for place, check in enumerate(self._checks):
            places.setdefault(check.rule.id, []).append(_has_bit(place))
        counted = ", ".join(f"count(*) FILTER ({terms.any_of(bits)})" for bits in places.values())
        found = self._connection.execute(f"SELECT {counted} FROM broken").fetchall()[0]  # noqa: S608 - no input in it
        return {rule: int(rows) for rule, rows in zip(places, found, strict=True)}

    def count_refused(self) -> int:
        """Return how many rows break a rule that is an error."""
        found = self._connection.execute(
            f"SELECT count(*) FROM broken WHERE {self._is_error()}"  # noqa: S608 - no input in it
        ).fetchall()
        return int(found[0][0])

    def list_refused(self) -> Iterator[BrokenRow]:
        """Yield the rows that break a rule that is an error, in the file's order; a bounded number in memory."""
        cursor = self._connection.execute(
            f"SELECT * FROM broken WHERE {self._is_error()} ORDER BY number"  # noqa: S608 - no input in it
        )
        # Of many rows most break the same rules.
        known: dict[tuple[int, ...], tuple[Check, ...]] = {}
        while rows := cursor.fetchmany(_FETCHED_ROWS):
            for number, *bits in rows:
                key = tuple(bits)
                if key not in known:
                    known[key] = self._list_errors(key)
                yield BrokenRow(number=number, checks=known[key])

    def _list_errors(self, bits: Sequence[int]) -> tuple[Check, ...]:
        return tuple(
            check
            for place, check in enumerate(self._checks)
            if check.severity is Severity.ERROR and bits[place // _BITS] >> (place % _BITS) & 1
        )

    @property
    def condition(self) -> str:
        """SQL for later statements of the same connection: whether the row of this ``number`` is refused."""
        return f"number IN (SELECT number FROM broken WHERE {self._is_error()})"  # noqa: S608 - no input in it

    def _is_error(self) -> str:
        errors = [_has_bit(place) for place, check in enumerate(self._checks) if check.severity is Severity.ERROR]
        return terms.any_of(errors) if errors else "false"


def _make_bits(checks: Sequence[Check]) -> str:
    return " + ".join(
        f"CASE WHEN {check.broken} THEN {1 << place}::BIGINT ELSE 0 END" for place, check in enumerate(checks)
    )


def _has_bit(place: int) -> str:
    return f"(b{place // _BITS} & {1 << (place % _BITS)}::BIGINT) <> 0"
