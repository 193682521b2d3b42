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
    may_remove: bool
    """whether the probe could be removed again"""


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
    """
    name = f"sftp-orchestrator-probe-{uuid.uuid4().hex}.probe"
    await remote.put(name, _Probe())
    shows_uploads = may_remove = False
    with contextlib.suppress(errors.ReceiverRefused):
        shows_uploads = await remote.get_size(name) == _Probe.size
    with contextlib.suppress(errors.ReceiverRefused):
        may_remove = await remote.remove(name)
    return ReceiverFacts(
        server_version=remote.server_version,
        host_key=remote.host_key,
        cipher=remote.cipher,
        extensions=tuple(internals.list_extensions(remote.client)),
        write_bytes=remote.write_bytes,
        free_bytes=await remote.get_free_bytes(),
        may_list=await _may_list(remote),
        shows_uploads=shows_uploads,
        may_remove=may_remove,
    )


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
