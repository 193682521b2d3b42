"""How many values the rows of a file add to each identity: asked of DuckDB, where a screen suspects too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn
from sftp_orchestrator.prepare.report import SHOWN
from sftp_orchestrator.prepare.tables.table import Table


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The values of one identity."""

    values: int
    first: int
    """the number of the first row that adds one"""


@dataclass(frozen=True, kw_only=True)
class Crowds:
    """The identities that get too many values in one column."""

    identities: int
    first: tuple[Crowd, ...]


class ValueTable(Table):
    """A whole file, of which values can be counted."""

    def find_crowds(
        self, value: ImportedColumn, operation: ImportedColumn, identities: Sequence[ImportedColumn]
    ) -> Crowds:
        """Count the values that each identity gets, the first of ``identities`` that is filled.

        Raises:
            Refused: DuckDB reads another number of rows.
        """
        self._keep_order()
        # The same text in two columns is two users, so the column's place stands before it. DuckDB's memory runs out
        # with a million of users by their texts; by an MD5 they are spilled.
        who = ", ".join(f"'{place}' || nullif({column.sql}, '')" for place, column in enumerate(identities))
        adding = ", ".join(terms.quote(name) for name in clevertap.ADDING_OPERATIONS)
        adds = f"{operation.sql} IN ({adding}) AND {terms.is_filled(value.sql)}"
        needed = dict.fromkeys(column.sql for column in (value, operation, *identities))
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE crowd AS"  # noqa: S608 - literals are quoted, see Table
            " SELECT who, count(*) AS added, min(number) AS number, grouping(who) AS is_whole FROM"
            f" (SELECT number, CASE WHEN {adds} THEN md5_number(coalesce({who})) END AS who"
            f" FROM {self._number_rows(needed)})"
            " GROUP BY GROUPING SETS ((who), ())"
            f" HAVING grouping(who) = 1 OR (who IS NOT NULL AND count(*) > {clevertap.MAX_MULTI_VALUES})",
            [str(self._path)],
        )
        read, identities_found = self._connection.execute(
            "SELECT max(added) FILTER (is_whole = 1), count(*) FILTER (is_whole = 0) FROM crowd"
        ).fetchall()[0]
        self._require_rows(read)
        found = self._connection.execute(
            f"SELECT added, number FROM crowd WHERE is_whole = 0 ORDER BY number LIMIT {SHOWN}"  # noqa: S608 - a number of ours
        ).fetchall()
        first = tuple(Crowd(values=added, first=number) for added, number in found)
        return Crowds(identities=identities_found, first=first)
