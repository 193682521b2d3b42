"""Reads a part's bytes for upload in a thread of its own, one block ahead of the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import BinaryIO, Protocol, Self, TypeVar

from sftp_orchestrator.deliver.remote import Content
from sftp_orchestrator.errors import LocalFault, SourceFault, Transient
from sftp_orchestrator.prepare.part_content import BytesContent

T = TypeVar("T")


class LengthDiffers(Transient):
    """There are fewer or more bytes to send than there should be."""


class Blocks(Protocol):
    """The bytes of a file to send, block by block."""

    @property
    def size(self) -> int:
        """Bytes to come, once the first block was read."""
        ...

    async def next_block(self) -> bytes:
        """Return the next block, empty at the end."""
        ...


def open_blocks(content: Content, name: str, *, block_bytes: int) -> AbstractAsyncContextManager[Blocks]:
    """Return what reads ``content``, the bytes of the file ``name``; used once."""
    if isinstance(content, BytesContent):
        return contextlib.nullcontext(_OneBlock(content.content))
    return BlockReader(content, name, block_bytes=block_bytes)


class _OneBlock:
    """Bytes in memory: there is nothing to wait for, and so no thread."""

    def __init__(self, content: bytes) -> None:
        self._rest = content
        self.size = len(content)

    async def next_block(self) -> bytes:
        block, self._rest = self._rest, b""
        return block


class BlockReader:
    """Gives the bytes of ``content`` in blocks of ``block_bytes``, one read ahead. Used once, as a context manager.

    Everything that touches the stream runs in one thread, in order: so leaving the context closes the stream after a
    read that is still under way, never beneath it.
    """

    def __init__(self, content: Content, name: str, *, block_bytes: int) -> None:
        self._content = content
        self._name = name
        self._block_bytes = block_bytes
        self._stream: BinaryIO | None = None
        self._total = 0
        self.size = 0
        """bytes to come, once the first block was read"""
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read")
        self._ahead: asyncio.Future[bytes] | None = None

    async def __aenter__(self) -> Self:
        self._ahead = self._submit(self._read_block)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ahead is not None and not self._ahead.cancel() and not self._ahead.cancelled():
            self._ahead.exception()  # an outcome nobody asked for is not worth a warning of asyncio
        closing = self._submit(self._close)
        self._executor.shutdown(wait=False)
        await asyncio.shield(closing)

    async def next_block(self) -> bytes:
        """Return the next block, empty at the end; together they are ``content.size`` bytes.

        Raises:
            SourceFault: the stream cannot be opened or read.
            LengthDiffers: it has fewer or more bytes than ``content.size``.
            SourceChanged: as the content says.
        """
        if self._ahead is None:
            return b""
        block = await self._ahead
        # A short block means that the stream has ended.
        self._ahead = self._submit(self._read_block) if len(block) == self._block_bytes else None
        self._total += len(block)
        if self._total > self.size:
            raise self._length_differs(f"at least {self._total}")
        if self._ahead is None and self._total < self.size:
            raise self._length_differs(str(self._total))
        return block

    def _length_differs(self, found: str) -> LengthDiffers:
        cause = f"it has {found} bytes, {self.size} were expected"
        return LengthDiffers("read", self._name, cause, hint="it is read anew")

    def _submit(self, step: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, step)

    def _read_block(self) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._content.open()
                self.size = self._content.size
            block = self._stream.read(self._block_bytes)
            while 0 < len(block) < self._block_bytes and (more := self._stream.read(self._block_bytes - len(block))):
                block += more
        except OSError as error:
            raise SourceFault("read", self._name, error.strerror or type(error).__name__) from error
        except LocalFault as error:
            raise SourceFault(error.operation, error.subject, error.cause, hint=error.hint) from error
        return block

    def _close(self) -> None:
        if self._stream is not None:
            # It was only read: what closing it says changes nothing, and must not pass for a word of the line.
            with contextlib.suppress(OSError):
                self._stream.close()
