from __future__ import annotations

import sys

from tests.support import forked

SLOW = frozenset({"alembic.command", "asyncssh", "duckdb", "pydantic", "sftp_orchestrator.daemon", "sqlalchemy"})
"""What takes long to import, and what imports most of it."""


def _count_missing() -> None:
    sys.exit(len(SLOW - sys.modules.keys()))


def test_a_forked_command_begins_with_everything_imported() -> None:
    """Commands are forked by the thousand; one that read its libraries itself would take several times as long."""
    process = forked._SERVER.Process(target=_count_missing)
    process.start()
    process.join()
    assert process.exitcode == 0
