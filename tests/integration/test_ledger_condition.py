"""What ``check`` learns of the ledger's database, which it leaves as it is."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger import database
from sftp_orchestrator.ledger.database import LEDGER_FILE, examine_database, open_database


@pytest.fixture
def empty_url(postgresql_url: str) -> Iterator[str]:
    """A PostgreSQL database with nothing in it, in which only its owner may make tables."""
    administration = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS examined"))
        connection.execute(sa.text("DROP ROLE IF EXISTS stranger"))
        connection.execute(sa.text("CREATE DATABASE examined"))
        connection.execute(sa.text("CREATE ROLE stranger LOGIN"))
    yield postgresql_url.replace("postgresql+psycopg:///postgres", "postgresql:///examined")
    with administration.connect() as connection:
        connection.execute(sa.text("DROP DATABASE examined"))
        connection.execute(sa.text("DROP ROLE stranger"))
    administration.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """Each kind of database, with nothing in it."""
    return "sqlite" if request.param == "sqlite" else str(request.getfixturevalue("empty_url"))


def _set_revision(url: str, folder: Path, revision: str) -> None:
    engine = open_database(url, folder)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def test_a_ledger_that_is_not_there_yet_is_not_made(url: str, tmp_path: Path) -> None:
    """The place is told, and looking changes nothing: a second look finds the same."""
    conditions = [examine_database(url, tmp_path) for _ in range(2)]
    assert [condition.revision for condition in conditions] == [None, None]
    assert list(tmp_path.iterdir()) == []
    assert conditions[0].place


def test_the_newest_schema_and_an_older_one_are_told_apart(url: str, tmp_path: Path) -> None:
    """What is there is told with its revision; it is not migrated."""
    open_database(url, tmp_path).dispose()
    condition = examine_database(url, tmp_path)
    assert condition.revision == condition.newest
    _set_revision(url, tmp_path, "0001")
    for _ in range(2):
        assert examine_database(url, tmp_path).revision == "0001"


def test_a_ledger_of_a_newer_version_is_refused(url: str, tmp_path: Path) -> None:
    """A version that does not know the schema neither works with it nor changes it."""
    _set_revision(url, tmp_path, "9999")
    for look in (examine_database, open_database):
        with pytest.raises(LocalFault, match="a newer version of this program made it: schema 9999"):
            look(url, tmp_path)


def test_a_file_that_is_no_ledger_is_refused_and_left(tmp_path: Path) -> None:
    """Something else under the ledger's name is told of, and not written over."""
    (tmp_path / LEDGER_FILE).write_bytes(b"something else\n" * 100)
    with pytest.raises(LocalFault, match="not a database"):
        examine_database("sqlite", tmp_path)
    assert (tmp_path / LEDGER_FILE).read_bytes() == b"something else\n" * 100


@pytest.mark.parametrize("kind", ["nfs4", "cifs"])
def test_sqlite_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Its write-ahead log does not work there: found out before the first start."""
    monkeypatch.setattr(database, "get_file_system", lambda _: kind)
    with pytest.raises(LocalFault, match=f"does not work on {kind}"):
        examine_database("sqlite", tmp_path)


def test_only_we_may_read_the_ledger(tmp_path: Path) -> None:
    """A new file is ours alone whatever the process's umask, and an older one that others may read becomes so."""
    path = tmp_path / LEDGER_FILE
    for _ in range(2):
        open_database("sqlite", tmp_path).dispose()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)


def test_a_database_in_which_we_may_make_nothing_is_refused(empty_url: str, tmp_path: Path) -> None:
    """That the first start would fail is found out before it."""
    with pytest.raises(LocalFault, match=r"we may not make tables in it; .*GRANT CREATE ON SCHEMA"):
        examine_database(empty_url.replace("user=postgres", "user=stranger"), tmp_path)


@pytest.mark.parametrize(
    "url",
    ["postgresql://someone:hunter2@nowhere.invalid/ledger", "postgresql://someone:hunter2@/ledger?host=/nonexistent"],
)
def test_a_database_that_is_away_is_told_with_a_hint(url: str, tmp_path: Path) -> None:
    """The reason is that of the network, in one line, without the password."""
    for look in (examine_database, open_database):
        with pytest.raises(
            LocalFault, match=r"; check ledger\.url, and that the database runs and lets us in$"
        ) as raised:
            look(url, tmp_path)
        assert not [word for word in ("hunter2", "Errno", "\n") if word in str(raised.value)]
