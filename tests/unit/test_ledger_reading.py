"""A ledger that is only looked at: nothing is written, whoever else has it open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger

_READER = """
import sys
from pathlib import Path
from sftp_orchestrator.ledger.ledger import Ledger
with Ledger.open_for_reading("sqlite", Path(sys.argv[1])) as ledger:
    print(len(ledger.runs.list_last(10)))
"""


def _list_everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def _count_runs(folder: Path) -> int | None:
    ledger = Ledger.open_for_reading("sqlite", folder)
    if ledger is None:
        return None
    with ledger:
        return len(ledger.runs.list_last(10))


def test_where_there_is_no_ledger_there_is_none_afterwards(tmp_path: Path) -> None:
    """Looking makes no database."""
    assert _count_runs(tmp_path) is None
    assert _list_everything(tmp_path) == {}


def test_a_ledger_that_nobody_has_open_is_read_as_it_lies(tmp_path: Path) -> None:
    """Whatever is in the folder stays as it is, and no file is added; also where the path has signs of a URI."""
    folder = tmp_path / "100% #"
    folder.mkdir()
    with Ledger.open("sqlite", folder) as ledger:
        ledger.runs.start("once")
    before = _list_everything(folder)
    assert _count_runs(folder) == 1
    assert _list_everything(folder) == before


def test_what_another_process_has_written_is_seen_while_it_has_the_ledger_open(tmp_path: Path) -> None:
    """What is in the write-ahead log alone counts, and the log and its index are left as they are."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ledger.runs.start("once")
        ledger.runs.start("once")
        before = _list_everything(tmp_path)
        assert len(before) == 3
        # Within one process SQLite shares the index among connections, so another one reads.
        command = [sys.executable, "-c", _READER, str(tmp_path)]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "2\n"
        assert _list_everything(tmp_path) == before


def test_a_ledger_of_another_version_is_none(tmp_path: Path) -> None:
    """It is left to the daemon to bring it to the newest schema."""
    with Ledger.open("sqlite", tmp_path) as ledger, ledger._engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    assert _count_runs(tmp_path) is None


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path) -> None:
    """A file that is no database is a fault of this machine, told with its path."""
    (tmp_path / "ledger.db").write_bytes(b"no database, but long enough to be looked at as one" * 100)
    with pytest.raises(LocalFault, match=r"ledger"):
        _count_runs(tmp_path)
