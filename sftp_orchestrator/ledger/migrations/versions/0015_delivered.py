"""Sums over what was delivered, so that to tell them nobody reads every source.

They begin with the sources that the ledger remembers: of forgotten ones it never knew size and destination.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, and fill it."""
    op.create_table(
        "delivered",
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("sources", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("feed", "destination", name=op.f("pk_delivered")),
        comment="sums over everything that was delivered, forgotten or not: nobody reads all sources to tell them",
    )
    op.execute(
        "INSERT INTO delivered (feed, destination, sources, bytes, records, last_at)"
        " SELECT feed, destination, count(*), sum(size), sum(coalesce(records, 0)), max(changed_at)"
        " FROM source WHERE state IN ('delivered', 'archived') GROUP BY feed, destination"
    )
