"""Sources in the ledger: claims, what was found in them, and every move of theirs."""

from __future__ import annotations

import dataclasses
import datetime
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.declared import Declared
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger import claims as claiming
from sftp_orchestrator.ledger import decisions, delivering, leftovers, moves, properties
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PendingProfiles, PlannedPart, Source, to_source
from sftp_orchestrator.ledger.states import (
    SOURCE_ASIDE,
    SOURCE_ON_ITS_WAY,
    SOURCE_OPEN,
    SOURCE_SENT,
    PartState,
    SourceState,
)
from sftp_orchestrator.ledger.tables import CLAIM, PART, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions, split_ids

_HAS_LEFT = (
    sa.select(PART.c.source_id).where(PART.c.source_id == SOURCE.c.id, PART.c.state.in_(decisions.LEFT)).exists()
)
_FIRST_SAME = (
    sa.select(SOURCE)
    .where(
        SOURCE.c.sha256 == sa.bindparam("sha256"),
        SOURCE.c.feed == sa.bindparam("feed"),
        SOURCE.c.destination == sa.bindparam("destination"),
        SOURCE.c.id != sa.bindparam("besides"),
        sa.or_(
            sa.and_(SOURCE.c.state.in_([state.value for state in SOURCE_SENT]), SOURCE.c.records.is_not(None)),
            sa.and_(SOURCE.c.state == SourceState.DISCARDED.value, _HAS_LEFT),
        ),
    )
    .order_by(SOURCE.c.number)
    .limit(1)
)
_IS_ON_ITS_WAY = sa.or_(*(SOURCE.c.state == state.value for state in sorted(SOURCE_ON_ITS_WAY)))
"""Spelled out: a list cannot be given with a statement that runs once for each of many rows."""

_TAKE_SENDING = (
    sa.update(SOURCE)
    .where(SOURCE.c.id == sa.bindparam("source"))
    .values(sendings=SOURCE.c.sendings + 1)
    .returning(SOURCE.c.sendings)
)
_NOT_AWAITED: dict[str, Any] = {"retry_at": None, "wanted_at": None}
"""Columns of a source that nothing is tried with by itself."""


class Sources:
    """Every change of a source's row goes through here."""

    def __init__(self, database: Transactions, clock: moves.Clock) -> None:
        self._database = database
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

    # Reading.

    def get(self, source_id: str) -> Source:
        """Return one source.

        Raises:
            ConfigurationError: there is none of this id.
        """
        found = self._select(SOURCE.c.id == source_id)
        if not found:
            raise ConfigurationError(
                "find",
                f"source {source_id}",
                "the ledger has no such id",
                hint="`sftp-orchestrator status` lists what waits, `sftp-orchestrator history` what was delivered",
            )
        return found[0]

    def list_of(self, source_ids: Collection[str]) -> list[Source]:
        """Return the sources of these ids that the ledger knows, in the order of arrival."""
        found = [source for some in split_ids(source_ids) for source in self._select(SOURCE.c.id.in_(some))]
        return sorted(found, key=lambda source: source.number)

    def list_discarded_of(self, source_ids: Collection[str]) -> list[Source]:
        """Return those of these ids that are discarded, in no order; however many there are in all."""
        # A state is looked at, not looked up: there may be more discarded ones than ids.
        is_discarded = sa.func.coalesce(SOURCE.c.state, "") == SourceState.DISCARDED.value
        return [
            source for some in split_ids(source_ids) for source in self._select(SOURCE.c.id.in_(some), is_discarded)
        ]

    def list_in(self, states: Collection[SourceState]) -> list[Source]:
        """Return the sources in any of ``states``, in the order of arrival."""
        return self._select(SOURCE.c.state.in_([state.value for state in states]))

    def list_first(self, states: Sequence[SourceState], limit: int) -> list[Source]:
        """Return at most so many sources in ``states``, in the order of arrival: however many there are.

        Of the first of these states first; of each those that have been in it for longest.
        """
        found: list[Source] = []
        with self._database.read() as connection:
            for state in states:
                query = sa.select(SOURCE).where(SOURCE.c.state == state.value).limit(limit - len(found))
                rows = connection.execute(query.order_by(SOURCE.c.changed_at, SOURCE.c.number)).mappings()
                found += [to_source(dict(row)) for row in rows]
        return sorted(found, key=lambda source: source.number)

    def list_states(self, states: Collection[SourceState]) -> dict[str, SourceState]:
        """Return the sources in any of ``states`` in the order of arrival, by ids alone: there may be 100,000."""
        query = sa.select(SOURCE.c.id, SOURCE.c.state).where(SOURCE.c.state.in_([state.value for state in states]))
        with self._database.read() as connection:
            return {row.id: SourceState(row.state) for row in connection.execute(query.order_by(SOURCE.c.number))}

    def list_stubborn(self, *, failures: int, attempts: int) -> dict[str, str]:
        """Return the destinations of sources that do not go on by themselves, by the ids of these.

        So often in a row the receiver did not take a file of it, or it could not be read or planned.
        """
        unread = [SourceState.CLAIMED.value, SourceState.INSPECTED.value]
        query = sa.select(SOURCE.c.id, SOURCE.c.destination).where(
            _IS_ON_ITS_WAY,
            sa.or_(SOURCE.c.failures >= failures, sa.and_(SOURCE.c.attempts >= attempts, SOURCE.c.state.in_(unread))),
        )
        with self._database.read() as connection:
            return {row.id: row.destination for row in connection.execute(query)}

    def list_pending_profiles(
        self,
        destination: str,
        *,
        states: Collection[SourceState] = SOURCE_OPEN,
        released: bool | None = None,
        limit: int | None = None,
    ) -> list[PendingProfiles]:
        """Return the first profile sources of ``destination`` that are not delivered, in the order of arrival."""
        columns = (SOURCE.c[field.name] for field in dataclasses.fields(PendingProfiles))
        query = (
            sa.select(*columns).where(*_are_profiles(destination, states, released=released)).order_by(SOURCE.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).mappings()
            return [PendingProfiles(**{**row, "state": SourceState(row["state"])}) for row in rows]

    def list_profile_numbers(
        self, destination: str, *, states: Collection[SourceState], released: bool | None = None
    ) -> array[int]:
        """Return the numbers of all profile sources of ``destination`` in ``states``, rising; there may be many."""
        query = sa.select(SOURCE.c.number).where(*_are_profiles(destination, states, released=released))
        with self._database.read() as connection:
            return array("q", sorted(connection.scalars(query)))

    def find_same(self, feed: str, destination: str, sha256: str, *, besides: str | None = None) -> Source | None:
        """Return the first source with this content that was sent, or is on its way, ``besides`` one of them.

        One that was discarded counts where a manifest of it has left; one that is held as a mere copy does not.
        """
        wanted = {"sha256": sha256, "feed": feed, "destination": destination, "besides": besides or ""}
        with self._database.read() as connection:
            row = connection.execute(_FIRST_SAME, wanted).mappings().first()
        return to_source(dict(row)) if row is not None else None

    def list_sent(
        self, feed: str, destination: str, *, since: datetime.datetime, besides: str | None = None
    ) -> list[Source]:
        """Return the sources of a feed and destination that were sent, or are on their way to be, ``besides`` one.

        Of those claimed ``since`` then, the newest first. One that is held, or was discarded, counts where a manifest
        of it has left.
        """
        stopped = [SourceState.HELD.value, SourceState.DISCARDED.value]
        going = [state.value for state in SOURCE_SENT - SOURCE_ASIDE]
        found = self._select(
            SOURCE.c.feed == feed,
            SOURCE.c.destination == destination,
            SOURCE.c.id != (besides or ""),
            SOURCE.c.claimed_at >= since,
            sa.or_(SOURCE.c.state.in_(going), sa.and_(SOURCE.c.state.in_(stopped), _HAS_LEFT)),
        )
        return found[::-1]

    def list_last(self, state: SourceState, limit: int) -> list[Source]:
        """Return the sources that came to ``state`` last, and are in it still, the newest first."""
        query = (
            sa.select(SOURCE)
            .where(SOURCE.c.state == state.value)
            .order_by(SOURCE.c.changed_at.desc(), SOURCE.c.number.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [to_source(dict(row)) for row in connection.execute(query).mappings()]

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Source]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(SOURCE).where(*where).order_by(SOURCE.c.number)).mappings()
            return [to_source(dict(row)) for row in rows]

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

    def hold(self, source_id: str, reason: str) -> None:
        """→ held: a person must decide."""
        self._move(source_id, SourceState.HELD, reason=reason, **_NOT_AWAITED)

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
            .where(SOURCE.c.id == sa.bindparam("source_id"), _IS_ON_ITS_WAY)
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
                .where(SOURCE.c.id == source.id, SOURCE.c.failures == source.failures, _IS_ON_ITS_WAY)
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


def _are_profiles(
    destination: str, states: Collection[SourceState], *, released: bool | None
) -> list[sa.ColumnElement[bool]]:
    return [
        SOURCE.c.state.in_([state.value for state in states]),
        SOURCE.c.destination == destination,
        SOURCE.c.type == FeedType.PROFILE.value,
        *([SOURCE.c.released == released] if released is not None else []),
    ]


def _wait_until(retry_at: datetime.datetime | None) -> dict[str, Any]:
    """Return the columns of a source in whose way something came."""
    return {"attempts": SOURCE.c.attempts + 1, "retry_at": retry_at, "wanted_at": None}
