"""A look at staging: what is found, what is left out, and what is told to be no plain file."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.staging import Look, Staging, open_folder

NOBODY = 65534


def _look(root: Path, *, ignore: tuple[str, ...] = (), ready_marker: str | None = None) -> Look:
    return Staging(root, ignore=ignore, ready_marker=ready_marker).look()


def _list_paths(look: Look) -> list[bytes]:
    return [candidate.relative_path for candidate in look.candidates]


def _tell(look: Look) -> dict[bytes, str]:
    return {obstacle.relative_path: obstacle.reason for obstacle in look.obstacles}


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_files_are_found_at_any_depth_and_told_by_path(tmp_path: Path) -> None:
    """Every plain file below staging is a candidate, its path relative to staging, in the order of paths."""
    for name in ("b.csv", "a/b/c/d.csv", "a.csv"):
        _write(tmp_path / name)
    assert _list_paths(_look(tmp_path)) == [b"a.csv", b"a/b/c/d.csv", b"b.csv"]


def test_ignored_names_hide_files_and_whole_folders(tmp_path: Path) -> None:
    """A name that fits an ignore pattern is neither told nor looked into, links of such a name included."""
    for name in ("a.csv", "a.csv.tmp", ".hidden/b.csv", "kept/c.csv", "kept/.d.csv"):
        _write(tmp_path / name)
    (tmp_path / ".link").symlink_to(tmp_path / "kept")
    look = _look(tmp_path, ignore=(".*", "*.tmp"))
    assert (_list_paths(look), look.obstacles) == ([b"a.csv", b"kept/c.csv"], ())


def test_what_is_no_plain_file_is_an_obstacle_with_its_reason(tmp_path: Path) -> None:
    """Links, FIFOs, sockets and files of several names are told; a linked folder is never walked into."""
    outside, staging = tmp_path / "outside", tmp_path / "staging"
    _write(outside / "a.csv")
    staging.mkdir()
    (staging / "file.csv").symlink_to(outside / "a.csv")
    (staging / "folder").symlink_to(outside)
    (staging / "nowhere").symlink_to(outside / "missing")
    (staging / "hard.csv").hardlink_to(outside / "a.csv")
    os.mkfifo(staging / "fifo.csv")
    os.mknod(staging / "socket.csv", stat.S_IFSOCK | 0o600)
    look = _look(staging)
    assert look.candidates == ()
    told = _tell(look)
    assert set(told) == {b"file.csv", b"folder", b"nowhere", b"hard.csv", b"fifo.csv", b"socket.csv"}
    assert all("a symbolic link" in told[name] for name in (b"file.csv", b"folder", b"nowhere"))
    assert "2 names" in told[b"hard.csv"]
    assert "a FIFO" in told[b"fifo.csv"]
    assert "a socket" in told[b"socket.csv"]


def test_a_time_that_no_ledger_can_hold_is_an_obstacle_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file from the far future is told and left alone; the others are found."""
    for name in ("a.csv", "b.csv"):
        _write(tmp_path / name)
    real = os.stat

    def stat_in_2300(path: bytes, **options: Any) -> object:
        found = real(path, **options)
        if path != b"a.csv":
            return found
        return SimpleNamespace(st_mode=found.st_mode, st_nlink=1, st_mtime_ns=2**63)

    monkeypatch.setattr(os, "stat", stat_in_2300)
    look = _look(tmp_path)
    assert _list_paths(look) == [b"b.csv"]
    assert "beyond the year 2262" in _tell(look)[b"a.csv"]


@pytest.mark.parametrize(("pattern", "marker"), [("{name}.done", "a.csv.done"), ("{stem}.ok", "a.ok")])
def test_a_marker_belongs_to_its_file_and_is_none_itself(tmp_path: Path, pattern: str, marker: str) -> None:
    """Only the file beside its marker has one; markers, orphaned ones too, are neither candidates nor told."""
    for name in ("a.csv", "b.csv", marker, f"orphan-{marker}", f"folder/{marker}", "folder/b.csv"):
        _write(tmp_path / name)
    look = _look(tmp_path, ready_marker=pattern)
    marked = {candidate.relative_path: candidate.has_marker for candidate in look.candidates}
    assert marked == {b"a.csv": True, b"b.csv": False, b"folder/b.csv": False}
    assert look.obstacles == ()


def test_a_folder_is_no_marker(tmp_path: Path) -> None:
    """A folder called as the marker would be makes no file complete, and is looked into."""
    _write(tmp_path / "a.csv")
    _write(tmp_path / "a.csv.done" / "b.csv")
    look = _look(tmp_path, ready_marker="{name}.done")
    assert [(candidate.relative_path, candidate.has_marker) for candidate in look.candidates] == [
        (b"a.csv", False),
        (b"a.csv.done/b.csv", False),
    ]


def test_a_folder_we_may_not_read_hinders_no_other(tmp_path: Path) -> None:
    """The rest of staging is found all the same, and the folder is told with the system's reason."""
    with _closed_folder() as root:
        look = _look(root)
    assert _list_paths(look) == [b"a.csv"]
    assert _tell(look) == {b"closed": "it cannot be read: Permission denied"}
    missing = tmp_path / "missing"
    with pytest.raises(LocalFault, match="it must be a folder we may read"):
        _look(missing)


def test_a_file_we_may_not_read_is_left_alone() -> None:
    """It is told instead of being claimed and failing for ever; once its mode lets us, it is a candidate."""
    with _closed_folder() as root:
        before = os.geteuid()
        os.seteuid(os.getuid())
        _write(root / "secret.csv")
        (root / "secret.csv").chmod(0)
        os.seteuid(before)
        look = _look(root)
        assert _list_paths(look) == [b"a.csv"]
        assert "we may not read it" in _tell(look)[b"secret.csv"]
        os.seteuid(os.getuid())
        (root / "secret.csv").chmod(0o644)
        os.seteuid(before)
        assert _list_paths(_look(root)) == [b"a.csv", b"secret.csv"]


def test_no_component_of_a_folder_may_be_a_link(tmp_path: Path) -> None:
    """A folder that was swapped for a link between the look and the claim is not opened."""
    _write(tmp_path / "outside" / "inner" / "a.csv")
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "link").symlink_to(tmp_path / "outside")
    for folder in (b"link", b"link/inner"):
        with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
            open_folder(tmp_path / "staging", folder)


@contextlib.contextmanager
def _closed_folder() -> Iterator[Path]:
    """Yield a staging with a file and a folder that we may not read while the context lasts, whoever we are."""
    with tempfile.TemporaryDirectory() as name:
        root, before = Path(name), os.geteuid()
        _write(root / "a.csv")
        _write(root / "closed" / "b.csv")
        root.chmod(0o755)
        (root / "closed").chmod(0)
        try:
            if before == 0:
                os.seteuid(NOBODY)
            yield root
        finally:
            os.seteuid(before)
            (root / "closed").chmod(0o700)
