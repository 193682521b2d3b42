"""What came in the way of a source told apart, and data at receivers that no part speaks of any more.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and table. A wish was told by a time to try again without an attempt; failures are counted anew."""
    op.add_column("source", sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("source", sa.Column("wanted_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE source SET wanted_at = retry_at WHERE attempts = 0 AND retry_at IS NOT NULL")
    op.create_table(
        "leftover",
        sa.Column("data_name", sa.String(length=200), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_leftover_source_id")),
        sa.PrimaryKeyConstraint("data_name", name=op.f("pk_leftover")),
        comment="data that may lie at a receiver and belongs to no part any more: to be removed there",
    )
