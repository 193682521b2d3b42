"""Complete files that the intake could not claim, and why, for people to see.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "untaken",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("relative_path", sa.LargeBinary(), nullable=False),
        sa.Column("feed", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_untaken")),
        comment="complete files that the last scan could not claim, the first of them, for people to see",
    )
