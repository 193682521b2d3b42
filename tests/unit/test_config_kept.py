"""The configuration that was gone by last: kept without secrets, and recalled for its own workspace alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator.config import kept
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import get_values, merge, write_configuration, write_values

URL = "postgresql://us:s3cret@host/db"


def test_what_is_recalled_is_what_was_kept(tmp_path: Path) -> None:
    """Whatever is wrong in the file now, and though it is no YAML any more."""
    written = write_configuration(tmp_path, {"schedule": {"deliver": ["0 2 * * *"]}, "timezone": "Asia/Kolkata"})
    kept.keep(written.configuration)
    for spoilt in ("nonsense: 1\n", "nonsense: [\n"):
        written.path.write_text(f"workspace: workspace\n{spoilt}", encoding="utf-8")
        found = kept.recall(written.path)
        assert found == written.configuration
        assert found.digest() == written.configuration.digest()


def test_a_password_is_not_kept(tmp_path: Path) -> None:
    """It is taken from the file; where that has another, or cannot be read, nothing is recalled."""
    written = write_configuration(tmp_path, {"ledger": {"url": URL}})
    kept.keep(written.configuration)
    assert "s3cret" not in Workspace(root=written.configuration.workspace).configuration.read_text(encoding="utf-8")
    values = merge(get_values(), {"ledger": {"url": URL}, "nonsense": 1})
    write_values(tmp_path, values)
    assert kept.recall(written.path) == written.configuration
    write_values(tmp_path, merge(values, {"ledger": {"url": URL.replace("host", "other")}}))
    assert kept.recall(written.path) is None
    written.path.write_text("workspace: workspace\nledger: [\n", encoding="utf-8")
    assert kept.recall(written.path) is None


@pytest.mark.parametrize("plight", ["nothing", "moved", "strange", "no workspace"])
def test_nothing_is_guessed(tmp_path: Path, plight: str) -> None:
    """Neither where nothing was kept, nor where it was kept for another workspace or by another version."""
    written = write_configuration(tmp_path)
    path = Workspace(root=written.configuration.workspace).configuration
    if plight != "nothing":
        kept.keep(written.configuration)
    if plight == "moved":
        written.configuration.workspace.rename(tmp_path / "elsewhere")
        written.path.write_text("workspace: elsewhere\n", encoding="utf-8")
    elif plight == "strange":
        path.write_text('{"staging": "/srv", "of_another_version": 1}', encoding="utf-8")
    elif plight == "no workspace":
        written.path.write_text("staging: staging\n", encoding="utf-8")
    assert kept.recall(written.path) is None


def test_what_is_as_it_was_is_not_written_again(tmp_path: Path) -> None:
    """A pass of every minute wears out no disk; and one that is full keeps nobody from starting."""
    written = write_configuration(tmp_path)
    path = Workspace(root=written.configuration.workspace).configuration
    kept.keep(written.configuration)
    before = path.stat()
    kept.keep(written.configuration)
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.mkdir()
    kept.keep(written.configuration)
