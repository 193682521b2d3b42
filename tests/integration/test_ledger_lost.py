"""A ledger that is gone, cut, overwritten or of another version: refused with what to do, and never started empty."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.database import LEDGER_FILE, examine_database, open_database, open_for_reading
from sftp_orchestrator.workspace import Workspace
from tests.support.ledgers import make_postgresql

LOST = r"it is missing or empty, and workspace .* holds files of an earlier one in {}/; restore it from a backup"
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


@pytest.mark.parametrize("spoil", [_cut, _overwrite], ids=["cut", "overwritten"])
def test_a_ledger_that_is_spoilt_is_told_and_left_as_it_is(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """One line names the file and what is wrong with it, and that a backup is the way; not a byte of it changes."""
    path = _make_ledger(tmp_path)
    spoil(path)
    before = path.read_bytes()
    told = r"malformed; nothing was changed; .*restore it from a backup"
    with (
        pytest.raises(LocalFault, match=told) as raised,
        open_database("sqlite", tmp_path).connect() as connection,
    ):
        connection.exec_driver_sql("SELECT * FROM source")
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before
