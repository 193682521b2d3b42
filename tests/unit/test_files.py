"""Local files: durable writes, fingerprints, space."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sftp_orchestrator import files
from sftp_orchestrator.errors import LocalFault


def test_write_is_whole_and_ours_alone(tmp_path: Path) -> None:
    """A written file has all its bytes, mode 0600 and no leftovers beside it; writing again replaces it."""
    path = tmp_path / "report.json"
    files.write_durably(path, b"one")
    files.write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """Where the name cannot be taken the error is raised and no piece stays."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OSError, match="directory"):
        files.write_durably(tmp_path / "taken", b"content")
    assert [found.name for found in tmp_path.iterdir()] == ["taken"]


def test_fingerprint_tells_a_change(tmp_path: Path) -> None:
    """The fingerprint of a path and of its descriptor are the same, and another one after a write."""
    path = tmp_path / "source.csv"
    path.write_bytes(b"a\n1\n")
    before = files.get_fingerprint(path)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        assert files.get_fingerprint(descriptor) == before
        os.write(descriptor, b"2\n")
        assert files.get_fingerprint(descriptor) != before
    finally:
        os.close(descriptor)


def test_missing_space_is_said(tmp_path: Path) -> None:
    """Space that is not there is refused before anything is written."""
    files.require_space(tmp_path, 1)
    with pytest.raises(LocalFault, match="bytes are free"):
        files.require_space(tmp_path, 1 << 60)
