"""Opening a ledger: wherever the workspace lies, whoever else opens it, and when nobody answers."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import database
from sftp_orchestrator.ledger.ledger import Ledger
from tests.support.ledgers import make_postgresql

STOP_SECONDS = 30
"""What systemd and Docker give a stop, which may find us waiting."""


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%20b", "a b", "ä", "file:x", "a&b=c;d"])
def test_a_workspace_may_have_any_name(tmp_path: Path, name: str) -> None:
    """The ledger lies in it and nowhere else, and is found again, also by one who only looks."""
    folder = tmp_path / "ws" / name
    folder.mkdir(parents=True)
    with Ledger.open("sqlite", folder) as ledger:
        assert ledger.runs.start("once") == 1
    with Ledger.open("sqlite", folder) as ledger:
        assert ledger.runs.start("once") == 2
    with Ledger.open_for_reading("sqlite", folder) or pytest.fail("there is none") as ledger:
        assert [run.number for run in ledger.runs.list_last(5)] == [2, 1]
    assert [path.name for path in folder.parent.iterdir()] == [name]
    assert {path.name for path in folder.iterdir()} <= {"ledger.db", "ledger.db-wal", "ledger.db-shm"}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_may_open_an_empty_database_at_once(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Both find no table; one makes them, the other waits for that and goes on."""
    url = kind if kind == "sqlite" else make_postgresql(request.getfixturevalue("postgresql_url"))
    both_have_looked = threading.Barrier(2, timeout=STOP_SECONDS)
    intact = database._get_revision

    def look(engine: sa.Engine) -> str | None:
        found = intact(engine)
        both_have_looked.wait()
        return found

    monkeypatch.setattr(database, "_get_revision", look)

    def use() -> int:
        with Ledger.open(url, tmp_path) as ledger:
            return ledger.runs.start("once")

    with ThreadPoolExecutor(max_workers=2) as pool:
        numbers = [pool.submit(use) for _ in range(2)]
        assert {number.result(timeout=STOP_SECONDS) for number in numbers} == {1, 2}


def test_nobody_is_waited_for_longer_than_a_stop_can_wait() -> None:
    """Claims, runs and the end itself may each find the ledger busy."""
    assert database.BUSY_TIMEOUT_SECONDS <= STOP_SECONDS / 3


@pytest.mark.parametrize("query", ["", "?connect_timeout=2"])
def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """A host that takes the connection and says nothing holds up neither a start nor a stop for ever."""
    if not query:
        monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with pytest.raises(LocalFault, match="timeout"):
            Ledger.open(f"postgresql://orch@127.0.0.1:{silent.getsockname()[1]}/x{query}", tmp_path)
    assert time.monotonic() - started < database.BUSY_TIMEOUT_SECONDS + 5


def test_a_ledger_that_is_locked_is_given_up_in_time_for_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's transaction, such as a backup's, is waited for, and not longer than a stop can wait."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_SECONDS", 0.2)
    with Ledger.open("sqlite", tmp_path) as ledger:
        other = sqlite3.connect(tmp_path / database.LEDGER_FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LocalFault, match="database is locked"):
            ledger.runs.start("once")
        other.close()
        assert ledger.runs.start("once") == 1
