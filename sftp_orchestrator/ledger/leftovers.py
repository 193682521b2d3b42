"""Data that may lie at a receiver and will never have a manifest, since its source was planned anew."""

from __future__ import annotations

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.records import Leftover
from sftp_orchestrator.ledger.states import PartState
from sftp_orchestrator.ledger.tables import LEFTOVER, PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_SENT = (PartState.READY.value, PartState.UPLOADED.value)
"""Bytes of such a part may be at the receiver; its manifest is not."""


class Leftovers:
    """What is to be removed at receivers, best effort: nobody acts on data without a manifest."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_of(self, destination: str) -> list[Leftover]:
        """Return what may lie at ``destination``, by name."""
        query = sa.select(LEFTOVER).where(LEFTOVER.c.destination == destination).order_by(LEFTOVER.c.data_name)
        with self._database.read() as connection:
            return [Leftover(**row) for row in connection.execute(query).mappings()]

    def forget(self, leftover: Leftover) -> None:
        """Note that it is gone, or will not be. May be repeated."""
        with failpoints.around("ledger.forget_leftover"), self._database.write() as connection:
            connection.execute(sa.delete(LEFTOVER).where(LEFTOVER.c.data_name == leftover.data_name))


def forget_parts(connection: sa.Connection, source_id: str) -> None:
    """Forget the parts of a source of which no manifest has left, and note what of their data is left behind."""
    sent = (
        sa.select(PART.c.data_name, SOURCE.c.destination, PART.c.source_id)
        .join(SOURCE, SOURCE.c.id == PART.c.source_id)
        .where(PART.c.source_id == source_id, PART.c.state.in_(_SENT))
    )
    connection.execute(sa.insert(LEFTOVER).from_select(["data_name", "destination", "source_id"], sent))
    connection.execute(sa.delete(PART).where(PART.c.source_id == source_id))
