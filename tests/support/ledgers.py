"""Real ledgers to run the same cases against: SQLite in a folder, PostgreSQL as a server of our own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.ledger.database import open_database
from sftp_orchestrator.ledger.ledger import Ledger


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A PostgreSQL server for the session, on a Unix socket in a folder of its own; no port is opened."""
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as name, _run_postgresql(Path(name)) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The ``ledger.url`` of a database of each kind, without a table in it."""
    if request.param == "sqlite":
        return "sqlite"
    return make_postgresql(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def ledger_engine(ledger_url: str, tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty ledger's database of each kind."""
    engine = open_database(ledger_url, tmp_path)
    yield engine
    engine.dispose()


def make_postgresql(server: str, name: str = "ledger") -> str:
    """Make the database ``name`` of ``server`` anew, empty; return its URL as the configuration has it."""
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    administration.dispose()
    return server.replace("postgresql+psycopg:///postgres", f"postgresql:///{name}")


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Ledger:
    """An empty ledger on each kind of database."""
    return Ledger(ledger_engine)


@contextlib.contextmanager
def _run_postgresql(folder: Path) -> Iterator[str]:
    binaries = _find_binaries()
    owner = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"

    def call(*command: str) -> None:
        # The server refuses to run as root, so its own account starts it.
        switch = {"user": owner.pw_uid, "group": owner.pw_gid} if os.geteuid() == 0 else {}
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **switch)  # type: ignore[call-overload] # user and group

    call(str(binaries / "initdb"), "--pgdata", str(data), "--username", "postgres", "--auth", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = (str(binaries / "pg_ctl"), "--pgdata", str(data), "--wait", "--silent")
    call(*control, "--log", str(folder / "log"), "--options", options, "start")
    try:
        yield f"postgresql+psycopg:///postgres?host={folder}&user=postgres"
    finally:
        call(*control, "--mode", "immediate", "stop")


def _find_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    assert on_path, "PostgreSQL's server is missing: run scripts/require-system-packages postgresql"
    return Path(on_path).parent
