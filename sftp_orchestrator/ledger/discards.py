"""What is given up, by a person or by its age: sources of which nothing more is sent, and refused rows of others."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.ledger import decisions, history, leftovers, moves, properties
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SOURCE_OPEN, PartState, SourceState
from sftp_orchestrator.ledger.tables import PART, ROWS_GIVEN_UP, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions, carry_through, split_ids


class Discards:
    """The one way to the state ``discarded``, which nothing leads out of; and what became of refused rows."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        self._database = database
        self._clock = clock

    def discard(self, source_id: str, *, by: str, reason: str | None = None) -> str:
        """Move a source that is not done to ``discarded``; return, for people, how much of it was delivered before.

        Of one on its way, which the daemon may be at, no manifest may have left; data of it that lies at the receiver
        is to be removed. Of one set aside the register learns the properties of what was delivered: the receiver has
        them. Once for each source.

        Raises:
            DecisionNeeded: what became of a part is not known: ``resolve`` or ``retry`` comes first. Or some of it was
                delivered, and the rest is on its way.
            ConfigurationError: it is done, or there is none of this id.
        """
        said = ": ".join(["given up by a person", *([reason] if reason else [])])
        while (delivered := carry_through(lambda: self._discard(source_id, by=by, reason=said))) is None:
            pass  # Its parts were made in this very moment, and are there now.
        return delivered

    def _discard(self, source_id: str, *, by: str, reason: str) -> str | None:
        """Return as ``discard``; None, with nothing changed, where its parts changed before its state was known."""
        with failpoints.around("ledger.discard"), self._database.write() as connection:
            parts = decisions.lock_parts(connection, source_id)
            state = _lock_open(connection, source_id)
            if decisions.list_parts(connection, source_id) != parts:
                return None
            if state in SOURCE_ON_ITS_WAY:
                _require_known(source_id, parts)
                _require_nothing_left(source_id, parts)
                leftovers.forget_parts(connection, source_id)
            return _give_up(connection, source_id, now=self._clock(), reason=reason, by=by)

    def discard_rows(self, source_id: str, *, by: str, reason: str | None = None) -> datetime.datetime:
        """Note that nobody wants the refused rows of an archived source, which stays so; return when. Once for each.

        Raises:
            ConfigurationError: it is in another state, they were given up before, or there is none of this id.
        """
        now = self._clock()
        with failpoints.around("ledger.discard"), self._database.write() as connection:
            _require_archived(connection, source_id)
            if _list_given_up(connection, [source_id]):
                msg = "its refused rows were given up before"
                raise ConfigurationError("discard", f"source {source_id}", msg, hint="nothing is left to do")
            connection.execute(sa.insert(ROWS_GIVEN_UP).values(source_id=source_id, at=now))
            said = ": ".join(["its refused rows were given up by a person", *([reason] if reason else [])])
            archived = SourceState.ARCHIVED.value
            line = {"part": None, "before": archived, "after": archived, "reason": said, "by": by}
            history.note(connection, at=now, source_id=source_id, **line)
        return now

    def list_rows_given_up(self, source_ids: Collection[str] | None = None) -> dict[str, datetime.datetime]:
        """Return when the refused rows of sources were given up, by their ids; of these sources, or of all."""
        with self._database.read() as connection:
            if source_ids is None:
                return _list_given_up(connection)
            return {id_: at for some in split_ids(source_ids) for id_, at in _list_given_up(connection, some).items()}

    def expire(self, source_id: str, *, before: datetime.datetime, reason: str) -> bool:
        """Quarantined → discarded, by nobody's word but the configuration's, where it is so since ``before`` then.

        Return whether it was; False, too, where somebody decided about it meanwhile. May be repeated.
        """
        with failpoints.around("ledger.expire"), self._database.write() as connection:
            query = sa.select(SOURCE.c.state, SOURCE.c.changed_at).where(SOURCE.c.id == source_id).with_for_update()
            found = connection.execute(query).one()
            if found.state != SourceState.QUARANTINED.value or found.changed_at >= before:
                return False
            _give_up(connection, source_id, now=self._clock(), reason=reason, by=moves.DAEMON)
        return True

    def has_any(self, feed: str, destination: str, *, since: datetime.datetime) -> bool:
        """Return whether a source of a feed and destination was discarded ``since`` then."""
        query = sa.select(SOURCE.c.id).where(
            SOURCE.c.state == SourceState.DISCARDED.value,
            SOURCE.c.changed_at >= since,
            SOURCE.c.feed == feed,
            SOURCE.c.destination == destination,
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def count(self) -> int:
        """Return how often a source was given up: a number that rises says that it happened again."""
        return self._count(sa.select(sa.func.count()).where(SOURCE.c.state == SourceState.DISCARDED.value))

    def count_rows(self) -> int:
        """Return how often refused rows were given up, as ``count`` does."""
        return self._count(sa.select(sa.func.count()).select_from(ROWS_GIVEN_UP))

    def _count(self, query: sa.Select[Any]) -> int:
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())


def _give_up(connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str, by: str) -> str:
    """Move it to ``discarded``; return, for people, how much of it was delivered before."""
    parts = list(connection.scalars(sa.select(PART.c.state).where(PART.c.source_id == source_id)))
    _require_known(source_id, parts)
    delivered = describe_delivered(parts)
    moves.move_source(
        connection,
        source_id,
        SourceState.DISCARDED,
        now=now,
        reason=f"{reason}; {delivered}",
        by=by,
        attempts=0,
        retry_at=None,
        wanted_at=None,
    )
    if PartState.DELIVERED.value in parts:
        properties.add_delivered(connection, [source_id], now=now)
    return delivered


def describe_delivered(parts: Sequence[str]) -> str:
    """Return how many of a source's parts, given by their states, were delivered, in a few words. Pure."""
    done = Counter(parts)[PartState.DELIVERED.value]
    if not done:
        return "nothing of it was delivered"
    return f"{done} of its {len(parts)} parts {'was' if done == 1 else 'were'} delivered before"


def _list_given_up(connection: sa.Connection, source_ids: Sequence[str] | None = None) -> dict[str, datetime.datetime]:
    query = sa.select(ROWS_GIVEN_UP.c.source_id, ROWS_GIVEN_UP.c.at)
    if source_ids is not None:
        query = query.where(ROWS_GIVEN_UP.c.source_id.in_(source_ids))
    return {row.source_id: row.at for row in connection.execute(query)}


def _require_archived(connection: sa.Connection, source_id: str) -> None:
    # As below: who gives the same rows up at the same time waits, and finds that it was done.
    state = connection.scalar(sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id).with_for_update())
    if state == SourceState.DELIVERED:
        hint = "say it again once its file is in the archive"
        raise ConfigurationError("discard", f"source {source_id}", "it is delivered, and not put away yet", hint=hint)
    if state != SourceState.ARCHIVED:
        raise ConfigurationError("discard", f"source {source_id}", f"it is {state or 'unknown'}")


def _lock_open(connection: sa.Connection, source_id: str) -> SourceState:
    """Return the state of a source that is not done, which stays as it is until we commit."""
    # FOR UPDATE keeps PostgreSQL's row still until we commit; SQLite has its write lock already and ignores it.
    state = connection.scalar(sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id).with_for_update())
    if state not in SOURCE_OPEN:
        hint = "only what was not delivered, or refused rows that are kept, can be given up"
        raise ConfigurationError("discard", f"source {source_id}", f"it is {state or 'unknown'}", hint=hint)
    return SourceState(state)


def _require_nothing_left(source_id: str, parts: Collection[str]) -> None:
    """Raise where some of a source on its way was delivered: a run that is at it might publish the next part."""
    if PartState.DELIVERED.value in parts:
        raise DecisionNeeded(
            "discard",
            f"source {source_id}",
            "some of its parts were delivered, and the rest is on its way",
            hint="where it cannot go on it is held, and can be given up then",
        )


def _require_known(source_id: str, parts: Collection[str]) -> None:
    """Raise where nobody knows what became of a part: once its source is discarded, nobody would ask any more."""
    subject = f"source {source_id}"
    if PartState.UNCERTAIN.value in parts:
        raise DecisionNeeded(
            "discard",
            subject,
            "whether the receiver took a part of it is not known",
            hint=f"`sftp-orchestrator resolve {source_id} --delivered` or `--resend` says so first",
        )
    if PartState.PUBLISHING.value in parts:
        raise DecisionNeeded(
            "discard",
            subject,
            "what became of a manifest of it was not looked up yet",
            hint=f"`sftp-orchestrator retry {source_id}` has the next run do so",
        )
