"""What became of sources: read for people, metrics and the order of delivery; nothing here changes a row."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.records import NONE_LEFT_OUT, Hour, RowsLeftOut, Source, to_source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_DONE, SOURCE_OPEN, PartState, SourceState
from sftp_orchestrator.ledger.tables import FORGOTTEN, HISTORY, OUTCOME, PART, ROWS_GIVEN_UP, ROWS_LEFT_OUT, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_DONE = [state.value for state in SOURCE_DONE]
_WAITING = [state.value for state in SOURCE_OPEN | {SourceState.DELIVERED}]
_ASIDE = [state.value for state in SOURCE_ASIDE]
HOURS = 24
"""Of one day: told apart by their number on the clock, in UTC, which has no other hours."""


class Outcomes:
    """Every question costs no more than its answer: neither reads all that was ever delivered."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_with_refused_rows(self, *, since: datetime.datetime) -> list[Source]:
        """Return the archived sources of which rows were refused, put away ``since`` then, in that order.

        Without those whose refused rows were given up.
        """
        # By the index's own order: for that of arrival SQLite would read all of the table.
        is_given_up = sa.exists().where(ROWS_GIVEN_UP.c.source_id == SOURCE.c.id)
        where = sa.and_(ROWS_LEFT_OUT, SOURCE.c.changed_at >= since, ~is_given_up)
        found = self._select(where, by=SOURCE.c.changed_at)
        return [source for source in found if source.state is SourceState.ARCHIVED and source.refused_rows]

    def count_rows_left_out(self) -> dict[str, RowsLeftOut]:
        """Return how many rows of delivered sources were not sent, by feed; without feeds of which all were.

        A delivered source stays as it is, or is forgotten and counts on: these numbers only ever rise.
        """
        # Not by the bare column: for its order the database would go through an index of all sources.
        columns = (sa.func.coalesce(SOURCE.c.feed, ""), SOURCE.c.state)
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

    def count_uncertain(self) -> int:
        """Return how many parts wait for a word, of sources that are not done."""
        query = (
            sa.select(sa.func.count())
            .select_from(PART.join(SOURCE, SOURCE.c.id == PART.c.source_id))
            .where(PART.c.state == PartState.UNCERTAIN.value, SOURCE.c.state.in_(_WAITING))
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def find_oldest_waiting(self) -> datetime.datetime | None:
        """Return when the first was claimed of the sources that are not done; None where all are."""
        query = sa.select(sa.func.min(SOURCE.c.claimed_at)).where(SOURCE.c.state.in_(_WAITING))
        with self._database.read() as connection:
            found: datetime.datetime | None = connection.execute(query).scalar_one()
        return found

    def list_delivered_later(self, profiles: Collection[Source]) -> list[Source]:
        """Return what was claimed after the first of ``profiles``, dropped under the path of any, and is delivered."""
        if not profiles:
            return []
        found = self._select(
            SOURCE.c.number > min(source.number for source in profiles),
            SOURCE.c.type == FeedType.PROFILE.value,
            SOURCE.c.relative_path.in_({source.relative_path for source in profiles}),
        )
        # As above.
        return [source for source in found if source.state in SOURCE_DONE]

    def list_replaced(self) -> list[Source]:
        """Return the quarantined profile sources after which one of the same path was delivered: there are few."""
        later = SOURCE.alias("later")
        is_replaced = sa.exists().where(
            later.c.relative_path == SOURCE.c.relative_path, later.c.number > SOURCE.c.number, later.c.state.in_(_DONE)
        )
        return self._select(
            SOURCE.c.state == SourceState.QUARANTINED.value, SOURCE.c.type == FeedType.PROFILE.value, is_replaced
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

    def list_hours(self, now: datetime.datetime) -> list[Hour]:
        """Return what became of files in the hour of ``now`` and the 23 before, the oldest first, by UTC's clock.

        What the ledger has forgotten since is not in it. Costs what happened in that time, by indexes alone.
        """
        since = now.astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)
        since -= datetime.timedelta(hours=HOURS - 1)
        moves, sizes = self._count_moves(since), self._sum_sizes(since)
        begins = [since + datetime.timedelta(hours=number) for number in range(HOURS)]
        return [
            Hour(
                begin=begin,
                delivered=moves.get((begin.hour, SourceState.DELIVERED.value), 0),
                delivered_bytes=sizes.get(begin.hour, 0),
                set_aside=sum(
                    count for (hour, after), count in moves.items() if hour == begin.hour and after in _ASIDE
                ),
            )
            for begin in begins
        ]

    def count_delivered(self, *, since: datetime.datetime) -> int:
        """Return how many files were delivered ``since`` then; each counts as often as it was."""
        query = sa.select(sa.func.count()).where(
            OUTCOME, HISTORY.c.at >= since, HISTORY.c.after == SourceState.DELIVERED.value
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def _count_moves(self, since: datetime.datetime) -> dict[tuple[int, str], int]:
        hour = sa.extract("hour", HISTORY.c.at)
        query = (
            sa.select(hour, HISTORY.c.after, sa.func.count())
            .where(OUTCOME, HISTORY.c.at >= since, HISTORY.c.at < since + datetime.timedelta(hours=HOURS))
            .group_by(hour, HISTORY.c.after)
        )
        with self._database.read() as connection:
            return {(int(number), after): count for number, after, count in connection.execute(query)}

    def _sum_sizes(self, since: datetime.datetime) -> dict[int, int]:
        hour, at = sa.extract("hour", PART.c.delivered_at), PART.c.delivered_at
        query = (
            sa.select(hour, sa.func.sum(PART.c.size))
            .where(at >= since, at < since + datetime.timedelta(hours=HOURS))
            .group_by(hour)
        )
        with self._database.read() as connection:
            return {int(number): int(size or 0) for number, size in connection.execute(query)}

    def _select(self, *where: sa.ColumnElement[bool], by: sa.Column[Any] = SOURCE.c.number) -> list[Source]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(SOURCE).where(*where).order_by(by)).mappings()
            return [to_source(dict(row)) for row in rows]
