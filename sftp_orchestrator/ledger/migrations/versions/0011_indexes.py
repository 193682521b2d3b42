"""Indexes by which no question of the daemon's reads every source or run.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROWS_LEFT_OUT = sa.text("(refused_rows > 0 OR duplicate_rows > 0)")
_UNFINISHED = sa.text("(finished_at IS NULL)")


def upgrade() -> None:
    """Add them; two are part of larger ones. Some seconds for a million sources."""
    op.create_index("ix_source_state_changed_at", "source", ["state", "changed_at"])
    op.drop_index("ix_source_state", table_name="source")
    op.create_index("ix_source_relative_path", "source", ["relative_path"])
    op.create_index("ix_source_feed_destination_claimed_at", "source", ["feed", "destination", "claimed_at"])
    op.drop_index("ix_source_rows_left_out", table_name="source")
    op.create_index(
        "ix_source_rows_left_out",
        "source",
        ["changed_at", "feed", "state", "refused_rows", "duplicate_rows"],
        sqlite_where=_ROWS_LEFT_OUT,
        postgresql_where=_ROWS_LEFT_OUT,
    )
    op.create_index("ix_run_unfinished", "run", ["started_at"], sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED)
