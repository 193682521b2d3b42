"""The SSH side: login by public key alone, and SFTP in the login folder alone."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import asyncssh

from sftp_orchestrator.sandbox.activity import Event
from sftp_orchestrator.sandbox.inbox import Inbox, Upload

_WRITES = asyncssh.FXF_WRITE | asyncssh.FXF_APPEND | asyncssh.FXF_CREAT | asyncssh.FXF_TRUNC


class Login(asyncssh.SSHServer):
    """One connection: who may log in. Passwords, shells, commands, forwarding are off: that is asyncssh's default."""

    def __init__(
        self,
        inbox: Inbox,
        connections: set[asyncssh.SSHServerConnection],
        username: str | None,
        read_authorized_keys: Callable[[], asyncssh.SSHAuthorizedKeys],
        *,
        most_connections: int | None = None,
    ) -> None:
        self._inbox = inbox
        self._connections = connections
        self._username = username
        self._read_authorized_keys = read_authorized_keys
        self._most_connections = most_connections
        self._connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Keep the connection, so that it can be ended with the sandbox; hang up on one too many."""
        self._connection = conn
        is_one_too_many = self._most_connections is not None and len(self._connections) >= self._most_connections
        self._connections.add(conn)
        if is_one_too_many:
            conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncssh calls it so
        """Forget the connection."""
        self._connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Ask for a key; without keys set, which is so for another user name, none is good enough."""
        if self._username in {None, username}:
            self._connection.set_authorized_keys(self._read_authorized_keys())
        return True

    def auth_completed(self) -> None:
        """Note the login."""
        self._inbox.note(Event.LOGIN, username=self._connection.get_extra_info("username"))


class InboxServer(asyncssh.SFTPServer):
    """One SFTP session. As on object storage, links do not exist; a rename takes files only and never overwrites."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], inbox: Inbox) -> None:
        super().__init__(channel, chroot=os.fsencode(inbox.folder))
        self._inbox = inbox
        self._uploads: dict[object, Upload] = {}
        self._closing: list[Upload] = []

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file; note it where it is for writing."""
        opened = super().open(path, pflags, attrs)
        if pflags & _WRITES:
            self._uploads[opened] = self._inbox.note_opened(get_name(path))
        return opened

    def close(self, file_obj: object) -> None:
        """Close a file; note it where it was open for writing."""
        stream = cast("BinaryIO", file_obj)
        upload = self._uploads.pop(file_obj, None)
        if upload is not None:
            upload.size = os.fstat(stream.fileno()).st_size
        stream.close()
        if upload is not None:
            # When a session ends, asyncssh closes what is left open and calls exit at once; only that tells a cut
            # upload from one that its sender closed. So it is noted a turn of the loop later: before anybody's next
            # request is read, and before the sender can have our answer.
            self._closing.append(upload)
            asyncio.get_running_loop().call_soon(self._note_closed, upload)

    def exit(self) -> None:
        """Mark what was not closed by its sender."""
        for upload in self._closing:
            upload.complete = False

    def _note_closed(self, upload: Upload) -> None:
        self._closing.remove(upload)
        self._inbox.note_closed(upload)

    def remove(self, path: bytes) -> None:
        """Remove a file and note it."""
        super().remove(path)
        self._inbox.note(Event.REMOVED, name=get_name(path), by="sender")

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file and note it."""
        if self._get_path(oldpath).is_dir():
            raise asyncssh.SFTPOpUnsupported("only files can be renamed")
        super().rename(oldpath, newpath)
        self._inbox.note_renamed(get_name(oldpath), get_name(newpath))

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file; it is no more than ``rename``, for nothing is ever overwritten."""
        self.rename(oldpath, newpath)

    def symlink(self, oldpath: bytes, newpath: bytes) -> NoReturn:
        """Refuse."""
        raise asyncssh.SFTPOpUnsupported(f"there are no links, so none from {newpath!r} to {oldpath!r}")

    def link(self, oldpath: bytes, newpath: bytes) -> NoReturn:
        """Refuse."""
        self.symlink(oldpath, newpath)

    def _get_path(self, path: bytes) -> Path:
        return Path(os.fsdecode(self.map_path(path)))


def get_name(path: bytes) -> str:
    """Return ``path`` as it is called from the login folder, with ``/`` between folders."""
    return os.fsdecode(posixpath.normpath(posixpath.join(b"/", path)).lstrip(b"/"))
