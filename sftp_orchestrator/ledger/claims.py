"""How an intent to claim a file becomes a source, in the caller's transaction."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from sftp_orchestrator.ledger import moves
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.ledger.tables import CLAIM, SOURCE


def finish_claim(connection: sa.Connection, claim: Claim, *, now: datetime.datetime) -> None:
    """Put the source in the place of the intent, with its first line of history.

    Raises:
        IllegalMove: there is no such intent: it was finished or forgotten before. Nothing was changed.
    """
    gone = connection.execute(sa.delete(CLAIM).where(CLAIM.c.source_id == claim.source_id))
    if gone.rowcount != 1:
        raise moves.IllegalMove("claim", f"source {claim.source_id}", "its intent is not in the ledger")
    connection.execute(
        sa.insert(SOURCE).values(
            id=claim.source_id,
            feed=claim.feed,
            type=claim.type.value,
            destination=claim.destination,
            relative_path=claim.relative_path,
            state=SourceState.CLAIMED.value,
            claimed_at=now,
            changed_at=now,
            size=claim.size,
            mtime_ns=claim.mtime_ns,
        )
    )
    moves.note(
        connection,
        now=now,
        source_id=claim.source_id,
        part=None,
        before=None,
        after=SourceState.CLAIMED,
        reason=None,
        by=moves.DAEMON,
    )
