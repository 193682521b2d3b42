"""What sources counted that the ledger remembers no more, so that no counter falls.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty: nothing was forgotten so far."""
    op.create_table(
        "forgotten",
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("sources", sa.BigInteger(), nullable=False),
        sa.Column("refused_rows", sa.BigInteger(), nullable=False),
        sa.Column("duplicate_rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "state", name=op.f("pk_forgotten")),
        comment="sums over sources that are past ledger.keep_days: what is counted never falls",
    )
