"""What was told in alerts, and what is on its way: noted together, so that a crash loses none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.records import Alert, Message
from sftp_orchestrator.ledger.tables import ALERT, ALERT_MESSAGE
from sftp_orchestrator.ledger.transactions import Transactions

_IS_IT = sa.and_(ALERT.c.kind == sa.bindparam("of_kind"), ALERT.c.subject == sa.bindparam("of_subject"))


class Alerts:
    """At most one row for each thing; none for what is over and told."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self) -> list[Alert]:
        """Return what is worth an alert, or was when it was told last."""
        query = sa.select(ALERT).order_by(ALERT.c.kind, ALERT.c.since, ALERT.c.subject)
        with self._database.read() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]

    def note(self, kept: Sequence[Alert], forgotten: Sequence[Alert], messages: Sequence[Message]) -> None:
        """Note alerts as they stand now, forget others, and put messages on their way; all in one transaction."""
        changed = [{"of_kind": one.kind, "of_subject": one.subject} for one in (*kept, *forgotten)]
        values = [{name: value for name, value in vars(one).items() if name != "number"} for one in messages]
        with failpoints.around("ledger.note_alerts"), self._database.write() as connection:
            if changed:
                connection.execute(sa.delete(ALERT).where(_IS_IT), changed)
            if kept:
                connection.execute(sa.insert(ALERT), [vars(one) for one in kept])
            if values:
                connection.execute(sa.insert(ALERT_MESSAGE), values)

    def list_messages(self, channel: str) -> list[Message]:
        """Return what ``channel`` did not take yet, the oldest first."""
        query = sa.select(ALERT_MESSAGE).where(ALERT_MESSAGE.c.channel == channel).order_by(ALERT_MESSAGE.c.number)
        with self._database.read() as connection:
            return [Message(**row) for row in connection.execute(query).mappings()]

    def finish(self, messages: Collection[Message]) -> None:
        """Note that their channel took ``messages``; may be repeated."""
        taken = ALERT_MESSAGE.c.number.in_([message.number for message in messages])
        with failpoints.around("ledger.finish_alerts"), self._database.write() as connection:
            connection.execute(sa.delete(ALERT_MESSAGE).where(taken))

    def forget_channels(self, *, besides: Collection[str]) -> None:
        """Forget what was meant for channels that are not configured any more; may be repeated."""
        with failpoints.around("ledger.forget_channels"), self._database.write() as connection:
            connection.execute(sa.delete(ALERT_MESSAGE).where(ALERT_MESSAGE.c.channel.not_in(besides)))

    def count_messages(self) -> int:
        """Return how many messages are on their way, each for one channel."""
        with self._database.read() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(ALERT_MESSAGE)) or 0)
