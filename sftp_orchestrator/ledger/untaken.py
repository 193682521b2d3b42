"""Complete files in staging that cannot be claimed, and why: noted by the intake, for ``status``, page and alerts."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.records import Untaken
from sftp_orchestrator.ledger.tables import UNTAKEN
from sftp_orchestrator.ledger.transactions import Transactions


class UntakenFiles:
    """What the last scan found to be so; a hint for people, by which nothing is decided."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self) -> list[Untaken]:
        """Return them, in the order in which they would have been claimed."""
        columns = (UNTAKEN.c.relative_path, UNTAKEN.c.feed, UNTAKEN.c.reason, UNTAKEN.c.since)
        with self._database.read() as connection:
            return [Untaken(**row) for row in connection.execute(sa.select(*columns).order_by("number")).mappings()]

    def replace(self, found: Sequence[Untaken]) -> None:
        """Note ``found`` in the place of all that was noted before. May be repeated."""
        with failpoints.around("ledger.note_untaken"), self._database.write() as connection:
            connection.execute(sa.delete(UNTAKEN))
            if found:
                connection.execute(sa.insert(UNTAKEN), [vars(one) for one in found])
