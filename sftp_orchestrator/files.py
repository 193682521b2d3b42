"""Local files: what a file was when it was looked at, and writes that survive a power cut."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sftp_orchestrator import failpoints
from sftp_orchestrator.errors import LocalFault

WORK_MODE = 0o600
"""Work files hold people's data: nobody else reads them."""

_SLICE_BYTES = 64 * 1024 * 1024
"""Brought to the disk at once: on a slow one a second or two."""
_WRITE_AND_WAIT = 1 | 2 | 4
"""SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE and _WAIT_AFTER of sync_file_range(2)."""
_NOT_SUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.ESPIPE})
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What tells whether a file is still the one, and as it was. Times are nanoseconds since the epoch."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


def get_fingerprint(file: Path | int) -> Fingerprint:
    """Return the fingerprint of a path (a link itself, not what it leads to) or of an open descriptor.

    Raises ``OSError``; may be repeated.
    """
    status = os.fstat(file) if isinstance(file, int) else os.lstat(file)
    return Fingerprint(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )


def fsync_directory(path: Path) -> None:
    """Make the names in a folder durable, which a file's own fsync does not (fsync(2)). May be repeated."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync_opened_directory(descriptor)
    finally:
        os.close(descriptor)


def fsync_opened_directory(descriptor: int) -> None:
    """Do as ``fsync_directory`` for a folder that is open. May be repeated."""
    with failpoints.around("files.fsync_folder"):
        os.fsync(descriptor)


def fsync(descriptor: int) -> None:
    """Make what was written to an open file durable. May be repeated."""
    with failpoints.around("files.fsync"):
        os.fsync(descriptor)


def fsync_file(path: Path) -> None:
    """Make what was written to a file durable, by whoever it was written. May be repeated."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file(path: Path, advance: Callable[[int], bool]) -> bool:
    """Bring the bytes of a file to the disk, slice by slice, by whoever they were written; may be repeated.

    ``advance`` is told of each slice's bytes and says whether to go on. Returns False where it said no before the last
    slice. What the system wrote back by itself costs nothing: 2 GiB on the disk already take milliseconds.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        with failpoints.around("files.flush"):
            for start in range(0, size, _SLICE_BYTES):
                count = min(_SLICE_BYTES, size - start)
                _write_out(descriptor, start, count)
                if not advance(count) and start + count < size:
                    return False
            # The slices leave out the size, and the disk's own cache.
            os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _write_out(descriptor: int, start: int, count: int) -> None:
    """Write back a range of a file and wait for it, where the system can; else ``fdatasync`` does all of it at once."""
    arguments = (ctypes.c_int(descriptor), ctypes.c_int64(start), ctypes.c_int64(count))
    if _LIBC.sync_file_range(*arguments, ctypes.c_uint(_WRITE_AND_WAIT)) != 0:
        code = ctypes.get_errno()
        if code not in _NOT_SUPPORTED:
            raise OSError(code, os.strerror(code))


def make_folder(path: Path, mode: int) -> None:
    """Make a folder, and those above it that are missing, so that no power cut takes it away. May be repeated."""
    if not path.parent.is_dir():
        make_folder(path.parent, mode)
    with failpoints.around("files.make_folder"):
        path.mkdir(mode=mode, exist_ok=True)
    fsync_directory(path.parent)


def get_unfinished(path: Path) -> Path:
    """Return where what becomes ``path`` is written: hidden, so that nobody takes it up. Pure."""
    return path.with_name(f".{path.name}.unfinished")


def write_durably(path: Path, content: bytes, mode: int = WORK_MODE) -> None:
    """Write ``path`` so that after a crash it is there in full, or as it was before. May be repeated, by one at a time.

    Raises:
        OSError: the disk is full or the folder not ours; nothing is left behind.
    """
    unfinished = get_unfinished(path)
    try:
        # Of a try before this one that was cut off nothing is kept, neither its bytes nor its mode.
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            with failpoints.around("files.write"):
                stream.write(content)
                stream.flush()
            fsync(descriptor)
        with failpoints.around("files.rename"):
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    fsync_directory(path.parent)


@contextlib.contextmanager
def written_durably(path: Path, *, advance: Callable[[int], None]) -> Iterator[BinaryIO]:
    """Give what is to become ``path``, for us alone: there in full and durably after the context, or as it was before.

    ``advance`` is told of the bytes that are brought to the disk at the end, slice by slice, and may raise.

    Raises:
        OSError: the disk is full or the folder not ours; nothing is left behind.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")

    def go_on(count: int) -> bool:
        advance(count)
        return True

    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(unfinished, flags, WORK_MODE), "wb") as out:
            yield out
        flush_file(unfinished, go_on)
        with failpoints.around("files.rename_rows"):
            unfinished.rename(path)
        fsync_directory(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def as_local_fault(operation: str, subject: str, *, hint: str) -> Iterator[None]:
    """Raise ``LocalFault`` in place of an ``OSError`` of the body: this machine stood in the way."""
    try:
        yield
    except OSError as error:
        raise LocalFault(operation, subject, error.strerror or str(error), hint=hint) from error
