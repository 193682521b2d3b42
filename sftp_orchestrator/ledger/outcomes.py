"""What became of sources: read for people, metrics and the order of delivery; nothing here changes a row."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import NONE_LEFT_OUT, RowsLeftOut, Source, to_source
from sftp_orchestrator.ledger.states import SOURCE_DONE, SourceState
from sftp_orchestrator.ledger.tables import FORGOTTEN, HISTORY, ROWS_LEFT_OUT, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_DONE = [state.value for state in SOURCE_DONE]


class Outcomes:
    """Every question costs no more than its answer: neither reads all that was ever delivered."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_with_refused_rows(self, *, since: datetime.datetime) -> list[Source]:
        """Return the archived sources of which rows were refused, put away ``since`` then, in that order."""
        # By the index's own order: for that of arrival SQLite would read all of the table.
        found = self._select(sa.and_(ROWS_LEFT_OUT, SOURCE.c.changed_at >= since), by=SOURCE.c.changed_at)
        return [source for source in found if source.state is SourceState.ARCHIVED and source.refused_rows]

    def count_rows_left_out(self) -> dict[str, RowsLeftOut]:
        """Return how many rows of delivered sources were not sent, by feed; without feeds of which all were.

        A delivered source stays as it is, or is forgotten and counts on: these numbers only ever rise.
        """
        columns = (SOURCE.c.feed, SOURCE.c.state)
        sums = (sa.func.sum(SOURCE.c.refused_rows), sa.func.sum(SOURCE.c.duplicate_rows))
        known = sa.select(*columns, *sums).where(ROWS_LEFT_OUT).group_by(*columns)
        forgotten = sa.select(*(FORGOTTEN.c[name] for name in ("feed", "state", "refused_rows", "duplicate_rows")))
        counts: dict[str, RowsLeftOut] = {}
        with self._database.read() as connection:
            # States are told apart here: asked for one, the database would read every source in it.
            for feed, state, refused, duplicates in (*connection.execute(known), *connection.execute(forgotten)):
                if state in _DONE and (refused or duplicates):
                    before = counts.get(feed, NONE_LEFT_OUT)
                    counts[feed] = RowsLeftOut(
                        refused=before.refused + int(refused), duplicates=before.duplicates + int(duplicates)
                    )
        return counts

    def list_delivered_later(self, profiles: Collection[Source]) -> list[Source]:
        """Return what was claimed after the first of ``profiles``, dropped under the path of any, and is delivered."""
        if not profiles:
            return []
        return self._select(
            SOURCE.c.number > min(source.number for source in profiles),
            SOURCE.c.state.in_(_DONE),
            SOURCE.c.type == FeedType.PROFILE.value,
            SOURCE.c.relative_path.in_({source.relative_path for source in profiles}),
        )

    def find_last_delivery(self) -> tuple[Source, datetime.datetime] | None:
        """Return what was delivered last, and when; None where nothing was."""
        query = (
            sa.select(HISTORY.c.source_id, HISTORY.c.at)
            .where(HISTORY.c.after == SourceState.DELIVERED.value, HISTORY.c.part.is_(None))
            .order_by(HISTORY.c.number.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            last = connection.execute(query).first()
        return (self._select(SOURCE.c.id == last.source_id)[0], last.at) if last is not None else None

    def _select(self, *where: sa.ColumnElement[bool], by: sa.Column[Any] = SOURCE.c.number) -> list[Source]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(SOURCE).where(*where).order_by(by)).mappings()
            return [to_source(dict(row)) for row in rows]
