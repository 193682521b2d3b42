"""What the ready marker of a claimed file was, so that the marker of the next file is not taken for it.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the marker of a claim that is open now stays where it is."""
    op.add_column("claim", sa.Column("marker", sa.String(length=60), nullable=True))
