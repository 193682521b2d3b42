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


_SOURCE_IS = SOURCE.c.id == sa.bindparam("source")
_PART_IS = sa.and_(PART.c.source_id == sa.bindparam("source"), PART.c.number == sa.bindparam("part"))
# FOR UPDATE keeps PostgreSQL's row still until we commit; SQLite has its write lock already and ignores it.
_STATE_OF_SOURCE = sa.select(SOURCE.c.state).where(_SOURCE_IS).with_for_update()
_STATE_OF_PART = sa.select(PART.c.state).where(_PART_IS).with_for_update()
_MOVE_SOURCE = sa.update(SOURCE).where(_SOURCE_IS, SOURCE.c.state == sa.bindparam("before"))
_MOVE_PART = sa.update(PART).where(_PART_IS, PART.c.state == sa.bindparam("before"))
_NOTE = sa.insert(HISTORY)
"""Statements are made once: to make one takes as long as to run it, and a source takes dozens."""


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
    before = connection.scalar(_STATE_OF_SOURCE, {"source": source_id})
    changes = {"state": after.value, "changed_at": now, "reason": reason, **values}
    here = {"source": source_id, "before": before}
    if before not in list_before(after) or not _change(connection, _MOVE_SOURCE, here, changes):
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
    before = connection.scalar(_STATE_OF_PART, {"source": source_id, "part": number})
    here = {"source": source_id, "part": number, "before": before}
    if before not in list_parts_before(after) or not _change(
        connection, _MOVE_PART, here, {"state": after.value, **values}
    ):
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
    state = connection.scalar(_STATE_OF_SOURCE, {"source": source_id})
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
            _NOTE,
            {
                "at": now,
                "source_id": source_id,
                "part": part,
                "before": before,
                "after": str(after),
                "reason": reason,
                "by": by,
            },
        )


def _change(connection: sa.Connection, statement: sa.Update, here: dict[str, Any], changes: dict[str, Any]) -> bool:
    """Change the one row that is ``here``; return whether it still was."""
    computed = {name: value for name, value in changes.items() if isinstance(value, sa.ClauseElement)}
    if computed:
        statement = statement.values(computed)
    given = {name: value for name, value in changes.items() if name not in computed}
    return connection.execute(statement, {**here, **given}).rowcount == 1
