"""Sources in the ledger: claims, what was found in them, and every move of theirs."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.declared import Declared
from sftp_orchestrator.ledger import claims as claiming
from sftp_orchestrator.ledger import decisions, delivering, leftovers, moves, properties
from sftp_orchestrator.ledger.known_sources import IS_ON_ITS_WAY, KnownSources
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import (
    PartState,
    SourceState,
)
from sftp_orchestrator.ledger.tables import CLAIM, PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_TAKE_SENDING = (
    sa.update(SOURCE)
    .where(SOURCE.c.id == sa.bindparam("source"))
    .values(sendings=SOURCE.c.sendings + 1)
    .returning(SOURCE.c.sendings)
)
_NOT_AWAITED: dict[str, Any] = {"retry_at": None, "wanted_at": None}
"""Columns of a source that nothing is tried with by itself."""


class Sources(KnownSources):
    """Every change of a source's row goes through here."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        super().__init__(database)
        self._clock = clock

    # Claims: the intent is written before the rename, the source's row after it.

    def begin_claims(self, claims: Sequence[Claim]) -> None:
        """Note the intent to claim files, in one transaction, before any is moved."""
        with failpoints.around("ledger.begin_claims"), self._database.write() as connection:
            connection.execute(sa.insert(CLAIM), [vars(claim) for claim in claims])

    def list_claims(self) -> list[Claim]:
        """Return the intents whose outcome is not noted: after a crash, those to look at."""
        with self._database.read() as connection:
            return [
                Claim(**{**row, "type": FeedType(row["type"])})
                for row in connection.execute(sa.select(CLAIM)).mappings()
            ]

    def finish_claims(self, claims: Sequence[Claim]) -> list[Source]:
        """Turn intents into sources that are ours, in one transaction and this order; their files lie in the workspace.

        Once for each claim; where one is not in the ledger, ``IllegalMove`` is raised and none is changed.
        """
        if not claims:
            return []
        with failpoints.around("ledger.finish_claims"), self._database.write() as connection:
            claiming.finish(connection, claims, now=self._clock())
        return self._select(SOURCE.c.id.in_([claim.source_id for claim in claims]))

    def abandon_claims(self, claims: Sequence[Claim]) -> None:
        """Forget intents whose files never became ours, in one transaction. May be repeated."""
        if claims:
            with failpoints.around("ledger.abandon_claims"), self._database.write() as connection:
                forget = sa.delete(CLAIM).where(CLAIM.c.source_id == sa.bindparam("id"))
                connection.execute(forget, [{"id": claim.source_id} for claim in claims])

    # Moves.

    def finish_inspection(self, source_id: str, found: InspectedFile) -> None:
        """Claimed → inspected, with what was found; the file that was read is the one to send."""
        self._move(source_id, SourceState.INSPECTED, **vars(found))

    def finish_planning(self, source_id: str, parts: Iterable[PlannedPart], *, plan_key: str) -> None:
        """Inspected → planned: the parts, their names and manifests are fixed from here on."""
        planned = list(parts)
        with failpoints.around("ledger.source.planned"), self._database.write() as connection:
            moves.move_source(
                connection,
                source_id,
                SourceState.PLANNED,
                now=self._clock(),
                likely=SourceState.INSPECTED,
                attempts=0,
                failures=0,
                plan_key=plan_key,
            )
            connection.execute(
                sa.insert(PART),
                [
                    {
                        "source_id": source_id,
                        "number": number,
                        "of": len(planned),
                        "state": PartState.PLANNED.value,
                        **vars(part),
                    }
                    for number, part in enumerate(planned, start=1)
                ],
            )

    def take_sending(self, source_id: str) -> int:
        """Return the next generation of names of this source, counted from 1; each number is given once."""
        with failpoints.around("ledger.take_sending"), self._database.write() as connection:
            return int(connection.execute(_TAKE_SENDING, {"source": source_id}).scalar_one())

    def finish_deliveries(self, source_ids: Sequence[str]) -> list[Source]:
        """Ready → delivered: every part's manifest is published; they count, and the register learns their properties.

        All in one transaction; return them as they stand then, in the order of arrival.

        Raises:
            IllegalMove: one of them cannot be moved, or has a part that is not delivered. The transaction must end.
        """
        with failpoints.around("ledger.source.delivered"), self._database.write() as connection:
            delivering.finish(connection, source_ids, now=self._clock())
            return self.list_of(source_ids)

    def finish_archives(self, source_ids: Sequence[str]) -> None:
        """Delivered → archived, in one transaction; none moves, and ``IllegalMove`` is raised, where one cannot."""
        with failpoints.around("ledger.source.archived"), self._database.write() as connection:
            moves.move_sources(connection, source_ids, SourceState.ARCHIVED, now=self._clock())

    def quarantine(self, source_id: str, reason: str) -> None:
        """claimed, inspected → quarantined: the input's fault."""
        self._move(source_id, SourceState.QUARANTINED, reason=reason, **_NOT_AWAITED)

    def hold(self, source_id: str, reason: str, *, lacks_configuration: bool = False) -> None:
        """→ held: a person must decide; or, as it lacks only that, until ``resume``."""
        lacking = {"lacks_configuration": lacks_configuration}
        self._move(source_id, SourceState.HELD, reason=reason, **_NOT_AWAITED, **lacking)

    def resume(self, source_id: str, reason: str) -> None:
        """Held → claimed, or planned where manifests of it have left: it goes on as if it had not been held.

        Raises:
            IllegalMove: it is in another state.
        """
        with failpoints.around("ledger.resume"), self._database.write() as connection:
            decisions.resume(connection, source_id, now=self._clock(), reason=reason)

    def reclaim(self, source_id: str, reason: str) -> None:
        """→ claimed: read it again. Only while no manifest of it has left; its parts are forgotten."""
        now = self._clock()
        with failpoints.around("ledger.source.claimed"), self._database.write() as connection:
            decisions.require_nothing_left(connection, source_id)
            leftovers.forget_parts(connection, source_id)
            moves.move_source(connection, source_id, SourceState.CLAIMED, now=now, reason=reason)

    def reassign(self, source_id: str, *, type_: FeedType, destination: str) -> None:
        """Note what its feed is now, and where it goes. Only while no manifest of it has left."""
        with failpoints.around("ledger.reassign"), self._database.write() as connection:
            decisions.require_nothing_left(connection, source_id)
            connection.execute(
                sa.update(SOURCE).where(SOURCE.c.id == source_id).values(type=type_.value, destination=destination)
            )

    def has_left(self, source_id: str) -> bool:
        """Return whether a manifest of it has left, or may have."""
        with self._database.read() as connection:
            return decisions.has_left(connection, source_id)

    def note_change(
        self, source_id: str, reason: str, *, size: int, mtime_ns: int, retry_at: datetime.datetime
    ) -> None:
        """Note that its producer still writes to a claimed file: it is as given now, and read again at ``retry_at``."""
        with failpoints.around("ledger.note_change"), self._database.write() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source_id, SOURCE.c.state == SourceState.CLAIMED.value)
                .values(size=size, mtime_ns=mtime_ns, reason=reason, **_wait_until(retry_at))
            )

    def note_correction(self, source_id: str, *, size: int, mtime_ns: int) -> None:
        """Note what a claimed file is that a person may have put right; may be repeated."""
        with failpoints.around("ledger.note_correction"), self._database.write() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source_id, SOURCE.c.state == SourceState.CLAIMED.value)
                .values(size=size, mtime_ns=mtime_ns)
            )

    def note_content(self, source_id: str, sha256: str) -> None:
        """Note what a claimed file holds that goes no further, for it was sent before; may be repeated."""
        with failpoints.around("ledger.note_content"), self._database.write() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source_id, SOURCE.c.state == SourceState.CLAIMED.value)
                .values(sha256=sha256, records=None)
            )

    def note_wait(self, source_id: str, reason: str, *, retry_at: datetime.datetime | None) -> None:
        """Note that something came in the way of a source, and that it is tried again at ``retry_at``.

        The state stays. A source that was set aside or delivered meanwhile keeps its own reason.
        """
        self.note_waits({source_id: reason}, retry_at=retry_at)

    def note_waits(self, reasons: Mapping[str, str], *, retry_at: datetime.datetime | None) -> None:
        """Do as ``note_wait`` for many sources, by their ids, in one transaction."""
        if not reasons:
            return
        statement = (
            sa.update(SOURCE)
            .where(SOURCE.c.id == sa.bindparam("source_id"), IS_ON_ITS_WAY)
            .values(reason=sa.bindparam("why"), **_wait_until(retry_at))
        )
        with failpoints.around("ledger.note_waits"), self._database.write() as connection:
            connection.execute(statement, [{"source_id": source, "why": why} for source, why in reasons.items()])

    def note_failure(self, source: Source) -> None:
        """Note that the receiver did not take a file of ``source``, as it was read, in a run; may be repeated in it.

        A person's word meanwhile counts for more: then nothing is noted.
        """
        with failpoints.around("ledger.note_failure"), self._database.write() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source.id, SOURCE.c.failures == source.failures, IS_ON_ITS_WAY)
                .values(failures=source.failures + 1)
            )

    # What a person decides.

    def retry(self, source_id: str, *, by: str) -> Source:
        """Try a quarantined, held or waiting source again, now.

        Raises:
            DecisionNeeded: a part of it is uncertain: ``resolve`` comes first.
            ConfigurationError: it is delivered or discarded, or there is none of this id.
        """
        return self._decide(source_id, by=by, released=False)

    def release(self, source_id: str, *, by: str) -> Source:
        """Let a quarantined, held or waiting source go on by a person's word; raises as ``retry``."""
        return self._decide(source_id, by=by, released=True)

    def accept_types(self, source_id: str, accepted: Sequence[Declared], *, reason: str, by: str) -> Source:
        """Register the types that a held source brings, by a person's word, and try it again, in one transaction.

        Others on their way that bring other types, and of which no manifest has left, are read again: the register
        decides about them as it is then. Raises as ``retry``.
        """
        now = self._clock()
        source = self.get(source_id)
        with failpoints.around("ledger.accept_types"), self._database.write() as connection:
            for other in properties.list_contradicting(connection, source, accepted):
                decisions.take_back(
                    connection, other, now=now, reason=f"the types of source {source_id} were accepted", by=by
                )
            properties.accept(connection, source, accepted, now=now, by=by)
            decisions.go_on(connection, source_id, now=now, reason=reason, by=by)
        return self.get(source_id)

    def _decide(self, source_id: str, *, by: str, released: bool) -> Source:
        self.get(source_id)
        reason = "released by a person" if released else "tried again by a person"
        with failpoints.around("ledger.go_on"), self._database.write() as connection:
            decisions.go_on(connection, source_id, now=self._clock(), reason=reason, by=by, released=released)
        return self.get(source_id)

    def _move(self, source_id: str, after: SourceState, *, reason: str | None = None, **values: Any) -> None:
        with failpoints.around(f"ledger.source.{after}"), self._database.write() as connection:
            moves.move_source(connection, source_id, after, now=self._clock(), reason=reason, **values)


def _wait_until(retry_at: datetime.datetime | None) -> dict[str, Any]:
    """Return the columns of a source in whose way something came."""
    return {"attempts": SOURCE.c.attempts + 1, "retry_at": retry_at, "wanted_at": None}
