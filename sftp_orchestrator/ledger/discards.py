"""Sources that are given up, by a person or by their age: nothing, or nothing more, of them is sent."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.ledger import moves, properties
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, PartState, SourceState
from sftp_orchestrator.ledger.tables import PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions


class Discards:
    """The one way to the state ``discarded``; nothing leads out of it."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        self._database = database
        self._clock = clock

    def discard(self, source_id: str, *, by: str, reason: str | None = None) -> str:
        """quarantined, held → discarded; return, for people, how much of it was delivered before. Once for each source.

        The register learns the properties of what was delivered in part: the receiver has them.

        Raises:
            DecisionNeeded: what became of a part is not known: ``resolve`` or ``retry`` comes first.
            ConfigurationError: it is in another state, or there is none of this id.
        """
        with failpoints.around("ledger.discard"), self._database.write() as connection:
            _require_aside(connection, source_id)
            said = ": ".join(["given up by a person", *([reason] if reason else [])])
            return _give_up(connection, source_id, now=self._clock(), reason=said, by=by)

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

    def count(self) -> int:
        """Return how many there are: a number that rises says that one came to it."""
        query = sa.select(sa.func.count()).where(SOURCE.c.state == SourceState.DISCARDED.value)
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


def _require_aside(connection: sa.Connection, source_id: str) -> None:
    # FOR UPDATE keeps PostgreSQL's row still until we commit; SQLite has its write lock already and ignores it.
    state = connection.scalar(sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id).with_for_update())
    if state not in SOURCE_ASIDE:
        hint = "only what is quarantined or held can be given up"
        raise ConfigurationError("discard", f"source {source_id}", f"it is {state or 'unknown'}", hint=hint)


def _require_known(source_id: str, parts: Sequence[str]) -> None:
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
