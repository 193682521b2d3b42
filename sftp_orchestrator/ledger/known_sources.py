"""What the ledger knows of sources: every question that is asked about them."""

from __future__ import annotations

import dataclasses
import datetime
from array import array
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger import decisions
from sftp_orchestrator.ledger.records import PendingProfiles, Source, to_source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, SOURCE_OPEN, SOURCE_SENT, SourceState
from sftp_orchestrator.ledger.tables import PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions, split_ids

_HAS_LEFT = (
    sa.select(PART.c.source_id).where(PART.c.source_id == SOURCE.c.id, PART.c.state.in_(decisions.LEFT)).exists()
)
_FIRST_SAME = (
    sa.select(SOURCE)
    .where(
        SOURCE.c.sha256 == sa.bindparam("sha256"),
        SOURCE.c.feed == sa.bindparam("feed"),
        SOURCE.c.destination == sa.bindparam("destination"),
        SOURCE.c.id != sa.bindparam("besides"),
        sa.or_(
            sa.and_(SOURCE.c.state.in_([state.value for state in SOURCE_SENT]), SOURCE.c.records.is_not(None)),
            sa.and_(SOURCE.c.state == SourceState.DISCARDED.value, _HAS_LEFT),
        ),
    )
    .order_by(SOURCE.c.number)
    .limit(1)
)
IS_ON_ITS_WAY = sa.or_(*(SOURCE.c.state == state.value for state in sorted(SOURCE_ON_ITS_WAY)))
"""Spelled out: a list cannot be given with a statement that runs once for each of many rows."""


class KnownSources:
    """Reads alone; ``Sources`` moves them."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def get(self, source_id: str) -> Source:
        """Return one source.

        Raises:
            ConfigurationError: there is none of this id.
        """
        found = self._select(SOURCE.c.id == source_id)
        if not found:
            raise ConfigurationError(
                "find",
                f"source {source_id}",
                "the ledger has no such id",
                hint="`sftp-orchestrator status` lists what waits, `sftp-orchestrator history` what was delivered",
            )
        return found[0]

    def list_of(self, source_ids: Collection[str]) -> list[Source]:
        """Return the sources of these ids that the ledger knows, in the order of arrival."""
        found = [source for some in split_ids(source_ids) for source in self._select(SOURCE.c.id.in_(some))]
        return sorted(found, key=lambda source: source.number)

    def list_discarded_of(self, source_ids: Collection[str]) -> list[Source]:
        """Return those of these ids that are discarded, in no order; however many there are in all."""
        # A state is looked at, not looked up: there may be more discarded ones than ids.
        is_discarded = sa.func.coalesce(SOURCE.c.state, "") == SourceState.DISCARDED.value
        return [
            source for some in split_ids(source_ids) for source in self._select(SOURCE.c.id.in_(some), is_discarded)
        ]

    def list_in(self, states: Collection[SourceState]) -> list[Source]:
        """Return the sources in any of ``states``, in the order of arrival."""
        return self._select(SOURCE.c.state.in_([state.value for state in states]))

    def list_first(self, states: Sequence[SourceState], limit: int) -> list[Source]:
        """Return at most so many sources in ``states``, in the order of arrival: however many there are.

        Of the first of these states first; of each those that have been in it for longest.
        """
        found: list[Source] = []
        with self._database.read() as connection:
            for state in states:
                query = sa.select(SOURCE).where(SOURCE.c.state == state.value).limit(limit - len(found))
                rows = connection.execute(query.order_by(SOURCE.c.changed_at, SOURCE.c.number)).mappings()
                found += [to_source(dict(row)) for row in rows]
        return sorted(found, key=lambda source: source.number)

    def list_states(self, states: Collection[SourceState]) -> dict[str, SourceState]:
        """Return the sources in any of ``states`` in the order of arrival, by ids alone: there may be 100,000."""
        query = sa.select(SOURCE.c.id, SOURCE.c.state).where(SOURCE.c.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            return {row.id: SourceState(row.state) for row in connection.execute(query.order_by(SOURCE.c.number))}

    def list_stubborn(self, *, failures: int, attempts: int) -> dict[str, str]:
        """Return the destinations of sources that do not go on by themselves, by the ids of these.

        So often in a row the receiver did not take a file of it, or it could not be read or planned.
        """
        unread = [SourceState.CLAIMED.value, SourceState.INSPECTED.value]
        query = sa.select(SOURCE.c.id, SOURCE.c.destination).where(
            IS_ON_ITS_WAY,
            sa.or_(SOURCE.c.failures >= failures, sa.and_(SOURCE.c.attempts >= attempts, SOURCE.c.state.in_(unread))),
        )
        with self._database.read() as connection:
            return {row.id: row.destination for row in connection.execute(query)}

    def list_pending_profiles(
        self,
        destination: str,
        *,
        states: Collection[SourceState] = SOURCE_OPEN,
        released: bool | None = None,
        limit: int | None = None,
    ) -> list[PendingProfiles]:
        """Return the first profile sources of ``destination`` that are not delivered, in the order of arrival."""
        columns = (SOURCE.c[field.name] for field in dataclasses.fields(PendingProfiles))
        query = (
            sa.select(*columns).where(*_are_profiles(destination, states, released=released)).order_by(SOURCE.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).mappings()
            return [PendingProfiles(**{**row, "state": SourceState(row["state"])}) for row in rows]

    def list_profile_numbers(
        self, destination: str, *, states: Collection[SourceState], released: bool | None = None
    ) -> array[int]:
        """Return the numbers of all profile sources of ``destination`` in ``states``, rising; there may be many."""
        query = sa.select(SOURCE.c.number).where(*_are_profiles(destination, states, released=released))
        with self._database.read() as connection:
            return array("q", sorted(connection.scalars(query)))

    def find_same(self, feed: str, destination: str, sha256: str, *, besides: str | None = None) -> Source | None:
        """Return the first source with this content that was sent, or is on its way, ``besides`` one of them.

        One that was discarded counts where a manifest of it has left; one that is held as a mere copy does not.
        """
        wanted = {"sha256": sha256, "feed": feed, "destination": destination, "besides": besides or ""}
        with self._database.read() as connection:
            row = connection.execute(_FIRST_SAME, wanted).mappings().first()
        return to_source(dict(row)) if row is not None else None

    def list_sent(
        self, feed: str, destination: str, *, since: datetime.datetime, besides: str | None = None
    ) -> list[Source]:
        """Return the sources of a feed and destination that were sent, or are on their way to be, ``besides`` one.

        Of those claimed ``since`` then, the newest first. One that is held, or was discarded, counts where a manifest
        of it has left.
        """
        stopped = [SourceState.HELD.value, SourceState.DISCARDED.value]
        going = [state.value for state in SOURCE_SENT - SOURCE_ASIDE]
        found = self._select(
            SOURCE.c.feed == feed,
            SOURCE.c.destination == destination,
            SOURCE.c.id != (besides or ""),
            SOURCE.c.claimed_at >= since,
            sa.or_(SOURCE.c.state.in_(going), sa.and_(SOURCE.c.state.in_(stopped), _HAS_LEFT)),
        )
        return found[::-1]

    def list_last(self, state: SourceState, limit: int) -> list[Source]:
        """Return the sources that came to ``state`` last, and are in it still, the newest first."""
        query = (
            sa.select(SOURCE)
            .where(SOURCE.c.state == state.value)
            .order_by(SOURCE.c.changed_at.desc(), SOURCE.c.number.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [to_source(dict(row)) for row in connection.execute(query).mappings()]

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Source]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(SOURCE).where(*where).order_by(SOURCE.c.number)).mappings()
            return [to_source(dict(row)) for row in rows]


def _are_profiles(
    destination: str, states: Collection[SourceState], *, released: bool | None
) -> list[sa.ColumnElement[bool]]:
    return [
        SOURCE.c.state.in_([state.value for state in states]),
        SOURCE.c.destination == destination,
        SOURCE.c.type == FeedType.PROFILE.value,
        *([SOURCE.c.released == released] if released is not None else []),
    ]
