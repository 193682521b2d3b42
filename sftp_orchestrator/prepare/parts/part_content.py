"""The bytes of a part, of a file, or of a manifest, as streams that can be read from the start as often as needed."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from sftp_orchestrator.errors import LocalFault, SourceChanged


@dataclass(frozen=True, kw_only=True)
class PartContent:
    """``header_bytes + path[start:end]``, read straight from the source; no copy is made."""

    path: Path
    header_bytes: bytes
    start: int
    end: int
    expected_size: int
    expected_mtime_ns: int

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.header_bytes) + self.end - self.start

    def open(self) -> BinaryIO:
        """Return a fresh stream; reading it raises SourceChanged where the source is not what was inspected."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise LocalFault("read", str(self.path), error.strerror or str(error)) from error
        return cast("BinaryIO", _PartStream(self, descriptor))


class _PartStream(io.RawIOBase):
    """Header and range one after the other; the source's size and time are compared at the first and the last byte."""

    def __init__(self, content: PartContent, descriptor: int) -> None:
        self._content = content
        self._descriptor = descriptor
        self._position = 0
        try:
            self._require_unchanged()
        except SourceChanged:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # any writable buffer, as RawIOBase has it
        header = self._content.header_bytes
        if self._position < len(header):
            piece = header[self._position : self._position + len(view)]
            view[: len(piece)] = piece
            self._position += len(piece)
            return len(piece)
        offset = self._content.start + self._position - len(header)
        wanted = min(len(view), self._content.end - offset)
        if wanted <= 0:
            self._require_unchanged()
            return 0
        count = os.preadv(self._descriptor, [view[:wanted]], offset)
        self._position += count
        if count < wanted or self._position == self._content.size:
            self._require_unchanged()
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _require_unchanged(self) -> None:
        found = os.fstat(self._descriptor)
        if (found.st_size, found.st_mtime_ns) != (self._content.expected_size, self._content.expected_mtime_ns):
            raise SourceChanged("read", self._content.path.name, "it changed since it was inspected")


@dataclass(frozen=True)
class FileContent:
    """A file of ours, whole."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        """Return a fresh stream."""
        return self.path.open("rb")


@dataclass(frozen=True)
class BytesContent:
    """Bytes in memory: a manifest."""

    content: bytes

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.content)

    def open(self) -> BinaryIO:
        """Return a fresh stream."""
        return io.BytesIO(self.content)
