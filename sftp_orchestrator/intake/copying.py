"""Copies an original from another file system, where no rename can reach it. The original stays; its claim decides."""

from __future__ import annotations

import os
from collections.abc import Callable

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.intake.judging import is_same
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.workspace import Workspace

_CHUNK_BYTES = 4 * 1024 * 1024
_SYNC_BYTES = 64 * _CHUNK_BYTES
"""Brought to the disk at once: what waits in memory longer would make the last fsync outlast a stop."""


def copy_original(claim: Claim, staged: int, name: bytes, workspace: Workspace, advance: Callable[[int], bool]) -> None:
    """Copy ``name`` in the folder ``staged`` to ``workspace.get_copied``, which is there in full or not at all.

    ``advance`` is told of every chunk and says whether to go on. The copy is not there where the file changed
    meanwhile, or ``advance`` said no; what was copied by then is for the caller to remove. May be repeated after that.

    Raises:
        OSError: the file cannot be read (``FileNotFoundError``: it vanished), or the copy cannot be written.
    """
    unfinished = workspace.get_copying(claim.source_id)
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=staged)
    with os.fdopen(source, "rb", buffering=0) as reader, unfinished.open("xb", buffering=0) as writer:
        os.fchmod(writer.fileno(), files.WORK_MODE)
        # Swapped since it was looked at, it may be anybody's file, or a FIFO: not a byte of that is read.
        if not is_same(claim, os.fstat(reader.fileno())):
            return
        with failpoints.around("claim.copy"):
            if not _copy_bytes(claim.size, reader.fileno(), writer.fileno(), advance):
                return
        # As a rename keeps it: whoever looks later compares with what was claimed.
        os.utime(writer.fileno(), ns=(claim.mtime_ns, claim.mtime_ns))
        files.fsync(writer.fileno())
        by_name = os.stat(name, dir_fd=staged, follow_symlinks=False)
        if not (is_same(claim, os.fstat(reader.fileno())) and is_same(claim, by_name)):
            return
    with failpoints.around("claim.rename_copying"):
        unfinished.rename(workspace.get_copied(claim.source_id))


def _copy_bytes(size: int, reader: int, writer: int, advance: Callable[[int], bool]) -> bool:
    """Return whether exactly ``size`` bytes were there to be copied, and nobody wanted a stop."""
    copied = unsynced = count = 0
    while advance(count) and copied <= size:
        chunk = os.read(reader, _CHUNK_BYTES)
        if not chunk:
            return copied == size
        left = memoryview(chunk)
        while left:
            left = left[os.write(writer, left) :]
        count = len(chunk)
        copied += count
        unsynced += count
        if unsynced >= _SYNC_BYTES:
            os.fdatasync(writer)
            unsynced = 0
    return False


def begins_with(whole: int, beginning: int, advance: Callable[[int], bool]) -> bool | None:
    """Return whether every byte of the file ``beginning`` stands at the start of the file ``whole``, durably.

    Both are open descriptors. None where ``advance`` said no before the end was reached. Raises ``OSError``.
    """
    offset = count = 0
    while advance(count):
        wanted = os.pread(beginning, _CHUNK_BYTES, offset)
        if not wanted:
            # What is dropped next was on the disk; what stays in its place must be there, too.
            os.fdatasync(whole)
            return True
        if os.pread(whole, len(wanted), offset) != wanted:
            return False
        count = len(wanted)
        offset += count
    return None
