"""A ledger that is gone, cut, overwritten or of another version: refused with what to do, and never started empty."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.sending import Sending
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.database import LEDGER_FILE, examine_database, open_database, open_for_reading
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.progress import Board
from sftp_orchestrator.workspace import Workspace
from tests.support.ledgers import make_postgresql
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

LOST = r"it is missing or empty, and workspace .* holds files of an earlier one in {}/; restore it from a backup"
DEADLINE_SECONDS = 60
OPENINGS: tuple[Callable[[str, Path], object], ...] = (open_database, open_for_reading, examine_database)
"""As the daemon opens it, as `status` and as `check`."""


def _make_ledger(folder: Path) -> Path:
    open_database("sqlite", folder).dispose()
    return folder / LEDGER_FILE


@pytest.mark.parametrize("folder", ["work", "quarantine", "archive"])
@pytest.mark.parametrize("is_there", [False, True], ids=["missing", "cut to nothing"])
def test_a_ledger_that_is_gone_is_not_begun_anew_beside_files_of_ours(
    tmp_path: Path, folder: str, *, is_there: bool
) -> None:
    """What waits would be forgotten, and what went sent again: whoever opens it is told, and nothing is made."""
    workspace = Workspace(root=tmp_path)
    workspace.prepare()
    _make_ledger(tmp_path).unlink()
    (tmp_path / folder / "something").mkdir()
    if is_there:
        (tmp_path / LEDGER_FILE).touch(mode=0o600)
    for look in OPENINGS:
        with pytest.raises(LocalFault, match=LOST.format(folder)):
            look("sqlite", tmp_path)
    assert (tmp_path / LEDGER_FILE).exists() is is_there
    (tmp_path / folder / "something").rename(tmp_path / "elsewhere")
    open_database("sqlite", tmp_path).dispose()


def test_another_database_that_is_empty_is_refused_beside_files_of_ours(tmp_path: Path, postgresql_url: str) -> None:
    """Whoever changes ledger.url while files wait is told, and makes no tables there."""
    Workspace(root=tmp_path).get_folder("b7c2").mkdir(parents=True)
    url = make_postgresql(postgresql_url)
    for look in OPENINGS:
        with pytest.raises(LocalFault, match=LOST.format("work")):
            look(url, tmp_path)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _overwrite(path: Path) -> None:
    """Write rubbish over the page that the sources begin at."""
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'source'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(random.Random(7).randbytes(size))  # noqa: S311 - rubbish


def _open_and_read(folder: Path) -> None:
    engine = open_database("sqlite", folder)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT * FROM source")
    finally:
        engine.dispose()


@pytest.mark.parametrize("spoil", [_cut, _overwrite], ids=["cut", "overwritten"])
def test_a_ledger_that_is_spoilt_is_told_and_left_as_it_is(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """One line names the file and what is wrong with it, and that a backup is the way; not a byte of it changes."""
    path = _make_ledger(tmp_path)
    spoil(path)
    before = path.read_bytes()
    told = r"malformed; nothing was changed; .*restore it from a backup"
    with pytest.raises(LocalFault, match=told) as raised:
        _open_and_read(tmp_path)
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before


def _end_connection(connection: sa.Connection, server: str) -> None:
    """End a connection of ours, as a restart of PostgreSQL does."""
    ours = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as other:
        other.execute(sa.text("SELECT pg_terminate_backend(:ours)"), {"ours": ours})
    administration.dispose()


@pytest.mark.parametrize("count", [0, 1, 2], ids=["by itself", "alone of several", "among others"])
def test_a_connection_that_is_lost_within_a_write_is_a_fault_of_this_machine(
    tmp_path: Path, postgresql_url: str, count: int
) -> None:
    """Its own kind of error, by which a daemon waits and goes on; nothing was changed, and the next write works."""
    with Ledger.open(make_postgresql(postgresql_url), tmp_path) as ledger:

        def lose() -> None:
            with ledger._database.write() as connection:
                _end_connection(connection, postgresql_url)
                connection.execute(sa.text("SELECT 1"))

        others = [lambda: None] * (count - 1)
        write = functools.partial(ledger.write_together, [*others, lose]) if count else lose
        with pytest.raises(LocalFault, match="use ledger postgresql"):
            write()
        number = ledger.runs.start("once")
        ledger.runs.finish(number, verdict="done", delivered=0, not_delivered=0)
        assert ledger.list_history() == []


async def test_a_daemon_goes_on_whose_database_was_restarted(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and delivers once it is back."""
    real, calls = Sources.begin_claims, 0

    def begin_claims(sources: Sources, claims: Sequence[Claim]) -> None:
        nonlocal calls
        calls += 1
        with sources._database.write() as connection:
            if calls == 1:
                _end_connection(connection, postgresql_url)
            real(sources, claims)

    async def put_away(sending: Sending, source: Source) -> None:
        await finish(sending, source)
        delivered.set()

    finish, delivered = Sending._finish, asyncio.Event()
    monkeypatch.setattr(Sending, "_finish", put_away)
    monkeypatch.setattr(Sources, "begin_claims", begin_claims)
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        changes = {
            "ledger": {"url": make_postgresql(postgresql_url)},
            "intake": {"rescan_seconds": 1, "settle_seconds": 0.1},
            "web": {"listen": None},
        }
        configuration = configure(tmp_path, sandbox, changes).configuration
        rows = "event_name,time_stamp,user_id\nSold,1700000000,u\n"
        (configuration.staging / "purchases.csv").write_text(rows, encoding="utf-8")
        with capture_logs() as logs, open_daemon(configuration, Board()) as daemon:
            running = asyncio.create_task(daemon.run())
            async with asyncio.timeout(DEADLINE_SECONDS):
                ends = [running, asyncio.create_task(delivered.wait())]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            assert not running.done()
            running.cancel()
            await asyncio.wait([running])
    events = [line["event"] for line in logs]
    assert events.index("scan_failed") < events.index("scan_recovered") < events.index("source_delivered")
