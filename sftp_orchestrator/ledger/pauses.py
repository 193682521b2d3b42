"""Which destinations are left alone, and until when: in the ledger, so that a restart does not shorten it."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Pause
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY
from sftp_orchestrator.ledger.tables import PAUSE, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions


class Pauses:
    """At most one pause a destination; none where its last run went through."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self) -> list[Pause]:
        """Return every pause, also those that are over and wait for the next run, by destination."""
        query = sa.select(PAUSE).order_by(PAUSE.c.destination)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [Pause(**{**row, "kind": PauseKind(row["kind"])}) for row in rows]

    def note(self, pause: Pause) -> None:
        """Note a pause in the place of the one before. May be repeated."""
        with failpoints.around("ledger.note_pause"), self._database.write() as connection:
            connection.execute(sa.delete(PAUSE).where(PAUSE.c.destination == pause.destination))
            connection.execute(sa.insert(PAUSE).values({**vars(pause), "kind": pause.kind.value}))

    def forget(self, destination: str) -> None:
        """Note that the last run went through. May be repeated."""
        with failpoints.around("ledger.forget_pause"), self._database.write() as connection:
            connection.execute(sa.delete(PAUSE).where(PAUSE.c.destination == destination))

    def cut_short(self, pause: Pause, now: datetime.datetime) -> None:
        """Have what waits for the end of ``pause`` tried ``now``, and forget the failures. May be repeated."""
        with failpoints.around("ledger.cut_pause_short"), self._database.write() as connection:
            connection.execute(sa.delete(PAUSE).where(PAUSE.c.destination == pause.destination))
            connection.execute(
                sa.update(SOURCE)
                .where(
                    SOURCE.c.destination == pause.destination,
                    SOURCE.c.retry_at == pause.until,
                    SOURCE.c.state.in_([state.value for state in SOURCE_ON_ITS_WAY]),
                )
                .values(retry_at=now)
            )
