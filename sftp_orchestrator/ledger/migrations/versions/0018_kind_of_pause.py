"""Of what kind the failure was that has a destination left alone: whether only a person can mend it.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of a pause that was noted before it is known only whether we were let in."""
    op.add_column("pause", sa.Column("kind", sa.String(length=12), server_default="other", nullable=False))
    op.execute("UPDATE pause SET kind = 'session' WHERE refusals > 0")
