"""Runs that a person asked the daemon for.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "run_request",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("feed", sa.String(length=40), nullable=True),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_run_request")),
        comment="runs that a person asked for and that have not ended yet",
        sqlite_autoincrement=True,
    )
