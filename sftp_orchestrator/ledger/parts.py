"""Parts in the ledger: every move of a data file and its manifest."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger import decisions, moves
from sftp_orchestrator.ledger.records import Part
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.ledger.tables import PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions, split_ids

_STILL_PLANNED = (
    sa.select(PART.c.number)
    .where(PART.c.source_id == sa.bindparam("source"), PART.c.state == PartState.PLANNED.value)
    .limit(1)
)


class Parts:
    """Every change of a part's row goes through here."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        self._database = database
        self._clock = clock

    def list_of(self, source_id: str) -> list[Part]:
        """Return the parts of a source, in order."""
        return self._select(PART.c.source_id == source_id)

    def list_of_all(self, source_ids: Collection[str]) -> dict[str, list[Part]]:
        """Return the parts of several sources, each in order, by their ids."""
        found: dict[str, list[Part]] = {source_id: [] for source_id in source_ids}
        for part in self._select(PART.c.source_id.in_(found)):
            found[part.source_id].append(part)
        return found

    def count_of_all(self, source_ids: Collection[str]) -> int:
        """Return how many parts several sources have together."""
        count = sa.select(sa.func.count())
        with self._database.read() as connection:
            queries = (count.where(PART.c.source_id.in_(some)) for some in split_ids(source_ids))
            return sum(connection.execute(query).scalar_one() for query in queries)

    def list_by_source(self, states: Collection[SourceState]) -> dict[str, tuple[Part, ...]]:
        """Return the parts of every source in one of ``states``, in order, by its id; without sources of none."""
        sources = sa.select(SOURCE.c.id).where(SOURCE.c.state.in_([state.value for state in states]))
        found = self._select(PART.c.source_id.in_(sources))
        return {source: tuple(parts) for source, parts in itertools.groupby(found, key=lambda part: part.source_id)}

    def list_in(self, state: PartState) -> list[Part]:
        """Return all parts in ``state``."""
        return self._select(PART.c.state == state.value)

    def list_sources_in(self, state: PartState) -> set[str]:
        """Return the ids of all sources that have a part in ``state``."""
        with self._database.read() as connection:
            return set(connection.scalars(sa.select(PART.c.source_id).where(PART.c.state == state.value)))

    def get(self, source_id: str, number: int) -> Part:
        """Return one part.

        Raises:
            IllegalMove: it is not there: its source was taken back to be read again.
        """
        found = self._select(PART.c.source_id == source_id, PART.c.number == number)
        if not found:
            raise moves.IllegalMove("find", f"part {source_id}/{number}", "its source has no such part any more")
        return found[0]

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Part]:
        query = sa.select(PART).where(*where).order_by(PART.c.source_id, PART.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings()
            return [Part(**{**row, "state": PartState(row["state"])}) for row in rows]

    def finish_preparation(self, part: Part, *, size: int) -> Part:
        """Planned → ready: ``size`` bytes can be sent; return the part as it stands then.

        With the last part its source becomes ready.
        """
        now = self._clock()
        with failpoints.around("ledger.part.ready"), self._database.write() as connection:
            here = part.source_id, part.number
            moves.move_part(connection, *here, PartState.READY, now=now, likely=part.state, size=size)
            if part.of == 1 or connection.execute(_STILL_PLANNED, {"source": part.source_id}).first() is None:
                moves.move_source(connection, part.source_id, SourceState.READY, now=now)
        return dataclasses.replace(part, state=PartState.READY, size=size)

    def finish_upload(self, part: Part) -> Part:
        """Ready → uploaded: the receiver has the data in full; return the part as it stands then."""
        self._move(part, PartState.UPLOADED)
        return dataclasses.replace(part, state=PartState.UPLOADED)

    def begin_publishing(self, part: Part) -> None:
        """Uploaded → publishing: the intent, before the manifest's first byte."""
        self._move(part, PartState.PUBLISHING)

    def finish_publishing(self, part: Part) -> None:
        """Publishing → delivered."""
        self._move(part, PartState.DELIVERED, likely=PartState.PUBLISHING, delivered_at=self._clock())

    def publish_again(self, part: Part, reason: str) -> None:
        """Publishing → uploaded: the manifest is not there, the data is; its name stays."""
        self._move(part, PartState.UPLOADED, reason=reason)

    def upload_again(self, part: Part, reason: str) -> None:
        """Uploaded → ready: the data is not at the receiver any more."""
        self._move(part, PartState.READY, reason=reason)

    def prepare_again(self, part: Part, reason: str) -> None:
        """ready, uploaded → planned: the encrypted piece is gone. A source that was ready is planned again."""
        now = self._clock()
        with failpoints.around("ledger.part.planned"), self._database.write() as connection:
            moves.move_part(
                connection, part.source_id, part.number, PartState.PLANNED, now=now, reason=reason, size=None
            )
            _reopen_source(connection, part.source_id, now=now, reason=reason, by=moves.DAEMON)

    def doubt(self, part: Part, reason: str) -> None:
        """Publishing → uncertain: nobody can tell whether the receiver took it."""
        self._move(part, PartState.UNCERTAIN, reason=reason)

    def resolve_delivered(self, parts: Sequence[Part], *, by: str) -> None:
        """Uncertain → delivered by a person's word, in one transaction; their source goes on."""
        now = self._clock()
        with failpoints.around("ledger.part.resolved"), self._database.write() as connection:
            for part in parts:
                moves.move_part(
                    connection,
                    part.source_id,
                    part.number,
                    PartState.DELIVERED,
                    now=now,
                    reason="a person says that it was taken",
                    by=by,
                    delivered_at=now,
                )
            for source_id in sorted({part.source_id for part in parts}):
                _reopen_source(connection, source_id, now=now, reason="resolved by a person", by=by)

    def resend(self, part: Part, *, data_name: str, manifest_name: str, manifest: bytes, reason: str, by: str) -> None:
        """Uncertain → planned, under names never used before; its source goes on."""
        now = self._clock()
        with failpoints.around("ledger.part.resent"), self._database.write() as connection:
            moves.move_part(
                connection,
                part.source_id,
                part.number,
                PartState.PLANNED,
                now=now,
                reason=f"{reason} (was {part.manifest_name})",
                by=by,
                size=None,
                data_name=data_name,
                manifest_name=manifest_name,
                manifest=manifest,
            )
            _reopen_source(connection, part.source_id, now=now, reason=reason, by=by)

    def _move(
        self, part: Part, after: PartState, *, reason: str | None = None, likely: PartState | None = None, **values: Any
    ) -> None:
        with failpoints.around(f"ledger.part.{after}"), self._database.write() as connection:
            now = self._clock()
            here = part.source_id, part.number
            moves.move_part(connection, *here, after, now=now, likely=likely or part.state, reason=reason, **values)


def _reopen_source(connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str, by: str) -> None:
    """Take a source that was ready or held back to planned: a part of it has work to do, or was decided upon."""
    state = connection.scalar(sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id))
    if state in {SourceState.READY.value, SourceState.HELD.value}:
        wish = {} if by == moves.DAEMON else decisions.want(now)
        moves.move_source(connection, source_id, SourceState.PLANNED, now=now, reason=reason, by=by, **wish)
