"""One owner a workspace: an exclusive lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sftp_orchestrator import files
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.workspace import give_to_owner

_PAUSES_SECONDS = (0.01, 0.05, 0.2)
"""Between tries to take it: ``find_holder`` has it for a moment, and must not keep a daemon from starting."""
_MOST_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that owns a workspace, as far as it says of itself."""

    pid: int | None = None
    host: str | None = None
    boot_id: str | None = None
    since: datetime.datetime | None = None
    is_pass: bool = False
    """it is one pass of ``run --once`` and no daemon"""
    page: str | None = None
    """where its page listens, HOST:PORT as in the configuration that it read, empty without a page; None: unknown"""
    configuration: str | None = None
    """the digest of the configuration that it read; None: unknown"""

    @property
    def is_daemon(self) -> bool:
        """Whether it says that it is one; False, too, where it has said nothing yet."""
        return self.pid is not None and not self.is_pass

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        return f"process {self.pid} on {self.host} (boot {self.boot_id})"


class WorkspaceLock:
    """Held from ``__enter__`` to ``__exit__`` or to the end of the process, however it ends.

    The file tells who holds it (host, boot id, pid); whether it is held, only the kernel's lock says, so that nothing
    has to be cleaned up after a crash.
    """

    def __init__(
        self, path: Path, *, is_pass: bool = False, page: str | None = None, configuration: str | None = None
    ) -> None:
        self._path = path
        self._said = {"once": is_pass, "page": page, "configuration": configuration}
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
        for pause in (*_PAUSES_SECONDS, None):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if pause is None:
                    holder = _parse(os.pread(descriptor, _MOST_BYTES, 0))
                    hint = "only one may run at a time"
                    if self._said["once"] and holder.is_daemon:
                        hint += f"; to have the daemon deliver now: {COMMAND} run-now"
                    raise LocalFault("lock", self._subject, f"it is in use by {holder}", hint=hint) from error
                time.sleep(pause)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({**_describe_us(), **self._said}).encode(), 0)

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


def find_holder(path: Path) -> Holder | None:
    """Return who holds the lock at ``path``; None where nobody does, or nobody ever did.

    May be asked at any time: the lock is shared for the moment of the question, and nothing is made or changed.

    Raises:
        LocalFault: its file cannot be read, or the file system knows no locks.
    """
    with files.as_local_fault("look at", f"workspace {path.parent}", hint=f"{path.name} must be a file of ours"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(os.pread(descriptor, _MOST_BYTES, 0))
        finally:
            # Closing it gives the lock back, too.
            os.close(descriptor)
    return None


def _describe_us() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot_id": _get_boot_id(),
        "since": datetime.datetime.now(datetime.UTC).isoformat(),
    }


def _get_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _parse(content: bytes) -> Holder:
    """Return what the file says; it is empty for the moment between the lock and the first word in it."""
    try:
        said = json.loads(content)
        since = said.get("since")
        return Holder(
            pid=said["pid"],
            host=said["host"],
            boot_id=said["boot_id"],
            since=datetime.datetime.fromisoformat(since) if since is not None else None,
            is_pass=bool(said.get("once")),
            page=said.get("page"),
            configuration=said.get("configuration"),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Holder()
