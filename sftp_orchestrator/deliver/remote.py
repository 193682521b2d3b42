"""What delivery needs of a receiver: six operations, behind which any SFTP library may stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol

Progress = Callable[[int], None]
"""Called with the number of bytes that were newly acknowledged by the receiver."""


class Content(Protocol):
    """Bytes to send: their number is known, and they can be read from the start as often as needed."""

    @property
    def size(self) -> int:
        """Number of bytes."""
        ...

    def open(self) -> BinaryIO:
        """Return a fresh stream at offset 0; the caller closes it. Blocking: called in a thread."""
        ...


class Remote(Protocol):
    """One connection to a receiver. Every operation has a deadline.

    All raise ``Unreachable`` when the line is cut, silent past the deadline, or the server is out of service: the
    connection is then of no further use. ``ReceiverRefused`` is permanent: permission denied, no such folder,
    operation unsupported. Other server failures are ``Transient``.
    """

    async def put(self, name: str, content: Content, progress: Progress | None = None) -> None:
        """Write ``content`` under ``name``: write-only, created or truncated, one handle, rising offsets.

        Returns when every byte is acknowledged and the handle closed cleanly. May be repeated. After an error a partial
        file may lie there. ``Transient`` when fewer bytes were read or acknowledged than ``content.size``.
        """
        ...

    async def get_size(self, name: str) -> int | None:
        """Return the size in bytes of the file ``name``, None where it is missing. May be repeated."""
        ...

    async def remove(self, name: str) -> bool:
        """Remove the file ``name``; return whether it was there. May be repeated."""
        ...

    async def rename(self, old: str, new: str) -> None:
        """Rename ``old`` to ``new``, which must not exist (SFTP v3 rename never overwrites). Not repeatable."""
        ...

    async def close(self) -> None:
        """Close the connection; never raises, may be repeated."""
        ...
