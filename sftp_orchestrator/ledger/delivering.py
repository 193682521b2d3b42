"""How sources become delivered once each of their parts is, many at a time; in the caller's transaction."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.ledger import deliveries, moves, properties
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.ledger.tables import PART

_SETTLED: dict[str, Any] = {"attempts": 0, "failures": 0, "retry_at": None, "wanted_at": None}
_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_UNDELIVERED = (
    sa.select(PART.c.source_id, sa.func.count())
    .where(PART.c.source_id.in_(_IDS), PART.c.state != PartState.DELIVERED.value)
    .group_by(PART.c.source_id)
)


def finish(connection: sa.Connection, source_ids: Sequence[str], *, now: datetime.datetime) -> None:
    """Move sources to ``delivered``: they count, and the register learns their properties.

    Raises:
        IllegalMove: one of them has a part that is not delivered, or is in no state from which the move exists.
    """
    for source_id, left in connection.execute(_UNDELIVERED, {"ids": source_ids}):
        raise moves.IllegalMove("move", f"source {source_id}", f"{left} of its parts are not delivered")
    for source_id, state in moves.lock_sources(connection, source_ids).items():
        if state is SourceState.PLANNED:
            # Its last open part was decided by a person and never came by "ready".
            moves.move_source(connection, source_id, SourceState.READY, now=now, likely=SourceState.PLANNED)
    moves.move_sources(connection, source_ids, SourceState.DELIVERED, now=now, **_SETTLED)
    properties.add_delivered(connection, source_ids, now=now)
    deliveries.add(connection, source_ids, now=now)
