"""A receiver on asyncssh, in the test's own event loop: for what paramiko's server cannot say."""

# ruff: noqa: D102 - the methods are asyncssh's and documented there

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from sftp_orchestrator.config.model import Destination
from tests.support.openssh import make_key, read_public_key
from tests.support.receivers import make_destination

_Space = os.statvfs_result | asyncssh.SFTPVFSAttrs | Awaitable[os.statvfs_result | asyncssh.SFTPVFSAttrs]


@dataclass(frozen=True, kw_only=True)
class AsyncsshServer:
    """A running server."""

    root: Path
    port: int
    private_key: Path
    host_key: str

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides, port=self.port, username="u", private_key={"file": self.private_key}, host_key=self.host_key
        )


class FullDisk(asyncssh.SFTPServer):
    """Fault: while ``is_full`` it takes no byte, and says when asked that no space is left."""

    is_full = True

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        if self.is_full:
            raise asyncssh.SFTPNoSpaceOnFilesystem("no space left on device")
        return super().write(file_obj, offset, data)

    def statvfs(self, path: bytes) -> _Space:
        if self.is_full:
            return asyncssh.SFTPVFSAttrs(bsize=4096, frsize=4096, blocks=1, bavail=0)
        return super().statvfs(path)


class NoQuota(asyncssh.SFTPServer):
    """Fault: while ``is_full`` the user's quota is used up, though the disk has room."""

    is_full = True

    def write(self, file_obj: object, offset: int, data: bytes) -> int | Awaitable[int]:
        if self.is_full:
            raise asyncssh.SFTPQuotaExceeded("Disk quota exceeded")
        return super().write(file_obj, offset, data)


@asynccontextmanager
async def run_asyncssh(folder: Path, kind: type[asyncssh.SFTPServer]) -> AsyncIterator[AsyncsshServer]:
    """Run a receiver whose sessions are served by ``kind``, with its files in ``folder``."""
    root = folder / "root"
    root.mkdir(parents=True)
    private_key, host_key = make_key(folder / "id_ed25519"), make_key(folder / "host_ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[str(host_key)],
        authorized_client_keys=str(private_key) + ".pub",
        sftp_factory=lambda channel: kind(channel, chroot=bytes(root)),
    )
    try:
        yield AsyncsshServer(
            root=root, port=server.get_port(), private_key=private_key, host_key=read_public_key(host_key)
        )
    finally:
        server.close()
        await server.wait_closed()
