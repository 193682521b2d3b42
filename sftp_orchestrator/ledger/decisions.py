"""What a person's word does to a source, and what forbids it; in the caller's transaction."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.ledger import history, leftovers, moves
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_DONE, PartState, SourceState
from sftp_orchestrator.ledger.tables import PART, SOURCE

LEFT = frozenset({PartState.PUBLISHING.value, PartState.UNCERTAIN.value, PartState.DELIVERED.value})
"""The manifest of such a part has left, or may have."""


def want(now: datetime.datetime) -> dict[str, Any]:
    """Return the columns of a source that a person wants tried now: what came in its way before counts no more."""
    return {"attempts": 0, "failures": 0, "retry_at": now, "wanted_at": now}


def go_on(
    connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str, by: str, released: bool = False
) -> None:
    """Let a source go on that a person decided about, from where it safely can.

    Raises:
        DecisionNeeded: a part of it is uncertain: ``resolve`` comes first.
        ConfigurationError: it is delivered or discarded.
    """
    parts = lock_parts(connection, source_id)
    state = moves.lock_source(connection, source_id)
    wanted = "release" if released else "retry"
    _require_open(source_id, state, wanted)
    values = {**want(now), **({"released": True} if released else {})}
    if state in SOURCE_ASIDE:
        _require_decided(source_id, parts, wanted)
        after = _go_back(connection, source_id, parts)
        moves.move_source(connection, source_id, after, now=now, reason=reason, by=by, **values)
    else:
        connection.execute(sa.update(SOURCE).where(SOURCE.c.id == source_id).values(**values))
        history.note(
            connection, at=now, source_id=source_id, part=None, before=state, after=state, reason=reason, by=by
        )


def resume(connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str) -> None:
    """Let a held source go on from where it safely can, by nobody's word and when its turn comes.

    Raises:
        IllegalMove: it is not held.
    """
    parts = lock_parts(connection, source_id)
    if (state := moves.lock_source(connection, source_id)) is not SourceState.HELD:
        raise moves.IllegalMove("resume", f"source {source_id}", f"it is {state}, and not held")
    after = _go_back(connection, source_id, parts)
    moves.move_source(connection, source_id, after, now=now, reason=reason, attempts=0, retry_at=None, wanted_at=None)


def _go_back(connection: sa.Connection, source_id: str, parts: frozenset[str]) -> SourceState:
    """Return from where a source safely goes on; what of it is planned anew is forgotten."""
    if parts & LEFT:
        return SourceState.PLANNED
    leftovers.forget_parts(connection, source_id)
    return SourceState.CLAIMED


def take_back(connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str, by: str) -> None:
    """planned, ready → claimed, while the daemon may be at it; nothing happens where a manifest of it has left."""
    if not lock_parts(connection, source_id) & LEFT:
        leftovers.forget_parts(connection, source_id)
        moves.move_source(connection, source_id, SourceState.CLAIMED, now=now, reason=reason, by=by, **want(now))


def has_left(connection: sa.Connection, source_id: str) -> bool:
    """Return whether a manifest of it has left, or may have."""
    left = sa.select(PART.c.number).where(PART.c.source_id == source_id, PART.c.state.in_(LEFT))
    return connection.execute(left.limit(1)).first() is not None


def require_nothing_left(connection: sa.Connection, source_id: str) -> None:
    """Raise ``DecisionNeeded`` where a manifest of it has left, or may have."""
    if has_left(connection, source_id):
        raise DecisionNeeded("read again", f"source {source_id}", "manifests of it have left already")


def lock_parts(connection: sa.Connection, source_id: str) -> frozenset[str]:
    """Return the states of a source's parts, which stay as they are until we commit.

    They are locked before their source, as by every move of a part: no manifest can leave between a look and a move,
    and no two of us wait for each other.
    """
    return frozenset(connection.scalars(_select_parts(source_id).with_for_update()))


def list_parts(connection: sa.Connection, source_id: str) -> frozenset[str]:
    """Return the states of a source's parts, which may change at once."""
    return frozenset(connection.scalars(_select_parts(source_id)))


def _select_parts(source_id: str) -> sa.Select[Any]:
    # In one order, whoever locks them.
    return sa.select(PART.c.state).where(PART.c.source_id == source_id).order_by(PART.c.number)


def _require_open(source_id: str, state: SourceState, wanted: str) -> None:
    subject = f"source {source_id}"
    if state in SOURCE_DONE:
        raise ConfigurationError(wanted, subject, "it is delivered, nothing is left to do")
    if state is SourceState.DISCARDED:
        hint = "to send it after all, drop its file again: the archive has it"
        raise ConfigurationError(wanted, subject, "it was discarded", hint=hint)


def _require_decided(source_id: str, parts: frozenset[str], wanted: str) -> None:
    # A part in "publishing" is no obstacle: the next run finds out what became of it before anything else.
    if PartState.UNCERTAIN in parts:
        raise DecisionNeeded(
            wanted,
            f"source {source_id}",
            "whether the receiver took a part of it is not known",
            hint=f"`sftp-orchestrator resolve {source_id} --delivered` or `--resend` says so",
        )
