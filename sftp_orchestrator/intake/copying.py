"""Copies an original from another file system, where no rename can reach it. The original stays; its claim decides."""

from __future__ import annotations

import os
import threading

from sftp_orchestrator import files
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.workspace import Workspace

_CHUNK_BYTES = 4 * 1024 * 1024
_SYNC_BYTES = 64 * _CHUNK_BYTES
"""Brought to the disk at once: what waits in memory longer would make the last fsync outlast a stop."""


def is_same(claim: Claim, found: os.stat_result) -> bool:
    """Return whether ``found`` is the file that was claimed, as it was then. Pure."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == (
        claim.device,
        claim.inode,
        claim.size,
        claim.mtime_ns,
    )


def copy_original(claim: Claim, staged: int, name: bytes, workspace: Workspace, stop: threading.Event) -> None:
    """Copy ``name`` in the folder ``staged`` to ``workspace.get_copied``, which is there in full or not at all.

    It is not there where the file changed meanwhile or ``stop`` was set; what was copied by then is for the caller to
    remove. May be repeated after that.

    Raises:
        LocalFault: the workspace lacks the space.
        OSError: the file cannot be read (``FileNotFoundError``: it vanished), or the copy cannot be written.
    """
    files.require_space(workspace.work, claim.size)
    unfinished = workspace.get_copying(claim.source_id)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=staged)
    with os.fdopen(source, "rb", buffering=0) as reader, unfinished.open("xb", buffering=0) as writer:
        os.fchmod(writer.fileno(), files.WORK_MODE)
        if not _copy_bytes(claim.size, reader.fileno(), writer.fileno(), stop):
            return
        # As a rename keeps it: whoever looks later compares with what was claimed.
        os.utime(writer.fileno(), ns=(claim.mtime_ns, claim.mtime_ns))
        os.fsync(writer.fileno())
        by_name = os.stat(name, dir_fd=staged, follow_symlinks=False)
        if not (is_same(claim, os.fstat(reader.fileno())) and is_same(claim, by_name)):
            return
    unfinished.rename(workspace.get_copied(claim.source_id))


def _copy_bytes(size: int, reader: int, writer: int, stop: threading.Event) -> bool:
    """Return whether exactly ``size`` bytes were there to be copied, and nobody wanted a stop."""
    copied = unsynced = 0
    while not stop.is_set() and copied <= size:
        chunk = os.read(reader, _CHUNK_BYTES)
        if not chunk:
            return copied == size
        left = memoryview(chunk)
        while left:
            left = left[os.write(writer, left) :]
        copied += len(chunk)
        unsynced += len(chunk)
        if unsynced >= _SYNC_BYTES:
            os.fdatasync(writer)
            unsynced = 0
    return False
