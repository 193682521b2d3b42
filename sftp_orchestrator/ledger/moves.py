"""The one place where a state changes: a guarded UPDATE and its line of history, in the caller's transaction."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.states import PartState, SourceState, list_before, list_parts_before
from sftp_orchestrator.ledger.tables import HISTORY, PART, SOURCE

Clock = Callable[[], datetime.datetime]
DAEMON = "daemon"
"""Who moves where no person does."""


class IllegalMove(LocalFault):
    """The row is not in a state from which this move exists: somebody else moved it, or we are wrong."""


def move_source(
    connection: sa.Connection,
    source_id: str,
    after: SourceState,
    *,
    now: datetime.datetime,
    reason: str | None = None,
    by: str = DAEMON,
    **values: Any,
) -> None:
    """Move a source to ``after`` and note it; ``values`` are further columns of its row.

    Raises:
        IllegalMove: the source is in no state from which the move exists. Nothing was changed.
    """
    before = _get_state(connection, sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id))
    legal = [state.value for state in list_before(after) if state.value == before]
    moved = connection.execute(
        sa.update(SOURCE)
        .where(SOURCE.c.id == source_id, SOURCE.c.state.in_(legal))
        .values(state=after.value, changed_at=now, reason=reason, **values)
    )
    if moved.rowcount != 1:
        raise IllegalMove("move", f"source {source_id}", f"it is {before or 'unknown'}, so it cannot become {after}")
    note(connection, now=now, source_id=source_id, part=None, before=before, after=after, reason=reason, by=by)


def move_part(
    connection: sa.Connection,
    source_id: str,
    number: int,
    after: PartState,
    *,
    now: datetime.datetime,
    reason: str | None = None,
    by: str = DAEMON,
    **values: Any,
) -> None:
    """Move a part to ``after`` and note it; ``values`` are further columns of its row.

    Raises:
        IllegalMove: the part is in no state from which the move exists. Nothing was changed.
    """
    here = (PART.c.source_id == source_id, PART.c.number == number)
    before = _get_state(connection, sa.select(PART.c.state).where(*here))
    legal = [state.value for state in list_parts_before(after) if state.value == before]
    moved = connection.execute(
        sa.update(PART).where(*here, PART.c.state.in_(legal)).values(state=after.value, **values)
    )
    if moved.rowcount != 1:
        raise IllegalMove(
            "move", f"part {source_id}/{number}", f"it is {before or 'unknown'}, so it cannot become {after}"
        )
    note(
        connection,
        now=now,
        source_id=source_id,
        part=number,
        before=before,
        after=after,
        reason=reason,
        by=by,
    )


def lock_source(connection: sa.Connection, source_id: str) -> SourceState:
    """Return the state of a source, which stays as it is until the transaction ends.

    Raises:
        IllegalMove: there is none of this id.
    """
    state = _get_state(connection, sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id))
    if state is None:
        raise IllegalMove("find", f"source {source_id}", "the ledger has no such id")
    return SourceState(state)


def note(
    connection: sa.Connection,
    *,
    now: datetime.datetime,
    source_id: str,
    part: int | None,
    before: str | None,
    after: str,
    reason: str | None,
    by: str,
) -> None:
    """Add a line to the history."""
    with failpoints.around("ledger.history"):
        connection.execute(
            sa.insert(HISTORY).values(
                at=now, source_id=source_id, part=part, before=before, after=str(after), reason=reason, by=by
            )
        )


def _get_state(connection: sa.Connection, query: sa.Select[Any]) -> str | None:
    # FOR UPDATE keeps PostgreSQL's row still until we commit; SQLite has its write lock already and ignores it.
    state: str | None = connection.scalar(query.with_for_update())
    return state
