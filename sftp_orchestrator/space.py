"""Space on local file systems: held for a writer before its first byte, so that no two count on the same bytes.

What is held is known to this process alone. Nobody else writes much into the workspace; and where somebody does, or the
disk is shared, the write itself fails, and its source waits as it waits for space.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sftp_orchestrator import files
from sftp_orchestrator.errors import NoSpace

T = TypeVar("T")

SPARE_BYTES = 64 * 1024 * 1024
"""Kept free beside what a step needs: the ledger must be able to note that the disk is full."""


class Reservation:
    """What one writer may still write. Used by one thread; others may hold theirs on the same disk at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.device = folder.stat().st_dev
        self.held_bytes = 0

    def require(self, needed_bytes: int) -> None:
        """Hold ``needed_bytes`` for what is still to be written, in place of what was held; may be repeated.

        Raises:
            NoSpace: they are not free, or held for others; what was held before stays held.
        """
        _HELD.take(self, needed_bytes)

    def note_written(self, count: int) -> None:
        """Hold ``count`` bytes less: they lie on the disk by now, which tells of them itself."""
        _HELD.give(self, count)

    def watch(self, advance: Callable[[int], T]) -> Callable[[int], T]:
        """Return ``advance``, which is told how many more bytes are written, so that we are told as well."""

        def advance_both(count: int) -> T:
            self.note_written(count)
            return advance(count)

        return advance_both


class _Held:
    """All reservations of this process, by file system."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_device: defaultdict[int, set[Reservation]] = defaultdict(set)

    def take(self, reservation: Reservation, needed_bytes: int) -> None:
        with self._lock:
            holders = self._by_device[reservation.device]
            others = sum(other.held_bytes for other in holders if other is not reservation)
            if needed_bytes:
                _require(reservation.folder, needed_bytes, others=others)
            reservation.held_bytes = needed_bytes
            holders.add(reservation)

    def require(self, folder: Path, needed_bytes: int) -> None:
        with self._lock:
            _require(folder, needed_bytes, others=sum(one.held_bytes for one in self._by_device[folder.stat().st_dev]))

    def give(self, reservation: Reservation, count: int) -> None:
        with self._lock:
            reservation.held_bytes = max(0, reservation.held_bytes - count)

    def drop(self, reservation: Reservation) -> None:
        with self._lock:
            self._by_device[reservation.device].discard(reservation)


_HELD = _Held()


@contextlib.contextmanager
def reserve(folder: Path, needed_bytes: int) -> Iterator[Reservation]:
    """Hold ``needed_bytes`` on the file system of ``folder`` for the time of the context, and ``SPARE_BYTES`` beside.

    With 0 nothing is asked yet: for whoever learns later how much will come.

    Raises:
        NoSpace: they are not free, or held for others; it may be tried again as soon as there is space.
        LocalFault: the folder cannot be looked at.
    """
    with files.as_local_fault("reserve space in", str(folder), hint="it must be a folder of ours"):
        reservation = Reservation(folder)
    try:
        reservation.require(needed_bytes)
        yield reservation
    finally:
        _HELD.drop(reservation)


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise as ``reserve`` where ``needed_bytes`` are not to be had, and hold nothing: for whoever asks beforehand."""
    with files.as_local_fault("reserve space in", str(folder), hint="it must be a folder of ours"):
        _HELD.require(folder, needed_bytes)


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise ``NoSpace`` unless ``needed_bytes`` are free, held for others or not, and ``SPARE_BYTES`` beside.

    For whoever asks afterwards whether it was the disk that ran out; a writer reserves.
    """
    _require(folder, needed_bytes, others=0)


def get_free_bytes(folder: Path) -> int:
    """Return how much may be written to the file system of ``folder`` without root's reserve; raises ``OSError``."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def _require(folder: Path, needed: int, *, others: int) -> None:
    with files.as_local_fault("reserve space in", str(folder), hint="it must be a folder of ours"):
        free = get_free_bytes(folder)
    if free - others >= needed + SPARE_BYTES:
        return
    held = f", {others:,} of them held for other files" if others else ""
    raise NoSpace(
        "reserve space in",
        str(folder),
        f"{free:,} bytes are free{held}, {needed:,} and {SPARE_BYTES:,} to spare are needed",
        hint="make room there; it waits for space and goes on by itself",
    )
