"""What was told in alerts, and what is on its way: noted together, so that a crash loses none."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.records import Alert, Message
from sftp_orchestrator.ledger.tables import ALERT, ALERT_MESSAGE
from sftp_orchestrator.ledger.transactions import Transactions

MOST_WAITING = 1000
"""Messages for one channel: one that is dead for good must not fill the ledger, and nobody reads more of them."""
_MOST_AT_ONCE = 500
"""Numbers in one statement: a database takes only so many."""
_LOST = "lost"
"""The kind of the row that counts, as its level, the messages that one channel will never be told.

Its moment is that of the last ``finish``, by which this is known where it is repeated.
A version that knows none of it takes the row for an alert that was never told and is over: it forgets the number, and
nothing else. So it needs no table of its own, whose revision would keep such a version from the ledger.
"""
_NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_IS_IT = sa.and_(ALERT.c.kind == sa.bindparam("of_kind"), ALERT.c.subject == sa.bindparam("of_subject"))


class Alerts:
    """At most one row for each thing; none for what is over and told."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self) -> list[Alert]:
        """Return what is worth an alert, or was when it was told last."""
        query = sa.select(ALERT).where(ALERT.c.kind != _LOST).order_by(ALERT.c.kind, ALERT.c.since, ALERT.c.subject)
        with self._database.read() as connection:
            return [Alert(**row) for row in connection.execute(query).mappings()]

    def note(self, kept: Sequence[Alert], forgotten: Sequence[Alert], messages: Sequence[Message]) -> dict[str, int]:
        """Note alerts as they stand now, forget others, and put messages on their way; all in one transaction.

        Returns how many of the oldest messages were dropped for it, by channel, as more than ``MOST_WAITING`` wait.
        """
        changed = [{"of_kind": one.kind, "of_subject": one.subject} for one in (*kept, *forgotten)]
        values = [{name: value for name, value in vars(one).items() if name != "number"} for one in messages]
        with failpoints.around("ledger.note_alerts"), self._database.write() as connection:
            if changed:
                connection.execute(sa.delete(ALERT).where(_IS_IT), changed)
            if kept:
                connection.execute(sa.insert(ALERT), [vars(one) for one in kept])
            if values:
                connection.execute(sa.insert(ALERT_MESSAGE), values)
            dropped = {channel: _drop_oldest(connection, channel) for channel in {one.channel for one in messages}}
        return {channel: count for channel, count in dropped.items() if count}

    def list_messages(self, channel: str) -> list[Message]:
        """Return what ``channel`` did not take yet, the oldest first."""
        query = sa.select(ALERT_MESSAGE).where(ALERT_MESSAGE.c.channel == channel).order_by(ALERT_MESSAGE.c.number)
        with self._database.read() as connection:
            return [Message(**row) for row in connection.execute(query).mappings()]

    def count_lost(self, channel: str) -> int:
        """Return how many messages ``channel`` will never be told, which is not told it so far."""
        with self._database.read() as connection:
            return _count_lost(connection, channel)

    def finish(self, channel: str, messages: Collection[Message], *, at: datetime.datetime, lost: int = 0) -> None:
        """Note that ``channel`` took ``messages``, and was told of ``lost`` that it never will be.

        What it took although it was dropped is not lost. May be repeated with the same ``at``, until another one is
        noted: who never heard whether it was noted cannot know.
        """
        numbers = iter([message.number for message in messages])
        with failpoints.around("ledger.finish_alerts"), self._database.write() as connection:
            if _find_last_finish(connection, channel) == at:
                return
            left = len(messages)
            while some := list(itertools.islice(numbers, _MOST_AT_ONCE)):
                left -= connection.execute(sa.delete(ALERT_MESSAGE).where(ALERT_MESSAGE.c.number.in_(some))).rowcount
            _note_lost(connection, channel, _count_lost(connection, channel) - lost - left, at=at)

    def forget_channels(self, *, besides: Collection[str]) -> None:
        """Forget what was meant for channels that are not configured any more; may be repeated."""
        with failpoints.around("ledger.forget_channels"), self._database.write() as connection:
            connection.execute(sa.delete(ALERT_MESSAGE).where(ALERT_MESSAGE.c.channel.not_in(besides)))
            connection.execute(sa.delete(ALERT).where(ALERT.c.kind == _LOST, ALERT.c.subject.not_in(besides)))

    def list_channels(self) -> set[str]:
        """Return the channels that messages wait for, or that some were lost for."""
        waiting = sa.select(ALERT_MESSAGE.c.channel).distinct()
        lost = sa.select(ALERT.c.subject).where(ALERT.c.kind == _LOST, ALERT.c.level != "0")
        with self._database.read() as connection:
            return {*connection.scalars(waiting), *connection.scalars(lost)}

    def count_messages(self) -> int:
        """Return how many messages are on their way, each for one channel."""
        with self._database.read() as connection:
            return int(connection.scalar(sa.select(sa.func.count()).select_from(ALERT_MESSAGE)) or 0)


def _drop_oldest(connection: sa.Connection, channel: str) -> int:
    """Drop the messages for ``channel`` that are more than may wait, count them as lost, and return how many."""
    number, is_its = ALERT_MESSAGE.c.number, ALERT_MESSAGE.c.channel == channel
    newest = sa.select(number).where(is_its).order_by(number.desc())
    last = connection.scalar(newest.offset(MOST_WAITING).limit(1))
    if last is None:
        return 0
    dropped = connection.execute(sa.delete(ALERT_MESSAGE).where(is_its, number <= last)).rowcount
    last_finish = _find_last_finish(connection, channel) or _NEVER
    _note_lost(connection, channel, _count_lost(connection, channel) + dropped, at=last_finish)
    return dropped


def _find_last_finish(connection: sa.Connection, channel: str) -> datetime.datetime | None:
    query = sa.select(ALERT.c.since).where(ALERT.c.kind == _LOST, ALERT.c.subject == channel)
    found: datetime.datetime | None = connection.scalar(query)
    return found


def _count_lost(connection: sa.Connection, channel: str) -> int:
    query = sa.select(ALERT.c.level).where(ALERT.c.kind == _LOST, ALERT.c.subject == channel)
    return int(connection.scalar(query) or 0)


def _note_lost(connection: sa.Connection, channel: str, count: int, *, at: datetime.datetime) -> None:
    connection.execute(sa.delete(ALERT).where(ALERT.c.kind == _LOST, ALERT.c.subject == channel))
    connection.execute(sa.insert(ALERT).values(kind=_LOST, subject=channel, level=str(max(0, count)), since=at))
