"""The state of a source that a person gave up.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from alembic import op

from sftp_orchestrator.errors import LocalFault

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAME = "ck_source_state"
_STATES = (
    "state IN ('claimed', 'inspected', 'planned', 'ready', 'delivered', 'archived', 'quarantined', 'held', 'discarded')"
)


def upgrade() -> None:
    """Let a source be ``discarded``; everything that is there stays as it is. SQLite copies the table for it."""
    with op.batch_alter_table("source", table_kwargs={"sqlite_autoincrement": True}) as source:
        source.drop_constraint(op.f(_NAME), type_="check")
        source.create_check_constraint(op.f(_NAME), _STATES)
    if op.get_bind().dialect.name == "sqlite":
        _require_references()


def _require_references() -> None:
    """Raise where a row refers to no source any more: while a table is copied, SQLite does not look."""
    dangling = op.get_bind().exec_driver_sql("PRAGMA foreign_key_check").all()
    if dangling:
        cause = f"{len(dangling)} of its rows refer to no source"
        raise LocalFault("migrate", "the ledger", cause, hint="nothing was changed; restore it from a backup")
