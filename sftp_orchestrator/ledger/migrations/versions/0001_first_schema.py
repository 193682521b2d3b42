"""The first schema: claims, sources, parts, history, runs, ticks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Take an empty database to this revision."""
    op.create_table(
        "claim",
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("relative_path", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_claim")),
        comment="the intent to claim a file: written before the rename, gone when the source's row is there",
    )
    op.create_table(
        "run",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("verdict", sa.String(length=20), nullable=True),
        sa.Column("delivered", sa.Integer(), nullable=True),
        sa.Column("not_delivered", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_run")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "source",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("relative_path", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("claimed_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=True),
        sa.Column("header_bytes", sa.LargeBinary(), nullable=True),
        sa.Column("earliest_ts", sa.BigInteger(), nullable=True),
        sa.Column("sendings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.DateTime(), nullable=True),
        sa.Column("released", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint(
            "state IN ('claimed', 'inspected', 'planned', 'ready', 'delivered', 'archived', 'quarantined', 'held')",
            name=op.f("ck_source_state"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_source")),
        sa.UniqueConstraint("id", name=op.f("uq_source_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_source_sha256"), "source", ["sha256"], unique=False)
    op.create_index(op.f("ix_source_state"), "source", ["state"], unique=False)
    op.create_table(
        "tick",
        sa.Column("schedule", sa.String(length=100), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("taken_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("schedule", "due_at", name=op.f("pk_tick")),
        comment="one row a cron tick that was taken; its key is what keeps a tick from being taken twice",
    )
    op.create_table(
        "history",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.Column("part", sa.Integer(), nullable=True),
        sa.Column("before", sa.String(length=12), nullable=True),
        sa.Column("after", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_history_source_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_history")),
        comment="every move, in order; rows are only ever added",
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_history_source_id"), "history", ["source_id"], unique=False)
    op.create_table(
        "part",
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("data_name", sa.String(length=200), nullable=False),
        sa.Column("manifest_name", sa.String(length=200), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'ready', 'uploaded', 'publishing', 'delivered', 'uncertain')",
            name=op.f("ck_part_state"),
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_part_source_id")),
        sa.PrimaryKeyConstraint("source_id", "number", name=op.f("pk_part")),
        sa.UniqueConstraint("data_name", name=op.f("uq_part_data_name")),
        sa.UniqueConstraint("manifest_name", name=op.f("uq_part_manifest_name")),
    )
    op.create_index("ix_part_state_source_id", "part", ["state", "source_id"], unique=False)
