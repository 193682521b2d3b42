"""What the ledger remembers no more: sources at their end, with parts and history, runs and ticks, past their time.

What the promise needs is kept: the register of properties and the sources that it names, leftovers that are still to
be removed, what took the place of a quarantined source, the newest tick of a schedule, and every counter. Remote names
need no memory: a random id and the time make each unique.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.ledger.tables import (
    FORGOTTEN,
    HISTORY,
    LEFTOVER,
    PART,
    PROPERTY,
    ROWS_GIVEN_UP,
    RUN,
    SOURCE,
    TICK,
)
from sftp_orchestrator.ledger.transactions import Transactions

_AT_ONCE = 500
"""Sources forgotten in one transaction: nobody waits longer for the ledger than for a few hundred moves."""
_AT_AN_END = (SourceState.ARCHIVED.value, SourceState.DISCARDED.value)
_REPLACED = SOURCE.alias("replaced")
_NEWER = TICK.alias("newer")
_SUMS = ("sources", "refused_rows", "duplicate_rows")


class Forgetting:
    """The one place where rows of sources, parts and history are removed. Each call may be repeated."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def forget_sources(
        self, *, before: datetime.datetime, besides: Collection[str], stopped: Callable[[], bool] = lambda: False
    ) -> int:
        """Forget what was archived or discarded before then, but for the ids ``besides``; return how many sources.

        Where its refused rows were given up, that must have been before then, too.

        In small transactions, between which ``stopped`` is asked; SQLite uses the room in its file again, and does not
        make the file smaller: that would take a copy of all of it, on a disk that may be short.
        """
        forgotten, last = 0, 0
        while not stopped():
            found = self._list(before, after=last)
            if not found:
                break
            last = found[-1].number
            forgotten += self._remove([row.id for row in found if row.id not in besides])
        return forgotten

    def forget_runs(self, *, before: datetime.datetime) -> None:
        """Forget runs and ticks of before then, but for the newest."""
        newest = sa.select(sa.func.max(RUN.c.number)).scalar_subquery()
        is_newest = ~sa.exists().where(_NEWER.c.schedule == TICK.c.schedule, _NEWER.c.due_at > TICK.c.due_at)
        with failpoints.around("ledger.forget_runs"), self._database.write() as connection:
            connection.execute(sa.delete(RUN).where(RUN.c.started_at < before, RUN.c.number != newest))
            connection.execute(sa.delete(TICK).where(TICK.c.due_at < before, ~is_newest))

    def _list(self, before: datetime.datetime, *, after: int) -> Sequence[sa.Row[Any, Any]]:
        """Return the next sources that may be forgotten, by number."""
        query = sa.select(SOURCE.c.number, SOURCE.c.id).where(
            SOURCE.c.number > after,
            # Not by the index on states: it would have all that may be forgotten put in order for each few hundred.
            sa.func.coalesce(SOURCE.c.state, "").in_(_AT_AN_END),
            SOURCE.c.changed_at < before,
            ~sa.exists().where(PROPERTY.c.source_id == SOURCE.c.id),
            ~sa.exists().where(LEFTOVER.c.source_id == SOURCE.c.id),
            # Given up long after their file was archived, they end later than it.
            ~sa.exists().where(ROWS_GIVEN_UP.c.source_id == SOURCE.c.id, ROWS_GIVEN_UP.c.at >= before),
            # It took the place of quarantined profiles: without it, events would wait for these again.
            ~sa.exists().where(
                _REPLACED.c.state == SourceState.QUARANTINED.value,
                _REPLACED.c.relative_path == SOURCE.c.relative_path,
                _REPLACED.c.number < SOURCE.c.number,
            ),
        )
        with self._database.read() as connection:
            return connection.execute(query.order_by(SOURCE.c.number).limit(_AT_ONCE)).all()

    def _remove(self, source_ids: Sequence[str]) -> int:
        """Remove sources with all that refers to them; return how many were still there."""
        if not source_ids:
            return 0
        removed = sa.delete(SOURCE).where(SOURCE.c.id.in_(source_ids))
        counted = removed.returning(SOURCE.c.feed, SOURCE.c.state, SOURCE.c.refused_rows, SOURCE.c.duplicate_rows)
        with failpoints.around("ledger.forget_sources"), self._database.write() as connection:
            for table in (PART, HISTORY, ROWS_GIVEN_UP):
                connection.execute(sa.delete(table).where(table.c.source_id.in_(source_ids)))
            # Only what was removed by us counts: another host may be at it, too.
            rows = connection.execute(counted).all()
            _add(connection, rows)
        return len(rows)


def count_sources(connection: sa.Connection) -> dict[str, int]:
    """Return how many sources were forgotten, by the state that they were in."""
    query = sa.select(FORGOTTEN.c.state, sa.func.sum(FORGOTTEN.c.sources)).group_by(FORGOTTEN.c.state)
    return {state: int(count) for state, count in connection.execute(query)}


def _add(connection: sa.Connection, rows: Sequence[sa.Row[Any, Any, Any, Any]]) -> None:
    """Add to the sums what these sources counted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for key in sorted({(row.feed, row.state) for row in rows}):
        same = [row for row in rows if (row.feed, row.state) == key]
        statement = insert(FORGOTTEN).values(
            feed=key[0],
            state=key[1],
            sources=len(same),
            refused_rows=sum(row.refused_rows for row in same),
            duplicate_rows=sum(row.duplicate_rows for row in same),
        )
        summed = {name: FORGOTTEN.c[name] + statement.excluded[name] for name in _SUMS}
        names = [column.name for column in FORGOTTEN.primary_key]
        connection.execute(statement.on_conflict_do_update(index_elements=names, set_=summed))
