"""The one place where a state changes: a guarded UPDATE and its line of history, in the caller's transaction."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import history
from sftp_orchestrator.ledger.states import PartState, SourceState, list_before, list_parts_before
from sftp_orchestrator.ledger.tables import PART, SOURCE

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
_SOURCE_IS_ONE = SOURCE.c.id.in_(sa.bindparam("sources", expanding=True))
_STATES_OF_SOURCES = (
    sa.select(SOURCE.c.id, SOURCE.c.state).where(_SOURCE_IS_ONE).order_by(SOURCE.c.id).with_for_update()
)
_MOVE_SOURCES = sa.update(SOURCE).where(_SOURCE_IS_ONE, SOURCE.c.state == sa.bindparam("before"))
_MOVE_PART = sa.update(PART).where(_PART_IS, PART.c.state == sa.bindparam("before"))
"""Statements are made once: to make one takes as long as to run it, and a source takes dozens."""


def move_source(
    connection: sa.Connection,
    source_id: str,
    after: SourceState,
    *,
    now: datetime.datetime,
    likely: SourceState | None = None,
    reason: str | None = None,
    by: str = DAEMON,
    **values: Any,
) -> None:
    """Move a source to ``after`` and note it; ``values`` are further columns of its row.

    Where it is in the state ``likely``, nobody has to ask first in which.

    Raises:
        IllegalMove: the source is in no state from which the move exists. Nothing was changed.
    """
    row = _Row(f"source {source_id}", {"source": source_id}, state=_STATE_OF_SOURCE, update=_MOVE_SOURCE)
    changes = {"state": after.value, "changed_at": now, "reason": reason, "lacks_configuration": False, **values}
    before = _move(connection, row, changes, legal=list_before(after), likely=likely)
    history.note(connection, at=now, source_id=source_id, part=None, before=before, after=after, reason=reason, by=by)


def move_sources(
    connection: sa.Connection, source_ids: Sequence[str], after: SourceState, *, now: datetime.datetime, **values: Any
) -> None:
    """Move several sources, by one statement, where a single state leads to ``after``; else as ``move_source``.

    Raises:
        IllegalMove: one of them is in another state, or named twice. The transaction must end.
    """
    (before,) = list_before(after)
    states = lock_sources(connection, source_ids)
    for source_id in source_ids:
        if (state := states.get(source_id)) is not before:
            raise IllegalMove("move", f"source {source_id}", f"it is {state or 'unknown'}, so it cannot become {after}")
    changes = {"state": after.value, "changed_at": now, "reason": None, **values}
    moved = connection.execute(_MOVE_SOURCES, {"sources": source_ids, "before": before.value, **changes}).rowcount
    if moved != len(source_ids):
        raise IllegalMove("move", f"{len(source_ids)} sources", f"{moved} of them became {after}")
    line = {"at": now, "part": None, "before": before.value, "after": after.value, "reason": None, "by": DAEMON}
    for source_id in source_ids:
        history.note(connection, source_id=source_id, **line)


def move_part(
    connection: sa.Connection,
    source_id: str,
    number: int,
    after: PartState,
    *,
    now: datetime.datetime,
    likely: PartState | None = None,
    reason: str | None = None,
    by: str = DAEMON,
    **values: Any,
) -> None:
    """Move a part to ``after`` and note it; ``values`` and ``likely`` are as those of a source.

    Raises:
        IllegalMove: the part is in no state from which the move exists. Nothing was changed.
    """
    here = {"source": source_id, "part": number}
    row = _Row(f"part {source_id}/{number}", here, state=_STATE_OF_PART, update=_MOVE_PART)
    changes = {"state": after.value, **values}
    before = _move(connection, row, changes, legal=list_parts_before(after), likely=likely)
    history.note(connection, at=now, source_id=source_id, part=number, before=before, after=after, reason=reason, by=by)


def lock_source(connection: sa.Connection, source_id: str) -> SourceState:
    """Return the state of a source, which stays as it is until the transaction ends.

    Raises:
        IllegalMove: there is none of this id.
    """
    state = connection.scalar(_STATE_OF_SOURCE, {"source": source_id})
    if state is None:
        raise IllegalMove("find", f"source {source_id}", "the ledger has no such id")
    return SourceState(state)


def lock_sources(connection: sa.Connection, source_ids: Sequence[str]) -> dict[str, SourceState]:
    """Return the states of those sources that there are, which stay as they are until the transaction ends."""
    rows = connection.execute(_STATES_OF_SOURCES, {"sources": source_ids})
    return {row.id: SourceState(row.state) for row in rows}


class _Row(NamedTuple):
    """One row that has a state, and how to ask for it and change it."""

    name: str
    here: dict[str, Any]
    state: sa.Select[Any]
    update: sa.Update


def _move(
    connection: sa.Connection, row: _Row, changes: dict[str, Any], *, legal: Sequence[str], likely: str | None
) -> str:
    """Change a row that is in a ``legal`` state; return in which it was."""
    if likely is None and len(legal) == 1:
        likely = legal[0]
    if likely in legal and _change(connection, row, changes, before=likely):
        return str(likely)
    before: str | None = connection.scalar(row.state, row.here)
    if before is None or before not in legal or not _change(connection, row, changes, before=before):
        raise IllegalMove("move", row.name, f"it is {before or 'unknown'}, so it cannot become {changes['state']}")
    return before


def _change(connection: sa.Connection, row: _Row, changes: dict[str, Any], *, before: str | None) -> bool:
    """Change a row that is in the state ``before``; return whether it was."""
    computed = {name: value for name, value in changes.items() if isinstance(value, sa.ClauseElement)}
    statement = row.update.values(computed) if computed else row.update
    given = {name: value for name, value in changes.items() if name not in computed}
    return connection.execute(statement, {**row.here, "before": before, **given}).rowcount == 1
