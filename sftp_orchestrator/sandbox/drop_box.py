"""Receivers that show little: sessions that let nobody look at what was sent, each in a way of its own."""

# ruff: noqa: D102 - the methods are asyncssh's and documented there

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable
from typing import NoReturn

import asyncssh

from sftp_orchestrator.sandbox.settings import Traits
from sftp_orchestrator.sandbox.sftp import InboxServer, get_name

_Attributes = os.stat_result | asyncssh.SFTPAttrs | Awaitable[os.stat_result | asyncssh.SFTPAttrs]


class WriteOnlyInbox(InboxServer):
    """Files may be written, and nothing else: neither looked at, listed, read, renamed nor removed."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if pflags & asyncssh.FXF_READ:
            _refuse()
        return super().open(path, pflags, attrs)

    def stat(self, path: bytes) -> NoReturn:  # noqa: ARG002 - refused whatever it is called for
        _refuse()

    def lstat(self, path: bytes) -> NoReturn:  # noqa: ARG002 - the same
        _refuse()

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:  # noqa: ARG002 - the same
        _refuse()

    def remove(self, path: bytes) -> None:  # noqa: ARG002 - the same
        _refuse()

    def rename(self, oldpath: bytes, newpath: bytes) -> None:  # noqa: ARG002 - the same
        _refuse()


class VanishingInbox(InboxServer):
    """A file is gone for its sender as soon as it is closed, as where it is moved elsewhere at once."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if not pflags & asyncssh.FXF_WRITE:
            self._require_open(path)
        return super().open(path, pflags, attrs)

    def stat(self, path: bytes) -> _Attributes:
        self._require_open(path)
        return super().stat(path)

    def lstat(self, path: bytes) -> _Attributes:
        self._require_open(path)
        return super().lstat(path)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for name in super().scandir(path):
            if self._inbox.is_open(os.fsdecode(name.filename)):
                yield name

    def remove(self, path: bytes) -> None:
        self._require_open(path)
        super().remove(path)

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._require_open(oldpath)
        super().rename(oldpath, newpath)

    def _require_open(self, path: bytes) -> None:
        if self._get_path(path).is_file() and not self._inbox.is_open(get_name(path)):
            raise asyncssh.SFTPNoSuchFile("no such file")


def choose_server(traits: Traits) -> type[InboxServer]:
    """Return what serves the sessions of a sandbox with ``traits``. Pure."""
    if traits.write_only:
        return WriteOnlyInbox
    return VanishingInbox if traits.hides_uploads else InboxServer


def _refuse() -> NoReturn:
    raise asyncssh.SFTPPermissionDenied("only writing is allowed here")
