"""Finds the sources of which not all rows are sent, without reading all of them.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WHERE = sa.text("(refused_rows > 0 OR duplicate_rows > 0)")


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_source_rows_left_out", "source", ["changed_at"], sqlite_where=_WHERE, postgresql_where=_WHERE)
