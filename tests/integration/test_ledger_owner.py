"""A ledger has one daemon, whatever workspace that has: two would send each other's manifests."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import ownership
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.progress import Board
from tests.support.configuration import write_configuration
from tests.support.ledgers import make_postgresql


@pytest.fixture(name="places")
def make_places(tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> list[Configuration]:
    """Two workspaces whose configurations name one database."""
    monkeypatch.setattr(ownership, "_PAUSES_SECONDS", (0.01,))
    url = make_postgresql(postgresql_url, "shared")
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    return [write_configuration(folder, {"ledger": {"url": url}}).configuration for folder in folders]


def test_two_daemons_do_not_share_a_ledger(places: list[Configuration]) -> None:
    """The second is refused by the name of the first; commands of people are not, and the next one after it starts."""
    first, second = places
    with open_daemon(first, Board()):
        with pytest.raises(LocalFault, match=r"in use by process \d+ on .+ledger\.url"), open_daemon(second, Board()):
            pytest.fail("it was opened")
        with Ledger.open(second.ledger.url, second.workspace) as ledger:
            assert ledger.count_sources() == {}
    with open_daemon(second, Board()):
        pass


async def test_a_server_that_was_restarted_is_asked_again(places: list[Configuration]) -> None:
    """What a session held is gone with it: the daemon takes it again, unless another one was quicker."""
    first, second = places
    with open_daemon(first, Board()) as daemon:
        _end_sessions(first.ledger.url)
        daemon._ledger.ownership.require()
        with pytest.raises(LocalFault, match="in use by"), open_daemon(second, Board()):
            pytest.fail("it was opened")
        _end_sessions(first.ledger.url)
        with open_daemon(second, Board()), pytest.raises(LocalFault, match="in use by"):
            daemon._ledger.ownership.require()


def _end_sessions(url: str) -> None:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        connection.execute(sa.text(f"{others} WHERE datname = current_database() AND pid <> pg_backend_pid()"))
    engine.dispose()
