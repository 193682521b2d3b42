"""How intents to claim files become sources, in the caller's transaction."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import sqlalchemy as sa

from sftp_orchestrator.ledger import history, moves
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.ledger.tables import CLAIM, SOURCE

_IS_ONE = CLAIM.c.source_id.in_(sa.bindparam("sources", expanding=True))
_FORGET = sa.delete(CLAIM).where(_IS_ONE).returning(CLAIM.c.source_id)
_PUT = sa.insert(SOURCE)


def finish(connection: sa.Connection, claims: Sequence[Claim], *, now: datetime.datetime) -> None:
    """Put sources in the place of the intents, in their order, each with its first line of history.

    Raises:
        IllegalMove: there is no intent for one of them: it was finished or forgotten before. The transaction must end.
    """
    gone = set(connection.scalars(_FORGET, {"sources": [claim.source_id for claim in claims]}))
    for claim in claims:
        if claim.source_id not in gone:
            raise moves.IllegalMove("claim", f"source {claim.source_id}", "its intent is not in the ledger")
    claimed = SourceState.CLAIMED.value
    connection.execute(
        _PUT,
        [
            {
                "id": claim.source_id,
                "feed": claim.feed,
                "type": claim.type.value,
                "destination": claim.destination,
                "relative_path": claim.relative_path,
                "state": claimed,
                "claimed_at": now,
                "changed_at": now,
                "size": claim.size,
                "mtime_ns": claim.mtime_ns,
            }
            for claim in claims
        ],
    )
    line = {"at": now, "part": None, "before": None, "after": claimed, "reason": None, "by": moves.DAEMON}
    for claim in claims:
        history.note(connection, source_id=claim.source_id, **line)
