"""Local files: durable writes, fingerprints."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

import pytest

from sftp_orchestrator import files


def test_write_is_whole_and_ours_alone(tmp_path: Path) -> None:
    """A written file has all its bytes, mode 0600 and no leftovers beside it; writing again replaces it."""
    path = tmp_path / "report.json"
    files.write_durably(path, b"one")
    files.write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]


def test_a_write_that_was_cut_off_leaves_nothing_once_it_is_repeated(tmp_path: Path) -> None:
    """What a crash left of the try before is gone, and has no part in what is written, not even by its mode."""
    path = tmp_path / "report.json"
    files.get_unfinished(path).write_bytes(b"longer than what comes after it")
    files.get_unfinished(path).chmod(0o644)
    files.write_durably(path, b"one")
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("report.json", b"one")]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


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


def test_a_file_is_brought_to_the_disk_slice_by_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice is told of and asked about; the whole is done with once the last one is, stop or no stop."""
    monkeypatch.setattr(files, "_SLICE_BYTES", 10)
    path = tmp_path / "source.csv"
    path.write_bytes(b"x" * 25)
    told: list[int] = []

    def advance(count: int) -> bool:
        told.append(count)
        return len(told) < 3

    assert files.flush_file(path, advance)
    assert told == [10, 10, 5]
    assert not files.flush_file(path, lambda _: False)
    path.write_bytes(b"")
    assert files.flush_file(path, lambda _: False)


def test_where_ranges_cannot_be_written_back_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without sync_file_range(2) takes fdatasync(2); a disk that fails is no such file system."""
    synced: list[int] = []
    path = tmp_path / "source.csv"
    path.write_bytes(b"x")
    monkeypatch.setattr(os, "fdatasync", synced.append)
    monkeypatch.setattr(files, "_LIBC", _Refusing())
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.ENOSYS)
    assert files.flush_file(path, lambda _: True)
    assert len(synced) == 1
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.flush_file(path, lambda _: True)


class _Refusing:
    """A C library whose sync_file_range fails."""

    def sync_file_range(self, *_: object) -> int:
        return -1


def test_a_made_folder_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, and those of the folders made for it, are brought to the disk; also where it is there already."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "fsync_directory", synced.append)
    files.make_folder(tmp_path / "a" / "b", 0o700)
    assert synced == [tmp_path, tmp_path / "a"]
    files.make_folder(tmp_path / "a" / "b", 0o700)
    assert synced[2:] == [tmp_path / "a"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_what_is_written_durably_is_there_in_full_or_not_at_all(tmp_path: Path) -> None:
    """Whatever ends it before its end, or while it is brought to the disk, leaves what was there before."""
    path = tmp_path / "target.csv"

    def stop(_: int) -> None:
        raise InterruptedError

    with files.written_durably(path, advance=lambda _: None) as out:
        out.write(b"one")
        assert not path.exists()
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", files.WORK_MODE)
    with pytest.raises(ZeroDivisionError), files.written_durably(path, advance=lambda _: None) as out:
        out.write(b"%d" % (1 // 0))
    with pytest.raises(InterruptedError), files.written_durably(path, advance=stop) as out:
        out.write(b"two")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("target.csv", b"one")]
