"""Sources in the ledger: claims, what was found in them, and every move of theirs."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.declared import Declared
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.ledger import moves, properties
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, SOURCE_SENT, PartState, SourceState
from sftp_orchestrator.ledger.tables import CLAIM, PART, SOURCE

_LEFT = (PartState.PUBLISHING.value, PartState.UNCERTAIN.value, PartState.DELIVERED.value)


class Sources:
    """Every change of a source's row goes through here."""

    def __init__(self, engine: sa.Engine, clock: moves.Clock) -> None:
        self._engine = engine
        self._clock = clock

    # Claims: the intent is written before the rename, the source's row after it.

    def begin_claims(self, claims: Sequence[Claim]) -> None:
        """Note the intent to claim files, in one transaction, before any is moved."""
        with self._engine.begin() as connection:
            connection.execute(sa.insert(CLAIM), [vars(claim) for claim in claims])

    def list_claims(self) -> list[Claim]:
        """Return the intents whose outcome is not noted: after a crash, those to look at."""
        with self._engine.connect() as connection:
            return [
                Claim(**{**row, "type": FeedType(row["type"])})
                for row in connection.execute(sa.select(CLAIM)).mappings()
            ]

    def finish_claim(self, claim: Claim) -> Source:
        """Turn an intent into a source that is ours; the file lies in the workspace. Once for each claim."""
        now = self._clock()
        with self._engine.begin() as connection:
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
        return self.get(claim.source_id)

    def abandon_claim(self, claim: Claim) -> None:
        """Forget an intent whose file never became ours. May be repeated."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(CLAIM).where(CLAIM.c.source_id == claim.source_id))

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
                hint="`sftp-orchestrator status` lists them",
            )
        return found[0]

    def list_in(self, states: Collection[SourceState]) -> list[Source]:
        """Return the sources in any of ``states``, in the order of arrival."""
        return self._select(SOURCE.c.state.in_([state.value for state in states]))

    def list_blocking_profiles(self, destination: str, *, before: int) -> list[Source]:
        """Return profile sources of ``destination`` claimed before number ``before`` that are not delivered."""
        waiting = [state.value for state in (*SOURCE_ON_ITS_WAY, SourceState.QUARANTINED, SourceState.HELD)]
        return self._select(
            SOURCE.c.state.in_(waiting),
            SOURCE.c.destination == destination,
            SOURCE.c.type == FeedType.PROFILE.value,
            SOURCE.c.number < before,
        )

    def find_same(self, source: Source, sha256: str) -> Source | None:
        """Return the first source with this content that was sent, or is on its way, for the same feed."""
        found = self._select(
            SOURCE.c.sha256 == sha256,
            SOURCE.c.feed == source.feed,
            SOURCE.c.destination == source.destination,
            SOURCE.c.number != source.number,
            SOURCE.c.state.in_([state.value for state in SOURCE_SENT]),
        )
        return found[0] if found else None

    def list_sent(self, source: Source, *, since: datetime.datetime) -> list[Source]:
        """Return the other sources of the same feed and destination that were sent, or are on their way to be.

        Of those claimed ``since`` then, the newest first. One that is held counts where a manifest of it has left.
        """
        left = sa.select(PART.c.source_id).where(PART.c.source_id == SOURCE.c.id, PART.c.state.in_(_LEFT)).exists()
        going = [state.value for state in SOURCE_SENT - SOURCE_ASIDE]
        found = self._select(
            SOURCE.c.feed == source.feed,
            SOURCE.c.destination == source.destination,
            SOURCE.c.id != source.id,
            SOURCE.c.claimed_at >= since,
            sa.or_(SOURCE.c.state.in_(going), sa.and_(SOURCE.c.state == SourceState.HELD.value, left)),
        )
        return found[::-1]

    def list_last_archived(self, limit: int) -> list[Source]:
        """Return the sources that were archived last, the newest first."""
        query = (
            sa.select(SOURCE)
            .where(SOURCE.c.state == SourceState.ARCHIVED.value)
            .order_by(SOURCE.c.changed_at.desc(), SOURCE.c.number.desc())
            .limit(limit)
        )
        with self._engine.connect().execution_options(read_only=True) as connection:
            return [_to_source(row) for row in connection.execute(query).mappings()]

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Source]:
        with self._engine.connect().execution_options(read_only=True) as connection:
            rows = connection.execute(sa.select(SOURCE).where(*where).order_by(SOURCE.c.number)).mappings()
            return [_to_source(row) for row in rows]

    # Moves.

    def finish_inspection(self, source_id: str, found: InspectedFile) -> None:
        """Claimed → inspected, with what was found; the file that was read is the one to send."""
        self._move(source_id, SourceState.INSPECTED, **vars(found))

    def finish_planning(self, source_id: str, parts: Iterable[PlannedPart], *, plan_key: str) -> None:
        """Inspected → planned: the parts, their names and manifests are fixed from here on."""
        planned = list(parts)
        with self._engine.begin() as connection:
            moves.move_source(
                connection, source_id, SourceState.PLANNED, now=self._clock(), attempts=0, plan_key=plan_key
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
        with self._engine.begin() as connection:
            connection.execute(sa.update(SOURCE).where(SOURCE.c.id == source_id).values(sendings=SOURCE.c.sendings + 1))
            return int(connection.execute(sa.select(SOURCE.c.sendings).where(SOURCE.c.id == source_id)).scalar_one())

    def finish_delivery(self, source_id: str) -> None:
        """Ready → delivered: every part's manifest is published; the register learns its properties."""
        now = self._clock()
        with self._engine.begin() as connection:
            left = connection.scalar(
                sa.select(sa.func.count())
                .select_from(PART)
                .where(PART.c.source_id == source_id, PART.c.state != PartState.DELIVERED.value)
            )
            if left:
                raise moves.IllegalMove("move", f"source {source_id}", f"{left} of its parts are not delivered")
            state = connection.scalar(sa.select(SOURCE.c.state).where(SOURCE.c.id == source_id))
            if state == SourceState.PLANNED:
                # Its last open part was decided by a person and never came by "ready".
                moves.move_source(connection, source_id, SourceState.READY, now=now)
            moves.move_source(connection, source_id, SourceState.DELIVERED, now=now, attempts=0, retry_at=None)
            properties.add_delivered(connection, source_id, now=now)

    def finish_archive(self, source_id: str) -> None:
        """Delivered → archived."""
        self._move(source_id, SourceState.ARCHIVED)

    def quarantine(self, source_id: str, reason: str) -> None:
        """claimed, inspected → quarantined: the input's fault."""
        self._move(source_id, SourceState.QUARANTINED, reason=reason, retry_at=None)

    def hold(self, source_id: str, reason: str) -> None:
        """→ held: a person must decide."""
        self._move(source_id, SourceState.HELD, reason=reason, retry_at=None)

    def reclaim(self, source_id: str, reason: str) -> None:
        """→ claimed: read it again. Only while no manifest of it has left; its parts are forgotten."""
        now = self._clock()
        with self._engine.begin() as connection:
            _require_nothing_left(connection, source_id)
            connection.execute(sa.delete(PART).where(PART.c.source_id == source_id))
            moves.move_source(connection, source_id, SourceState.CLAIMED, now=now, reason=reason)

    def reassign(self, source_id: str, *, type_: FeedType, destination: str) -> None:
        """Note what its feed is now, and where it goes. Only while no manifest of it has left."""
        with self._engine.begin() as connection:
            _require_nothing_left(connection, source_id)
            connection.execute(
                sa.update(SOURCE).where(SOURCE.c.id == source_id).values(type=type_.value, destination=destination)
            )

    def has_left(self, source_id: str) -> bool:
        """Return whether a manifest of it has left, or may have."""
        with self._engine.connect().execution_options(read_only=True) as connection:
            return _has_left(connection, source_id)

    def note_change(
        self, source_id: str, reason: str, *, size: int, mtime_ns: int, retry_at: datetime.datetime
    ) -> None:
        """Note that its producer still writes to a claimed file: it is as given now, and read again at ``retry_at``."""
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source_id, SOURCE.c.state == SourceState.CLAIMED.value)
                .values(size=size, mtime_ns=mtime_ns, reason=reason, retry_at=retry_at, attempts=SOURCE.c.attempts + 1)
            )

    def note_wait(self, source_id: str, reason: str, *, retry_at: datetime.datetime | None) -> None:
        """Note that a step failed and is tried again at ``retry_at``; the state stays.

        A source that was set aside or delivered meanwhile keeps its own reason.
        """
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(SOURCE)
                .where(SOURCE.c.id == source_id, SOURCE.c.state.in_([state.value for state in SOURCE_ON_ITS_WAY]))
                .values(reason=reason, retry_at=retry_at, attempts=SOURCE.c.attempts + 1)
            )

    # What a person decides.

    def retry(self, source_id: str, *, by: str) -> Source:
        """Try a quarantined, held or waiting source again, now.

        Raises:
            DecisionNeeded: a part of it is uncertain: ``resolve`` comes first.
            ConfigurationError: it is delivered, or there is none of this id.
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
        with self._engine.begin() as connection:
            for other in properties.list_contradicting(connection, source, accepted):
                _take_back(connection, other, now=now, reason=f"the types of source {source_id} were accepted", by=by)
            properties.accept(connection, source, accepted, now=now, by=by)
            _go_on(connection, source, now=now, reason=reason, by=by, released=False)
        return self.get(source_id)

    def _decide(self, source_id: str, *, by: str, released: bool) -> Source:
        source = self.get(source_id)
        if source.state in {SourceState.DELIVERED, SourceState.ARCHIVED}:
            wanted = "release" if released else "retry"
            raise ConfigurationError(wanted, f"source {source_id}", "it is delivered, nothing is left to do")
        word = "released by a person" if released else "tried again by a person"
        with self._engine.begin() as connection:
            _go_on(connection, source, now=self._clock(), reason=word, by=by, released=released)
        return self.get(source_id)

    def _move(self, source_id: str, after: SourceState, *, reason: str | None = None, **values: Any) -> None:
        with self._engine.begin() as connection:
            moves.move_source(connection, source_id, after, now=self._clock(), reason=reason, **values)


def _go_on(
    connection: sa.Connection, source: Source, *, now: datetime.datetime, reason: str, by: str, released: bool
) -> None:
    """Let a source go on that a person decided about, from where it safely can."""
    values: dict[str, Any] = {
        "attempts": 0,
        "retry_at": now,
        "released": source.released or released,
    }
    if source.state in {SourceState.QUARANTINED, SourceState.HELD}:
        _require_decided(connection, source.id)
        after = SourceState.PLANNED if _has_left(connection, source.id) else SourceState.CLAIMED
        if after is SourceState.CLAIMED:
            connection.execute(sa.delete(PART).where(PART.c.source_id == source.id))
        moves.move_source(connection, source.id, after, now=now, reason=reason, by=by, **values)
    else:
        connection.execute(sa.update(SOURCE).where(SOURCE.c.id == source.id).values(**values))
        moves.note(
            connection,
            now=now,
            source_id=source.id,
            part=None,
            before=source.state,
            after=source.state,
            reason=reason,
            by=by,
        )


def _take_back(connection: sa.Connection, source_id: str, *, now: datetime.datetime, reason: str, by: str) -> None:
    """planned, ready → claimed, while the daemon may be at it; nothing happens where a manifest of it has left."""
    # Their rows are locked first, as by every move of a part: no manifest can leave between this look and the move.
    parts = sa.select(PART.c.state).where(PART.c.source_id == source_id).with_for_update()
    if not set(connection.scalars(parts)) & set(_LEFT):
        connection.execute(sa.delete(PART).where(PART.c.source_id == source_id))
        moves.move_source(
            connection, source_id, SourceState.CLAIMED, now=now, reason=reason, by=by, attempts=0, retry_at=now
        )


def _count(connection: sa.Connection, source_id: str, states: Sequence[str]) -> int:
    return (
        connection.scalar(
            sa.select(sa.func.count()).select_from(PART).where(PART.c.source_id == source_id, PART.c.state.in_(states))
        )
        or 0
    )


def _has_left(connection: sa.Connection, source_id: str) -> bool:
    return _count(connection, source_id, _LEFT) > 0


def _require_nothing_left(connection: sa.Connection, source_id: str) -> None:
    if _has_left(connection, source_id):
        raise DecisionNeeded("read again", f"source {source_id}", "manifests of it have left already")


def _require_decided(connection: sa.Connection, source_id: str) -> None:
    # A part in "publishing" is no obstacle: the next run finds out what became of it before anything else.
    if _count(connection, source_id, (PartState.UNCERTAIN.value,)):
        raise DecisionNeeded(
            "retry",
            f"source {source_id}",
            "whether the receiver took a part of it is not known",
            hint=f"`sftp-orchestrator resolve {source_id} --delivered` or `--resend` says so",
        )


def _to_source(row: sa.RowMapping) -> Source:
    values = dict(row)
    values["state"] = SourceState(values["state"])
    values["type"] = FeedType(values["type"])
    return Source(**values)
