"""Refused rows of a source, whether what is sent is a file of ours, and what its plan depends on.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was delivered before had neither."""
    op.add_column("source", sa.Column("refused_rows", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("source", sa.Column("is_rewritten", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("source", sa.Column("plan_key", sa.String(length=64), nullable=True))
