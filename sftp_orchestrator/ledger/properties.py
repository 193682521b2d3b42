"""The register of properties in the ledger: which type each has at a destination, for ever, and since when."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.declared import Declared, read_declared
from sftp_orchestrator.ledger.records import Property, Source
from sftp_orchestrator.ledger.states import SOURCE_DONE, SOURCE_SENT, SourceState
from sftp_orchestrator.ledger.tables import PART, PROPERTY, SOURCE
from sftp_orchestrator.ledger.transactions import Transactions

_KEY = [column.name for column in PROPERTY.primary_key]
_ON_THEIR_WAY = SOURCE_SENT - SOURCE_DONE
"""Where such a source has parts, their manifests are fixed and may have left."""
_FIRST_PART = sa.and_(PART.c.source_id == SOURCE.c.id, PART.c.number == 1)
"""One part speaks for all: the manifests of a source differ in nothing but the file that they name."""

_ALIKE = (
    SOURCE.c.destination,
    SOURCE.c.feed,
    # What was planned before plans had a key is like no other.
    sa.func.coalesce(SOURCE.c.plan_key, SOURCE.c.id),
    SOURCE.c.header_bytes,
)
"""Sources that agree in these bring the same properties: of a thousand of them one is read."""
_FIRST_ALIKE = (
    sa.select(SOURCE.c.id, SOURCE.c.destination, SOURCE.c.type, SOURCE.c.header_bytes, PART.c.manifest)
    .join(PART, _FIRST_PART)
    .where(
        SOURCE.c.number.in_(
            sa.select(sa.func.min(SOURCE.c.number))
            .where(SOURCE.c.id.in_(sa.bindparam("ids", expanding=True)))
            .group_by(*_ALIKE)
        )
    )
    .order_by(SOURCE.c.number)
)


class Properties:
    """Reads the register. It is written by ``Sources`` alone, in the transaction of the move that it belongs to."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def list_all(self, *, destination: str | None = None, kind: FeedType | None = None) -> list[Property]:
        """Return what is registered, by destination, kind and name; of one destination or kind, or of all."""
        query = (
            sa.select(PROPERTY, SOURCE.c.feed, SOURCE.c.relative_path)
            .join(SOURCE, SOURCE.c.id == PROPERTY.c.source_id)
            .order_by(*PROPERTY.primary_key)
        )
        if destination is not None:
            query = query.where(PROPERTY.c.destination == destination)
        if kind is not None:
            query = query.where(PROPERTY.c.kind == kind.value)
        with self._database.read() as connection:
            return [_to_property(row) for row in connection.execute(query).mappings()]

    def list_on_their_way(self, destination: str, kind: FeedType, *, besides: str | None = None) -> list[Property]:
        """Return what sources that have parts and are not delivered yet bring, ``besides`` one of them.

        Each property once, by the source that was claimed first.
        """
        alike = (
            sa.select(sa.func.min(SOURCE.c.number))
            .join(PART, _FIRST_PART)
            .where(*_are_on_their_way(destination, kind, besides))
            .group_by(*_ALIKE)
        )
        query = (
            sa.select(SOURCE, PART.c.manifest)
            .join(PART, _FIRST_PART)
            .where(SOURCE.c.number.in_(alike))
            .order_by(SOURCE.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        found: dict[str, Property] = {}
        for row in rows:
            for brought in _list_brought(row):
                found.setdefault(brought.name, brought)
        return list(found.values())


def add_delivered(connection: sa.Connection, source_ids: Sequence[str], *, now: datetime.datetime) -> None:
    """Register what sources declared that are delivered now; what is known stays as it is. May be repeated."""
    values: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in connection.execute(_FIRST_ALIKE, {"ids": source_ids}).mappings():
        for declared in _read_declared(row):
            made = _make_row(
                row["destination"], row["type"], declared, source_id=row["id"], since=now, accepted_by=None
            )
            values.setdefault(tuple(made[name] for name in _KEY), made)
    if values:
        insert = _insert(connection).on_conflict_do_nothing(index_elements=_KEY)
        connection.execute(insert, [values[key] for key in sorted(values)])


def accept(
    connection: sa.Connection, source: Source, accepted: Sequence[Declared], *, now: datetime.datetime, by: str
) -> None:
    """Register the types that ``source`` brings by a person's word, in place of those that were there."""
    values = [
        _make_row(source.destination, source.type, declared, source_id=source.id, since=now, accepted_by=by)
        for declared in accepted
    ]
    statement = _insert(connection)
    changed = {column.name: statement.excluded[column.name] for column in PROPERTY.c if not column.primary_key}
    connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed), values)


def list_contradicting(connection: sa.Connection, source: Source, accepted: Sequence[Declared]) -> list[str]:
    """Return the ids of other sources, planned or ready, that bring other types than ``accepted``.

    Those that a person released are left out: they go by that word.
    """
    types = {declared.name: declared.type for declared in accepted}
    query = (
        sa.select(SOURCE, PART.c.manifest)
        .join(PART, _FIRST_PART)
        .where(
            *_are_on_their_way(source.destination, source.type, source.id),
            SOURCE.c.state != SourceState.HELD.value,
            sa.not_(SOURCE.c.released),
        )
        .order_by(SOURCE.c.number)
    )
    return [
        row["id"]
        for row in connection.execute(query).mappings()
        if any(types.get(declared.name, declared.type) is not declared.type for declared in _read_declared(row))
    ]


def _are_on_their_way(destination: str, kind: FeedType, besides: str | None) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        SOURCE.c.destination == destination,
        SOURCE.c.type == kind.value,
        SOURCE.c.state.in_([state.value for state in _ON_THEIR_WAY]),
        SOURCE.c.id != (besides or ""),
    )


def _read_declared(row: sa.RowMapping) -> tuple[Declared, ...]:
    return read_declared(row["manifest"], row["header_bytes"] or b"")


def _list_brought(row: sa.RowMapping) -> Iterator[Property]:
    for declared in _read_declared(row):
        yield Property(
            destination=row["destination"],
            kind=FeedType(row["type"]),
            **vars(declared),
            source_id=row["id"],
            feed=row["feed"],
            relative_path=row["relative_path"],
            since=row["changed_at"],
            accepted_by=None,
            is_on_its_way=True,
        )


def _make_row(destination: str, kind: str, declared: Declared, **values: Any) -> dict[str, Any]:
    return {"destination": destination, "kind": str(kind), **vars(declared), "type": declared.type.value, **values}


def _insert(connection: sa.Connection) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT for this database: both say in one way what happens to a key that is there already."""
    return postgresql.insert(PROPERTY) if connection.dialect.name == "postgresql" else sqlite.insert(PROPERTY)


def _to_property(row: sa.RowMapping) -> Property:
    values = dict(row)
    values["kind"] = FeedType(values["kind"])
    values["type"] = DataType(values["type"])
    return Property(**values)
