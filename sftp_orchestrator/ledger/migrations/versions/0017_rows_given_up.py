"""Refused rows of delivered sources that a person gave up: they are put away, at the next start too, and not shown.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "rows_given_up",
        sa.Column("source_id", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_rows_given_up_source_id")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_rows_given_up")),
        comment="delivered sources whose refused rows a person gave up",
    )
