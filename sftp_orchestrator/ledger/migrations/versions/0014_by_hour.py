"""Indexes by which what became of files is counted by the hour.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OUTCOME = sa.text("(part IS NULL AND \"after\" IN ('delivered', 'quarantined', 'held'))")
_DELIVERED_AT_IS_KNOWN = sa.text("(delivered_at IS NOT NULL)")


def upgrade() -> None:
    """Add them, of few moves and of delivered parts. Some seconds for a million sources."""
    op.create_index(
        "ix_history_at_after_part", "history", ["at", "after", "part"], sqlite_where=_OUTCOME, postgresql_where=_OUTCOME
    )
    op.create_index(
        "ix_part_delivered_at_size",
        "part",
        ["delivered_at", "size"],
        sqlite_where=_DELIVERED_AT_IS_KNOWN,
        postgresql_where=_DELIVERED_AT_IS_KNOWN,
    )
