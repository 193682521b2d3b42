"""The register of properties, filled from what was delivered before there was one.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from sftp_orchestrator.destination.declared import read_declared

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_DELIVERED = sa.text(
    """
    SELECT source.id, source.type AS kind, source.destination, source.header_bytes, source.plan_key, part.manifest,
        coalesce(part.delivered_at, source.changed_at) AS since
    FROM source JOIN part ON part.source_id = source.id AND part.number = 1
    WHERE source.state IN ('delivered', 'archived') AND source.header_bytes IS NOT NULL
    ORDER BY since, source.number
    """
).columns(since=sa.DateTime())


def upgrade() -> None:
    """Add the table; of two deliveries that contradict each other the first one counts, as it does at the receiver."""
    table = op.create_table(
        "property",
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("date_format", sa.String(length=40), nullable=True),
        sa.Column("column", sa.Text(), nullable=False),
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("accepted_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_property_source_id")),
        sa.PrimaryKeyConstraint("destination", "kind", "name", name=op.f("pk_property")),
        comment="the type that a property has at a destination, by what was delivered first or accepted by a person",
    )
    rows = _list_delivered(op.get_bind())
    if rows:
        op.bulk_insert(table, rows)


def _list_delivered(connection: sa.Connection) -> list[dict[str, object]]:
    found: dict[tuple[str, str, str], dict[str, object]] = {}
    # A start must not take minutes: of a million deliveries most look alike, and only the first of these is read.
    seen: set[tuple[str, str, bytes, str]] = set()
    for row in connection.execute(_DELIVERED, execution_options={"yield_per": 1000}).mappings():
        shape = (row["destination"], row["kind"], row["header_bytes"], row["plan_key"])
        if shape in seen:
            continue
        if row["plan_key"] is not None:
            seen.add(shape)
        for declared in read_declared(row["manifest"], row["header_bytes"]):
            key = (row["destination"], row["kind"], declared.name)
            values = {**vars(declared), "type": declared.type.value, "source_id": row["id"]}
            found.setdefault(
                key,
                {"destination": key[0], "kind": key[1], **values, "since": row["since"], "accepted_by": None},
            )
    return list(found.values())
