"""Runs that a person asked for: noted by any process, and answered by the daemon, which looks every few seconds."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.moves import Clock
from sftp_orchestrator.ledger.records import RunRequest
from sftp_orchestrator.ledger.tables import RUN_REQUEST
from sftp_orchestrator.ledger.transactions import Transactions

STALE_REQUEST = datetime.timedelta(hours=1)
"""What a person asked for so long before a daemon began is not wanted any more: nobody expects a run of it."""


class RunRequests:
    """What is asked for and not answered yet: a row is gone once its run has ended."""

    def __init__(self, database: Transactions, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def ask(self, destination: str, feed: str | None, *, by: str) -> None:
        """Note that a person wants what waits for a destination, or its files of one feed, delivered now."""
        with failpoints.around("ledger.ask_run"), self._database.write() as connection:
            connection.execute(
                sa.insert(RUN_REQUEST).values(destination=destination, feed=feed, asked_at=self._clock(), by=by)
            )

    def list_open(self, destination: str, *, since: datetime.datetime) -> list[RunRequest]:
        """Return what was asked for a destination ``since`` then and is not answered, the first one first."""
        query = (
            sa.select(RUN_REQUEST)
            .where(RUN_REQUEST.c.destination == destination, RUN_REQUEST.c.asked_at >= since)
            .order_by(RUN_REQUEST.c.number)
        )
        with self._database.read() as connection:
            return [RunRequest(**row) for row in connection.execute(query).mappings()]

    def answer(self, destination: str, number: int) -> None:
        """Note that what was asked for a destination up to this number is answered; may be repeated."""
        with failpoints.around("ledger.answer_run"), self._database.write() as connection:
            connection.execute(
                sa.delete(RUN_REQUEST).where(RUN_REQUEST.c.destination == destination, RUN_REQUEST.c.number <= number)
            )
