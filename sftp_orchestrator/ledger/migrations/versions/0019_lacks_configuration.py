"""Sources that are held for a feed or destination which the configuration lacks: they go on once it is there again.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what is held for that already waits for a person, as it was told."""
    op.add_column("source", sa.Column("lacks_configuration", sa.Boolean(), nullable=False, server_default=sa.false()))
