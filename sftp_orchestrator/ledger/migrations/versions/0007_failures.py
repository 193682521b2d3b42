"""What came in the way of a source told apart: failures of that very file, and a person's wish.

Revision ID: 0007
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. A wish was told by a time to try again without an attempt; failures are counted anew."""
    op.add_column("source", sa.Column("failures", sa.Integer(), server_default="0", nullable=False))
    op.add_column("source", sa.Column("wanted_at", sa.DateTime(), nullable=True))
    op.execute("UPDATE source SET wanted_at = retry_at WHERE attempts = 0 AND retry_at IS NOT NULL")
