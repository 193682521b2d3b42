"""Runs and ticks in the ledger: when deliveries started, and how they ended."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger import moves
from sftp_orchestrator.ledger.records import Run
from sftp_orchestrator.ledger.tables import RUN, TICK, UNFINISHED
from sftp_orchestrator.ledger.transactions import Transactions


class Runs:
    """Delivery passes and the cron ticks that start them."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        self._database = database
        self._clock = clock

    def start(self, trigger: str, *, destination: str | None = None) -> int:
        """Note that a run starts, to ``destination`` where it is one; return its number."""
        with failpoints.around("ledger.start_run"), self._database.write() as connection:
            added = connection.execute(
                sa.insert(RUN)
                .values(trigger=trigger, started_at=self._clock(), destination=destination)
                .returning(RUN.c.number)
            )
            return int(added.scalar_one())

    def finish(self, number: int, *, verdict: str, delivered: int, not_delivered: int) -> None:
        """Note how a run ended."""
        with failpoints.around("ledger.finish_run"), self._database.write() as connection:
            connection.execute(
                sa.update(RUN)
                .where(RUN.c.number == number)
                .values(
                    finished_at=self._clock(),
                    verdict=verdict,
                    delivered=delivered,
                    not_delivered=not_delivered,
                )
            )

    def list_last(self, limit: int) -> list[Run]:
        """Return the last runs, the newest first."""
        query = sa.select(RUN).order_by(RUN.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return [Run(**row) for row in connection.execute(query).mappings()]

    def list_unfinished(self, *, since: datetime.datetime) -> list[Run]:
        """Return the runs that began ``since`` then and have no end yet, the newest first."""
        query = sa.select(RUN).where(UNFINISHED, RUN.c.started_at >= since)
        with self._database.read() as connection:
            # Put in order here: for the order of numbers the database would read every run.
            found = [Run(**row) for row in connection.execute(query).mappings()]
        return sorted(found, key=lambda run: run.number, reverse=True)

    def take_tick(self, schedule: str, due_at: datetime.datetime) -> bool:
        """Take a cron tick; False where it was taken before. The key of its row decides, not a look beforehand."""
        try:
            with failpoints.around("ledger.take_tick"), self._database.write() as connection:
                connection.execute(sa.insert(TICK).values(schedule=schedule, due_at=due_at, taken_at=self._clock()))
        except sa.exc.IntegrityError:
            return False
        return True

    def forget_ticks(self, schedule: str, *, after: datetime.datetime) -> int:
        """Forget the ticks of ``schedule`` that were due ``after`` then; return how many. May be repeated."""
        with failpoints.around("ledger.forget_ticks"), self._database.write() as connection:
            return connection.execute(
                sa.delete(TICK).where(TICK.c.schedule == schedule, TICK.c.due_at > after)
            ).rowcount

    def get_last_tick(self, schedule: str) -> datetime.datetime | None:
        """Return when the newest tick of ``schedule`` that was taken was due."""
        with self._database.read() as connection:
            return connection.scalar(
                sa.select(TICK.c.due_at).where(TICK.c.schedule == schedule).order_by(TICK.c.due_at.desc()).limit(1)
            )
