"""A ledger in which many profile sources, and events behind them, wait: as after a night without the receiver."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.ledger.tables import SOURCE

_AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def fill_ledger(
    configuration: Configuration,
    count: int,
    *,
    profiles: SourceState = SourceState.CLAIMED,
    events: SourceState = SourceState.CLAIMED,
) -> None:
    """Add ``count`` profile sources in one state, then as many of events in another; their files are nowhere."""
    configuration.workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    kinds = ((FeedType.PROFILE, "customers", profiles), (FeedType.EVENT, "purchases", events))
    rows = [
        {
            "id": f"{kind.value[0]}{number:07d}",
            "feed": feed,
            "type": kind.value,
            "destination": "production",
            "relative_path": f"{feed}_{number}.csv".encode(),
            "state": state.value,
            "claimed_at": _AT,
            "changed_at": _AT,
            "size": 100,
            "mtime_ns": 1,
        }
        for kind, feed, state in kinds
        for number in range(count)
    ]
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger, ledger._engine.begin() as connection:
        connection.execute(sa.insert(SOURCE), rows)


@contextlib.contextmanager
def noting_rows(ledger: Ledger) -> Iterator[list[tuple[Any, ...]]]:
    """Note every row that an SQLite ``ledger`` gives for the time of the context."""
    rows: list[tuple[Any, ...]] = []

    def note(_cursor: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
        rows.append(row)
        return row

    def begin(connection: sqlite3.Connection, *_: object) -> None:
        connection.row_factory = note

    sa.event.listen(ledger._engine, "checkout", begin)
    try:
        yield rows
    finally:
        sa.event.remove(ledger._engine, "checkout", begin)
        # Kept connections would go on noting.
        ledger._engine.dispose()


@contextlib.contextmanager
def counting_statements(ledger: Ledger) -> Iterator[list[str]]:
    """Note every SQL statement of ``ledger`` for the time of the context."""
    statements: list[str] = []

    def note(_connection: sa.Connection, _cursor: object, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(ledger._engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(ledger._engine, "before_cursor_execute", note)
