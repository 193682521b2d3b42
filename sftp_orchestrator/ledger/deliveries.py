"""What was delivered in sum, by feed and destination: counted with each delivery, in its transaction."""

from __future__ import annotations

import datetime

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


def add(connection: sa.Connection, source_id: str, *, now: datetime.datetime) -> None:
    """Count a source that is delivered ``now``, in the caller's transaction; once for each."""
    connection.execute(_ADD[connection.dialect.name], {"source": source_id, "now": now})


def _make(insert: type[sqlite.Insert | postgresql.Insert]) -> sa.Insert:
    one = sa.select(
        SOURCE.c.feed,
        SOURCE.c.destination,
        sa.literal(1),
        SOURCE.c.size,
        sa.func.coalesce(SOURCE.c.records, 0),
        sa.bindparam("now", type_=DELIVERED.c.last_at.type),
    ).where(SOURCE.c.id == sa.bindparam("source"))
    statement = insert(DELIVERED).from_select([column.name for column in DELIVERED.columns], one)
    summed = {name: DELIVERED.c[name] + statement.excluded[name] for name in _SUMS}
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in DELIVERED.primary_key],
        set_={**summed, "last_at": statement.excluded.last_at},
    )


_ADD = {"sqlite": _make(sqlite.Insert), "postgresql": _make(postgresql.Insert)}
"""Made once: to make a statement takes as long as to run it."""
