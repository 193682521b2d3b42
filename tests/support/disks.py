"""Small disks that really fill up, and no mock of one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sftp_orchestrator import space

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A file system of its own."""

    root: Path

    def get_free_bytes(self) -> int:
        """Return how much may be written to it."""
        return space.get_free_bytes(self.root)

    @contextlib.contextmanager
    def turned_read_only(self) -> Iterator[None]:
        """Have nobody write to it for the time of the context: what no mode does to root."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.root], check=True, timeout=60)

    def fill_up_to(self, free_bytes: int) -> Path:
        """Take all of it but ``free_bytes``, as somebody else's file; return that file, to be removed or cut again."""
        ballast = self.root / "ballast"
        ballast.unlink(missing_ok=True)
        with ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, self.get_free_bytes() - free_bytes)
        return ballast


@contextlib.contextmanager
def make_disk(size_bytes: int) -> Iterator[Disk]:
    """Mount a file system of ``size_bytes`` in memory for the time of the context; nobody but root may."""
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-disk-") as folder:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "none", folder], check=True, timeout=60
        )
        try:
            yield Disk(root=Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True, timeout=60)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk of 128 MB, of which a step that needs none still wants 64 MB to spare."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    with make_disk(128 * MEGABYTE) as made:
        yield made
