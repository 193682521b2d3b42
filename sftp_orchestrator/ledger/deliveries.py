"""What was delivered in sum, by feed and destination: counted with each delivery, in its transaction."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sftp_orchestrator.ledger.records import Delivered
from sftp_orchestrator.ledger.tables import DELIVERED, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_SUMS = ("sources", "bytes", "records")


class Deliveries:
    """Never falls, whatever the ledger forgets."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self) -> list[Delivered]:
        """Return the sums of every feed and destination to which anything was delivered."""
        query = sa.select(DELIVERED).order_by(DELIVERED.c.feed, DELIVERED.c.destination)
        with self._database.read() as connection:
            return [Delivered(**row) for row in connection.execute(query).mappings()]

    def list_last(self) -> dict[str, datetime.datetime]:
        """Return when each destination took a file last, by its name; without those that never did."""
        last = sa.func.max(DELIVERED.c.last_at).label("last_at")
        query = sa.select(DELIVERED.c.destination, last).group_by(DELIVERED.c.destination)
        with self._database.read() as connection:
            return {row.destination: row.last_at for row in connection.execute(query)}


def add(connection: sa.Connection, source_ids: Sequence[str], *, now: datetime.datetime) -> None:
    """Count sources that are delivered ``now``, in the caller's transaction; once for each."""
    connection.execute(_ADD[connection.dialect.name], {"sources": source_ids, "now": now})


def _make(insert: type[sqlite.Insert | postgresql.Insert]) -> sa.Insert:
    sums = (
        sa.select(
            SOURCE.c.feed,
            SOURCE.c.destination,
            sa.func.count(),
            sa.func.sum(SOURCE.c.size),
            sa.func.coalesce(sa.func.sum(SOURCE.c.records), 0),
            sa.bindparam("now", type_=DELIVERED.c.last_at.type),
        )
        .where(SOURCE.c.id.in_(sa.bindparam("sources", expanding=True)))
        .group_by(SOURCE.c.feed, SOURCE.c.destination)
        .order_by(SOURCE.c.feed, SOURCE.c.destination)
    )
    statement = insert(DELIVERED).from_select([column.name for column in DELIVERED.columns], sums)
    summed = {name: DELIVERED.c[name] + statement.excluded[name] for name in _SUMS}
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in DELIVERED.primary_key],
        set_={**summed, "last_at": statement.excluded.last_at},
    )


_ADD = {"sqlite": _make(sqlite.Insert), "postgresql": _make(postgresql.Insert)}
"""Made once: to make a statement takes as long as to run it."""
