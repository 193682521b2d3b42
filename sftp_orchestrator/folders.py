"""The folders that ``check`` looks at: whether files can be moved through them; and what one look found."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ExitCode, Failure, LocalFault, get_exit_code
from sftp_orchestrator.workspace import FOLDER_MODE, READ_ONLY, Workspace


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one look found."""

    subject: str
    said: str
    is_warning: bool = False
    failure: Failure | None = None

    @property
    def exit_code(self) -> ExitCode:
        """What this result ends ``check`` with."""
        return get_exit_code(self.failure) if self.failure is not None else ExitCode.DONE


def attempt(subject: str, look: Callable[[], str]) -> Result:
    """Return what ``look`` says, or the ``Failure`` that it raises."""
    try:
        return Result(subject=subject, said=look())
    except Failure as failure:
        return Result(subject=subject, said=str(failure), failure=failure)


def check_workspace(workspace: Workspace) -> Result:
    """Make the workspace's folders, and say whether files can be moved through it."""
    mode = FOLDER_MODE
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(workspace.root.stat().st_mode)

    def prepare() -> str:
        workspace.prepare()
        return check_folder(workspace.root, READ_ONLY)

    result = attempt("workspace", prepare)
    if result.failure is None and mode & 0o077:
        said = f"{workspace.root}: others could look into it ({mode:04o}); its permissions are {FOLDER_MODE:04o} now"
        return Result(subject="workspace", said=said, is_warning=True)
    return result


def can_look_into(folder: Path) -> bool:
    """Return whether ``folder`` is one, and is open to us."""
    # Of a path that leads through a closed folder is_dir raises.
    with contextlib.suppress(OSError):
        return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)
    return False


def check_folder(folder: Path, if_read_only: str) -> str:
    """Return the folder's path; raises ``LocalFault`` where files cannot be moved, with a hint if it is read-only."""
    if not folder.is_dir():
        raise LocalFault("use", str(folder), "it is no folder", hint=f"run: mkdir -p {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise LocalFault("use", str(folder), os.strerror(errno.EROFS), hint=if_read_only)
        raise LocalFault("use", str(folder), "we may not read and write it", hint="files are moved through it")
    return str(folder)


def check_file_systems(configuration: Configuration) -> Iterator[Result]:
    """Warn where each file has to be copied into the workspace."""
    try:
        can_rename = _try_rename(configuration.staging, configuration.workspace)
    except OSError:
        return  # Folders that are missing or not ours are told of by name.
    if not can_rename:
        said = "staging and workspace are on different file systems or mounts: each file is copied, not renamed"
        yield Result(subject="file systems", said=said, is_warning=True)


def _try_rename(source: Path, target: Path) -> bool:
    """Return whether a file can be renamed from one folder into another; only trying it tells.

    Two mounts of one file system, as Docker's volumes may be, look the same by every number that stat(2) gives.
    """
    name = f".{secrets.token_hex(8)}.sftp-orchestrator-probe.tmp"
    before, after = source / name, target / name
    try:
        before.touch(mode=0o600, exist_ok=False)
        before.rename(after)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    finally:
        before.unlink(missing_ok=True)
        after.unlink(missing_ok=True)
    return True
