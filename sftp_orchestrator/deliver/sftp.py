"""A receiver over plain SFTP version 3, by asyncssh."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncssh
import structlog

from sftp_orchestrator import errors, failpoints
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver import internals
from sftp_orchestrator.deliver.classify import FOREIGN_ERRORS, classify
from sftp_orchestrator.deliver.credentials import get_fingerprint, load_credentials
from sftp_orchestrator.deliver.login import LET_GO_SECONDS, let_go, open_session
from sftp_orchestrator.deliver.reading import open_blocks
from sftp_orchestrator.deliver.receiver import Receiver
from sftp_orchestrator.deliver.remote import Content, Progress
from sftp_orchestrator.deliver.throttle import Throttle
from sftp_orchestrator.deliver.writing import SAFE_WRITE_BYTES, Writing

MOST_WRITE_BYTES = 255 * 1024
"""OpenSSH's own limit: its largest packet of 256 KiB less room for the head (``limits@openssh.com``)."""
BLOCK_BYTES = 1024 * 1024
"""Read from the local file at a time: large enough that the change of threads costs nothing."""

_LOG = structlog.get_logger()


async def connect(destination: Destination, name: str, throttle: Throttle | None = None) -> SftpRemote:
    """Log in to ``destination``, which the configuration calls ``name``, and open an SFTP session. May be repeated.

    What is sent over it then is held to the limit of ``throttle``, together with all else that has the same one.

    Raises:
        Unreachable: no answer within ``timeout_seconds`` all in all, or the line was cut.
        LoginRefused: our key is not accepted there, or its host key is not pinned here.
        SessionRefused: no common algorithm, or no SFTP.
        ConfigurationError: a key, a passphrase or a pin cannot be read, or the host's name is none.
    """
    # At its lower levels asyncssh says something about every request.
    asyncssh.set_log_level("WARNING")
    receiver = Receiver.of(destination, name)
    credentials = await asyncio.to_thread(load_credentials, destination, name)
    remote = SftpRemote(*await open_session(receiver, credentials), receiver, throttle)
    _LOG.info("connected", destination=name, host=receiver.host, server=remote.server_version, cipher=remote.cipher)
    return remote


class SftpRemote:
    """A ``Remote`` over one SSH connection with one SFTP session on it; operations may run side by side.

    After ``Unreachable``, and after an operation was cancelled midway, ``is_usable`` is False: only ``close`` remains.
    """

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        client: asyncssh.SFTPClient,
        receiver: Receiver,
        throttle: Throttle | None = None,
    ) -> None:
        self.receiver = receiver
        self.client = client
        self._connection = connection
        self._throttle = throttle
        self._poisoned = False
        self._closed = False

    @property
    def is_usable(self) -> bool:
        """Whether an operation may be begun on it, as far as is known without asking the receiver."""
        return not (self._poisoned or self._closed or self._connection.is_closed() or internals.has_ended(self.client))

    @property
    def server_version(self) -> str:
        """What the server calls itself, as ``SSH-2.0-OpenSSH_9.2p1``."""
        return str(self._connection.get_extra_info("server_version"))

    @property
    def cipher(self) -> str:
        """The cipher that protects what we send."""
        return str(self._connection.get_extra_info("send_cipher"))

    @property
    def host_key(self) -> str:
        """The fingerprint of the host key that the server proved to have, with its algorithm before it."""
        key = self._connection.get_server_host_key()
        return get_fingerprint(key) if key is not None else ""

    @property
    def write_bytes(self) -> int:
        """Size of one write: what the server allows, 255 KiB at most; 32 KiB where it says nothing."""
        # asyncssh assumes 16 KiB for a server that names no limit.
        if "limits" in internals.list_extensions(self.client):
            return min(self.client.limits.max_write_len, MOST_WRITE_BYTES)
        return SAFE_WRITE_BYTES

    async def put(self, name: str, content: Content, progress: Progress | None = None) -> None:
        """Write ``content`` under ``name``: write-only, created or truncated, one handle, rising offsets.

        Returns when every byte is acknowledged and the handle closed cleanly. May be repeated. After an error a partial
        file may lie there. Sends neither attributes nor fsync: some servers refuse them after a good upload.

        Raises:
            Transient: the content's length is not ``content.size``, or the server reports a failure.
            Unreachable: the line was cut, or nothing was acknowledged for ``timeout_seconds``.
            FolderRefused: permission denied, no such folder.
            ReceiverRefused: no space, or another thing that it does not take.
            LocalFault: the content cannot be read.
        """
        write_bytes = self.write_bytes
        # A whole number of writes, so that no block ends in a small one.
        block_bytes = max(BLOCK_BYTES // write_bytes, 1) * write_bytes
        blocks = open_blocks(content, name, block_bytes=block_bytes)
        silence_seconds = self.receiver.timeout_seconds
        async with self.asking("upload", name, deadline=False), blocks as reader:
            file = await self._open(name)
            writing = Writing(
                file,
                write_bytes=write_bytes,
                silence_seconds=silence_seconds,
                progress=progress,
                throttle=self._throttle,
            )
            try:
                with failpoints.around("remote.write"):
                    await writing.send(reader, lambda: self._close_file(file))
            except (asyncssh.SFTPError, errors.Failure) as error:
                await self._abandon(file)
                await self._require_space(error, reader.size - writing.acknowledged_bytes)
                raise
        _LOG.debug("file_put", destination=self.receiver.name, name=name, bytes=writing.acknowledged_bytes)

    async def get_size(self, name: str) -> int | None:
        """Return the size in bytes of the file ``name``, None where it is missing. May be repeated."""
        async with self.asking("look for", name):
            try:
                with failpoints.around("remote.size"):
                    attributes = await self.client.stat(self.receiver.get_path(name))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return None
            return attributes.size

    async def remove(self, name: str) -> bool:
        """Remove the file ``name``; return whether it was there. May be repeated."""
        async with self.asking("remove", name):
            try:
                with failpoints.around("remote.remove"):
                    await self.client.remove(self.receiver.get_path(name))
            except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
                return False
            return True

    async def rename(self, old: str, new: str) -> None:
        """Rename ``old`` to ``new`` by SFTP v3's own rename, which never overwrites. Not repeatable.

        Raises:
            ReceiverRefused: ``new`` exists, ``old`` does not, or the server does not rename.
        """
        try:
            async with self.asking("rename", f"{old} to {new}"):
                with failpoints.around("remote.rename"):
                    await self.client.rename(self.receiver.get_path(old), self.receiver.get_path(new))
        except errors.ReceiverRefused as error:
            # Whatever code it has for this: "permission denied" and "no such file" are as common as "unsupported".
            hint = f"if it does not let us rename, set destinations.{self.receiver.name}.rename: false"
            raise type(error)(error.operation, error.subject, error.cause, hint=hint) from error
        except errors.Unreachable:
            raise
        except errors.Transient as error:
            # Version 3 has no code of its own for "it exists already".
            if await self._exists(new):
                cause = "the new name exists already"
                raise errors.ReceiverRefused(error.operation, error.subject, cause) from error
            raise

    async def get_free_bytes(self) -> int | None:
        """Return the space that is left for us in the remote folder, None where the server does not tell."""
        folder = self.receiver.get_path("")
        async with self.asking("ask for space", folder):
            with contextlib.suppress(asyncssh.SFTPError):
                facts = await self.client.statvfs(folder)
                return facts.bavail * facts.frsize
        return None

    async def check_alive(self, seconds: float) -> bool:
        """Return whether the receiver answers within ``seconds``; any answer will do. May be repeated."""
        try:
            async with asyncio.timeout(seconds), self.asking("ask", "login folder"):
                await self.client.realpath(".")
        except (TimeoutError, errors.Unreachable):
            return False
        except errors.Failure:
            return True
        return True

    async def close(self) -> None:
        """Close the connection; bounded in time, never raises, may be repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            await let_go(self._connection, abruptly=self._poisoned)
        except FOREIGN_ERRORS as error:
            _LOG.debug("close_failed", destination=self.receiver.name, error=str(error))
        _LOG.debug("connection_closed", destination=self.receiver.name)

    @contextlib.asynccontextmanager
    async def asking(self, operation: str, subject: str, *, deadline: bool = True) -> AsyncIterator[None]:
        """Hold the deadline over what runs inside, and turn foreign errors into failures of ``operation``."""
        if self._throttle is not None:
            self._throttle.note_request()
        try:
            async with asyncio.timeout(self.receiver.timeout_seconds if deadline else None):
                yield
        except FOREIGN_ERRORS as error:
            failure = classify(error, operation, f"{subject} at {self.receiver.name}", self.receiver)
            if isinstance(failure, errors.Unreachable):
                self._poisoned = True
                _LOG.warning("connection_lost", destination=self.receiver.name, error=str(failure))
            raise failure from error
        except asyncio.CancelledError:
            # What was asked is still under way there, and megabytes of it may wait to be sent.
            self._poisoned = True
            raise

    async def _exists(self, name: str) -> bool:
        with contextlib.suppress(errors.ReceiverRefused):
            return await self.get_size(name) is not None
        return False

    async def _open(self, name: str) -> asyncssh.SFTPClientFile:
        async with asyncio.timeout(self.receiver.timeout_seconds):
            # Without a block size of its own asyncssh sends what we give it as one request, and in no task of its own.
            with failpoints.around("remote.open"):
                return await self.client.open(self.receiver.get_path(name), "wb", block_size=0)

    async def _close_file(self, file: asyncssh.SFTPClientFile) -> None:
        if internals.has_ended(self.client):
            raise asyncssh.SFTPConnectionLost("before the file was closed")
        with failpoints.around("remote.close"):
            await file.close()

    async def _abandon(self, file: asyncssh.SFTPClientFile) -> None:
        """Close ``file`` after a failure that is known already: what this says adds nothing."""
        with contextlib.suppress(*FOREIGN_ERRORS):
            async with asyncio.timeout(min(LET_GO_SECONDS, self.receiver.timeout_seconds)):
                await file.close()

    async def _require_space(self, error: Exception, missing_bytes: int) -> None:
        """Raise what version 3 has no code for: that a write failed for want of space, if ``statvfs`` says so."""
        if not isinstance(error, asyncssh.SFTPFailure):
            return
        free_bytes = await self.get_free_bytes()
        if free_bytes is not None and free_bytes < missing_bytes:
            raise asyncssh.SFTPNoSpaceOnFilesystem(f"{free_bytes} bytes free, {missing_bytes} needed") from error
