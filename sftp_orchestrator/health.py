"""What ``check`` looks at before a byte leaves: folders, space, keys and their expiry, and the receivers."""

from __future__ import annotations

import datetime
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config import credentials
from sftp_orchestrator.config.model import Configuration, Destination, Verify
from sftp_orchestrator.deliver import probe, sftp
from sftp_orchestrator.errors import ExitCode, Failure, LocalFault, ReceiverRefused, get_exit_code
from sftp_orchestrator.prepare import planning
from sftp_orchestrator.workspace import Workspace

EXPIRY_WARNING_DAYS = 60
"""An OpenPGP key that expires sooner is worth a line: CleverTap needs time to store a new one."""
SPACE_WARNING_BYTES = 10_000_000_000
"""Less free space than two of the largest files is worth a line."""


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


def check_machine(configuration: Configuration) -> Iterator[Result]:
    """Look at secrets, folders, space and keys; nothing is sent."""
    workspace = Workspace(root=configuration.workspace)
    yield _attempt("secrets", lambda: _check_secrets(configuration))
    yield _attempt("staging", lambda: _check_folder(configuration.staging))
    yield _attempt("workspace", lambda: _check_workspace(workspace))
    yield from _check_file_systems(configuration)
    yield from _check_space(configuration)
    if any(destination.encryption for destination in configuration.destinations.values()):
        yield from _check_keys(configuration, workspace)


async def check_receiver(name: str, destination: Destination) -> Result:
    """Log in, and write and remove a probe that no receiver takes for a file of ours."""
    subject = f"destination {name}"
    try:
        remote = await sftp.connect(destination, name)
        try:
            facts = await probe.probe(remote)
        finally:
            await remote.close()
    except Failure as failure:
        return Result(subject=subject, said=str(failure), failure=failure)
    if destination.verify is Verify.REQUIRED and not facts.shows_uploads:
        hidden = ReceiverRefused(
            "verify", name, "the receiver does not show what was put there", hint="set verify: best_effort"
        )
        return Result(subject=subject, said=str(hidden), failure=hidden)
    return Result(
        subject=subject,
        said=f"logged in to {facts.server_version}, host key {facts.host_key}, {facts.cipher}; probe written"
        + (" and removed" if facts.may_remove else "; it could not be removed"),
        is_warning=not facts.may_remove,
    )


def _attempt(subject: str, look: Callable[[], str]) -> Result:
    try:
        return Result(subject=subject, said=look())
    except Failure as failure:
        return Result(subject=subject, said=str(failure), failure=failure)


def _check_secrets(configuration: Configuration) -> str:
    credentials.require_secrets(configuration)
    return "all readable, private ones by us alone"


def _check_workspace(workspace: Workspace) -> str:
    workspace.prepare()
    return _check_folder(workspace.root)


def _check_folder(folder: Path) -> str:
    if not folder.is_dir():
        raise LocalFault("use", str(folder), "it is no folder", hint=f"run: mkdir -p {folder}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise LocalFault("use", str(folder), "we may not read and write it", hint="files are moved out of it")
    return str(folder)


def _check_file_systems(configuration: Configuration) -> Iterator[Result]:
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


def _check_space(configuration: Configuration) -> Iterator[Result]:
    try:
        free = shutil.disk_usage(configuration.workspace).free
    except OSError:
        return
    yield Result(subject="space", said=f"{free / 1e9:.1f} GB free", is_warning=free < SPACE_WARNING_BYTES)


def _check_keys(configuration: Configuration, workspace: Workspace) -> Iterator[Result]:
    try:
        encryptors = planning.open_encryptors(configuration, workspace)
    except Failure as failure:
        yield Result(subject="OpenPGP key", said=str(failure), failure=failure)
        return
    now = datetime.datetime.now(datetime.UTC)
    for name, encryptor in encryptors.items():
        ends = encryptor.expires_at
        days = (ends - now).days if ends is not None else None
        said = f"{encryptor.fingerprint}, " + ("never expires" if days is None else f"expires in {days} days")
        yield Result(
            subject=f"OpenPGP key of {name}", said=said, is_warning=days is not None and days < EXPIRY_WARNING_DAYS
        )
