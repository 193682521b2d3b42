"""Rows of a source that are left out because they were there before.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was delivered before had none."""
    op.add_column("source", sa.Column("duplicate_rows", sa.BigInteger(), server_default="0", nullable=False))
