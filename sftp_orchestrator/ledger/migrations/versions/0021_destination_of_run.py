"""Where a run goes, so that what was asked for and has begun is told from what has not.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of the runs so far nobody knows it, and nobody asks."""
    op.add_column("run", sa.Column("destination", sa.String(length=40), nullable=True))
