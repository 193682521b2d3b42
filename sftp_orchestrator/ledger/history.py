"""Lines of history: what is noted within a transaction is written at its end, by one statement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints
from sftp_orchestrator.ledger.tables import HISTORY

_PENDING = "sftp_orchestrator.history"
"""Where a connection keeps the lines of its transaction: as long as that one, and for nobody else."""
_NOTE = sa.insert(HISTORY)


@contextlib.contextmanager
def gathered(connection: sa.Connection) -> Iterator[None]:
    """Write what was noted inside, in its order; nothing of it where an exception ends it."""
    lines: list[dict[str, Any]] = []
    # Asked for once: a connection that was lost meanwhile has none any more.
    info = connection.info
    info[_PENDING] = lines
    try:
        yield
        if lines:
            with failpoints.around("ledger.history"):
                connection.execute(_NOTE, lines)
    finally:
        # The record of a connection that was lost may be another thread's by now.
        if info.get(_PENDING) is lines:
            del info[_PENDING]


@contextlib.contextmanager
def forgotten_if_undone(connection: sa.Connection) -> Iterator[None]:
    """Forget what was noted inside where an exception ends it, and keep what was noted before."""
    lines = connection.info[_PENDING]
    before = len(lines)
    try:
        yield
    except BaseException:
        del lines[before:]
        raise


def note(connection: sa.Connection, **line: Any) -> None:
    """Add a line, its values by the names of the table's columns, to the transaction that ``connection`` is in."""
    connection.info[_PENDING].append(line)
