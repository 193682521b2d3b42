"""Asks a receiver what it is and what it allows, for ``check --connect``."""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import BinaryIO, cast

import asyncssh

from sftp_orchestrator import errors
from sftp_orchestrator.deliver import internals
from sftp_orchestrator.deliver.sftp import SftpRemote

_Names = AsyncGenerator[asyncssh.SFTPName, None]
"""What scandir returns, though it promises less: it must be closed for its handle to be."""

_MESSAGE = b"sftp-orchestrator was here to check the connection; this file may be removed.\n"


@dataclass(frozen=True, kw_only=True)
class ReceiverFacts:
    """What a receiver told and what it let us do."""

    server_version: str
    """what it calls itself, as ``SSH-2.0-OpenSSH_9.2p1``"""
    host_key: str
    """algorithm and SHA-256 fingerprint of the host key it proved to have"""
    cipher: str
    extensions: tuple[str, ...]
    """the SFTP extensions it offers, of those that asyncssh knows"""
    write_bytes: int
    """size of one write"""
    free_bytes: int | None
    """space left for us; None where it does not tell"""
    may_list: bool
    """whether it lists the remote folder to us"""
    shows_uploads: bool
    """whether it showed the probe with its full size; without this ``verify: required`` cannot work"""
    left_behind: str | None
    """name of the probe where it could not be removed again"""


class _Probe:
    size = len(_MESSAGE)

    def open(self) -> BinaryIO:
        return io.BytesIO(_MESSAGE)


async def probe(remote: SftpRemote) -> ReceiverFacts:
    """Write a small file into the remote folder, look at it, remove it, and return what was learnt. May be repeated.

    Its name ends neither in .csv nor in .manifest, so that no receiver takes it for a file of ours.

    Raises:
        Unreachable: the line was cut.
        ReceiverRefused: the file may not be written.
        Transient: the server reports a failure in writing it.

    What was made before a failure is removed; where it cannot be, the failure says so.
    """
    name = f"sftp-orchestrator-probe-{uuid.uuid4().hex}.probe"
    shows_uploads = False
    try:
        await remote.put(name, _Probe())
        with contextlib.suppress(errors.ReceiverRefused):
            shows_uploads = await remote.get_size(name) == _Probe.size
    except errors.Failure as error:
        if await _remove(remote, name):
            raise
        raise _add_left_behind(error, name) from error
    is_removed = await _remove(remote, name)
    return ReceiverFacts(
        server_version=remote.server_version,
        host_key=remote.host_key,
        cipher=remote.cipher,
        extensions=tuple(internals.list_extensions(remote.client)),
        write_bytes=remote.write_bytes,
        free_bytes=await remote.get_free_bytes(),
        may_list=await _may_list(remote),
        shows_uploads=shows_uploads,
        left_behind=None if is_removed else name,
    )


async def _remove(remote: SftpRemote, name: str) -> bool:
    """Remove ``name``; return whether it is known to be gone."""
    if not remote.is_usable:
        return False
    with contextlib.suppress(errors.Failure):
        if await remote.remove(name):
            return True
    with contextlib.suppress(errors.Failure):
        return await remote.get_size(name) is None
    return False


def _add_left_behind(error: errors.Failure, name: str) -> errors.Failure:
    """Return ``error`` with word of the probe that may lie there. Pure."""
    left = f"the probe {name} may be left there: remove it"
    hint = f"{error.hint}; {left}" if error.hint else left
    return type(error)(error.operation, error.subject, error.cause, hint=hint)


async def _may_list(remote: SftpRemote) -> bool:
    folder = remote.receiver.get_path("")
    try:
        async with (
            remote.asking("list", folder),
            contextlib.aclosing(cast("_Names", remote.client.scandir(folder))) as names,
        ):
            async for _ in names:
                break
    except (errors.ReceiverRefused, errors.Transient) as error:
        if isinstance(error, errors.Unreachable):
            raise
        return False
    return True
