"""One owner a workspace: an exclusive lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from sftp_orchestrator import files
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.workspace import give_to_owner


class WorkspaceLock:
    """Held from ``__enter__`` to ``__exit__`` or to the end of the process, however it ends.

    The file tells who holds it (host, boot id, pid); whether it is held, only the kernel's lock says, so that nothing
    has to be cleaned up after a crash.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._subject = f"workspace {path.parent}"
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            LocalFault: another process holds it (the message names that process), or its file cannot be used.
        """
        hint = f"{self._path.name} must be a file that we may write: give it to the user who runs the service"
        with files.as_local_fault("lock", self._subject, hint=hint):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, files.WORK_MODE)
            try:
                # Before anything else can fail: root's file would keep the service out for ever.
                give_to_owner(self._path)
                self._take(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return self

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _describe(os.pread(descriptor, 4096, 0))
            raise LocalFault(
                "lock", self._subject, f"it is in use by {owner}", hint="only one may run at a time"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_me()).encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back. The file stays: removing it would let two others lock two files of one name."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        # What it says is for people; closing it is what gives the lock back.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
        with files.as_local_fault("unlock", self._subject, hint="the lock ends with this process in any case"):
            os.close(descriptor)


def _me() -> dict[str, str | int]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "boot_id": _get_boot_id()}


def _get_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _describe(content: bytes) -> str:
    try:
        owner = json.loads(content)
        return f"process {owner['pid']} on {owner['host']} (boot {owner['boot_id']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
