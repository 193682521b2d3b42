"""The SHA-256 of a file, made beside the reading of it."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

_AHEAD = 4
"""Chunks read and not hashed yet: hashing must not wait for a slow read, nor this for that. Bounds the memory."""


class Digest:
    """The SHA-256 of chunks, in the order in which they are given."""

    def __init__(self, thread: ThreadPoolExecutor | None) -> None:
        """``thread`` has one worker, which does the work; else it is done by who gives the chunk."""
        self._thread = thread
        self._sha256 = hashlib.sha256()
        self._ahead: deque[Future[None]] = deque()

    def update(self, chunk: bytes) -> None:
        """Go on with ``chunk``."""
        if self._thread is None:
            self._sha256.update(chunk)
            return
        while len(self._ahead) >= _AHEAD:
            self._ahead.popleft().result()
        self._ahead.append(self._thread.submit(self._sha256.update, chunk))

    def hexdigest(self) -> str:
        """Return the digest of all chunks so far."""
        while self._ahead:
            self._ahead.popleft().result()
        return self._sha256.hexdigest()
