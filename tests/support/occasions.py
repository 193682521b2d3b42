"""What others do to a delivery, and to its machine: a producer, an intruder, the clock."""

from __future__ import annotations

import dataclasses
import datetime
import os
import signal
from pathlib import Path

import sqlalchemy as sa

from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.ledger.database import open_database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.tables import HISTORY, RUN, SOURCE, TICK
from sftp_orchestrator.workspace import Workspace
from tests.support.drops import Drop

DEAD_PORT = 1
SELDOM = "0 0 1 1 *"
EXPECTED = {"by": "03:00"}
_DAYS = datetime.timedelta(days=365)


def let_time_go_by(ledger_url: str, workspace: Path) -> None:
    """Let all that is noted in a ledger be a year older."""
    engine = open_database(ledger_url, workspace)
    with engine.begin() as connection:
        for table, column in ((SOURCE, "changed_at"), (HISTORY, "at"), (RUN, "started_at")):
            now = connection.scalar(sa.select(sa.func.max(table.c[column])))
            connection.execute(sa.update(table).values({column: now - _DAYS}))
    engine.dispose()


def take_tick_ahead(ledger_url: str, workspace: Path) -> None:
    """Note a tick of ``SELDOM`` as a clock would that is a year ahead."""
    at = datetime.datetime.now(datetime.UTC) + _DAYS
    engine = open_database(ledger_url, workspace)
    with engine.begin() as connection:
        connection.execute(sa.insert(TICK).values(schedule=f"{SELDOM} UTC production", due_at=at, taken_at=at))
    engine.dispose()


def miss_deadline(ledger_url: str, workspace: Path) -> None:
    """Let the deadlines of ``EXPECTED`` have been judged for the last time a year ago."""
    engine = open_database(ledger_url, workspace)
    with engine.begin() as connection:
        at = datetime.datetime.now(datetime.UTC) - _DAYS
        key = "0 3 * * * UTC production purchases expected"
        connection.execute(sa.insert(TICK).values(schedule=key, due_at=at, taken_at=at))
    engine.dispose()


def ask_for_run(ledger_url: str, workspace: Path) -> None:
    """Note that a person wants a run, as beside a daemon that was stopped before it had noticed."""
    engine = open_database(ledger_url, workspace)
    Ledger(engine).requests.ask("production", None, by="anna")
    engine.dispose()


def stand_in_for_daemon(workspace: Path) -> WorkspaceLock:
    """Return the lock that a daemon holds for as long as it runs."""
    return WorkspaceLock(Workspace(root=workspace).lock)


def stop_this_process() -> None:
    """Do as systemd does to a service."""
    os.kill(os.getpid(), signal.SIGTERM)


def make_one_more(drop: Drop) -> Drop:
    """Return events that are written once more at their end: the last row, under another user. Pure."""
    *others, note = drop.rows[-1]
    row = (*others[:2], "late", *others[3:], note)
    line = ",".join(row[:-1]) + f',"{note}"\n'
    return dataclasses.replace(drop, content=drop.content + line.encode(), rows=(*drop.rows, row))


def write_on(work: str, more: bytes) -> None:
    """Add ``more`` once to the one file that is ours, if any, as a producer does who still has it open."""
    for source in Path(work).glob("*/source.csv"):
        if not source.read_bytes().endswith(more):
            with source.open("ab") as stream:
                stream.write(more)


def swap_for_link(path: str) -> None:
    """Hide a file, and put a link to somebody else's into its place."""
    Path(path).rename(_get_hidden(path))
    Path(path).symlink_to("/etc/passwd")


def swap_back(path: str) -> None:
    """Put the file back into its place, where it was swapped."""
    if _get_hidden(path).exists():
        assert Path(path).is_symlink()
        _get_hidden(path).replace(path)


def _get_hidden(path: str) -> Path:
    return Path(path).with_name(f".{Path(path).name}")
