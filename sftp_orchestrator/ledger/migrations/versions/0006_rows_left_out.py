"""Finds the sources of which not all rows are sent, without reading all of them.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WHERE = sa.text("(refused_rows > 0 OR duplicate_rows > 0)")


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_source_rows_left_out", "source", ["changed_at"], sqlite_where=_WHERE, postgresql_where=_WHERE)
