"""Deadlines by which no file of a feed had come, so that a restart neither repeats nor forgets one.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "missing_file",
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("noticed_at", sa.DateTime(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(), nullable=True),
        sa.Column("source_id", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("feed", "due_at", name=op.f("pk_missing_file")),
        comment="deadlines by which no file of a feed had come; its key is what keeps one from being told of twice",
    )
