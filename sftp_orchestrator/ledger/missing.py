"""Deadlines by which no file of a feed had come, and what came after all: noted once, whoever restarts."""

from __future__ import annotations

import datetime
from collections.abc import Collection

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.moves import Clock
from sftp_orchestrator.ledger.records import MissingFile, Source, to_source
from sftp_orchestrator.ledger.tables import MISSING_FILE, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions


class MissingFiles:
    """At most one row a deadline of a feed; none is ever removed, so that their number never falls."""

    def __init__(self, database: Transactions, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, feed: str, due_at: datetime.datetime) -> MissingFile:
        """Note that no file of ``feed`` had come by then; return what is noted of it. May be repeated."""
        found = MissingFile(feed=feed, due_at=due_at, noticed_at=self._clock())
        same = (MISSING_FILE.c.feed == feed, MISSING_FILE.c.due_at == due_at)
        with failpoints.around("ledger.note_missing_file"), self._database.write() as connection:
            row = connection.execute(sa.select(MISSING_FILE).where(*same)).mappings().first()
            if row is not None:
                return MissingFile(**row)
            connection.execute(sa.insert(MISSING_FILE).values(vars(found)))
        return found

    def note_arrival(self, source: Source) -> None:
        """Note that ``source`` came for all deadlines of its feed for which nothing had; may be repeated."""
        with failpoints.around("ledger.note_arrival"), self._database.write() as connection:
            connection.execute(
                sa.update(MISSING_FILE)
                .where(MISSING_FILE.c.feed == source.feed, MISSING_FILE.c.arrived_at.is_(None))
                .values(arrived_at=source.claimed_at, source_id=source.id)
            )

    def list_open(self) -> list[MissingFile]:
        """Return those for which nothing came so far, by feed, the oldest first."""
        query = (
            sa.select(MISSING_FILE)
            .where(MISSING_FILE.c.arrived_at.is_(None))
            .order_by(MISSING_FILE.c.feed, MISSING_FILE.c.due_at)
        )
        with self._database.read() as connection:
            return [MissingFile(**row) for row in connection.execute(query).mappings()]

    def find_arrival(self, feed: str) -> str | None:
        """Return the id of the file of ``feed`` that came late for the last deadline of any; None where none did."""
        query = (
            sa.select(MISSING_FILE.c.source_id)
            .where(MISSING_FILE.c.feed == feed, MISSING_FILE.c.arrived_at.is_not(None))
            .order_by(MISSING_FILE.c.due_at.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            found: str | None = connection.scalar(query)
        return found

    def count(self) -> dict[str, int]:
        """Return how many there ever were, by feed; without feeds of which there was none."""
        query = sa.select(MISSING_FILE.c.feed, sa.func.count()).group_by(MISSING_FILE.c.feed)
        with self._database.read() as connection:
            return {feed: int(count) for feed, count in connection.execute(query)}

    def find_file(
        self,
        feed: str,
        destinations: Collection[str],
        *,
        after: datetime.datetime,
        until: datetime.datetime | None = None,
    ) -> Source | None:
        """Return the first file of ``feed`` that was claimed ``after`` then; None where none was.

        Without those that came late for an earlier deadline: each of these counts for that. ``destinations`` are those
        that it may go to, for whose sake not all that was ever claimed is read.
        """
        late = sa.select(MISSING_FILE.c.source_id).where(
            MISSING_FILE.c.feed == feed, MISSING_FILE.c.source_id.is_not(None)
        )
        query = sa.select(SOURCE).where(
            SOURCE.c.feed == feed,
            SOURCE.c.destination.in_(destinations),
            SOURCE.c.claimed_at > after,
            SOURCE.c.id.not_in(late),
        )
        if until is not None:
            query = query.where(SOURCE.c.claimed_at <= until)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(SOURCE.c.claimed_at, SOURCE.c.number).limit(1)).mappings().first()
        return to_source(dict(row)) if row is not None else None
