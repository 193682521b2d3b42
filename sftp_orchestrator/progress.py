"""What is under way right now, in bytes: written by the stations, read by the terminal and the page."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TypeVar

from sftp_orchestrator.measuring import Measures, Stage

T = TypeVar("T")

LOOK_SECONDS = 2.0
"""How often it is looked whether work goes on."""


class Phase(enum.StrEnum):
    """What is being done with a file or part."""

    CLAIM = "claim"
    """it is copied from another file system, or brought to the disk"""
    INSPECT = "inspect"
    ENCRYPT = "encrypt"
    UPLOAD = "upload"
    PUBLISH = "publish"
    INFER = "infer"
    """``infer`` counts what the cells look like; never seen in a daemon"""
    MAKE = "make"
    """the demo makes its files; never seen in a daemon"""
    IMPORT = "import"
    """the demo's receiver reads what it was sent; never seen in a daemon"""


_STAGES = {
    Phase.CLAIM: Stage.CLAIM,
    Phase.INSPECT: Stage.INSPECT,
    Phase.ENCRYPT: Stage.ENCRYPT,
    Phase.UPLOAD: Stage.UPLOAD,
    Phase.PUBLISH: Stage.PUBLISH,
}


@dataclass(frozen=True, kw_only=True)
class Work:
    """One piece of work as it stands."""

    label: str
    phase: Phase
    done_bytes: int
    total_bytes: int
    started: float
    """monotonic seconds"""
    moved: float
    """monotonic seconds of the last byte, or of its begin"""

    def get_rate(self, now: float) -> float:
        """Return bytes per second since it began, ``now`` in monotonic seconds; 0 where that cannot be told."""
        return self.done_bytes / (now - self.started) if now > self.started else 0.0

    def get_idle_seconds(self, now: float) -> float:
        """Return for how long no byte was done, ``now`` in monotonic seconds."""
        return max(now - self.moved, 0.0)


class Board:
    """A snapshot of the work under way. Threads may write to it; memory and not the truth, which is the ledger's.

    What it took is measured, once it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: dict[str, Work] = {}
        self._sent_bytes = 0
        self.measures = Measures()

    def begin(self, label: str, phase: Phase, total_bytes: int) -> None:
        """Show that ``label`` enters ``phase``, counted from zero bytes of ``total_bytes``."""
        now = time.monotonic()
        with self._lock:
            self._work[label] = Work(
                label=label, phase=phase, done_bytes=0, total_bytes=total_bytes, started=now, moved=now
            )

    def advance(self, label: str, count: int) -> None:
        """Show that ``count`` more bytes are done."""
        with self._lock:
            work = self._work.get(label)
            if work is not None and count:
                self._work[label] = replace(work, done_bytes=work.done_bytes + count, moved=time.monotonic())
                self._sent_bytes += count if work.phase is Phase.UPLOAD else 0

    def end(self, label: str) -> None:
        """Take ``label`` off the board; may be repeated."""
        with self._lock:
            work = self._work.pop(label, None)
        if work is not None and work.phase in _STAGES:
            self.measures.note_stage(_STAGES[work.phase], time.monotonic() - work.started)

    def list_work(self) -> list[Work]:
        """Return what is under way, in the order in which it began."""
        with self._lock:
            return sorted(self._work.values(), key=lambda work: work.started)

    @property
    def sent_bytes(self) -> int:
        """Bytes that the receivers have acknowledged since the start."""
        return self._sent_bytes


async def beat_while(work: Coroutine[None, None, T], board: Board, beat: Callable[[], None]) -> T:
    """Await ``work``; call ``beat`` while bytes are done or what is under way changes, however long it takes."""
    task = asyncio.ensure_future(work)
    last: object = None
    try:
        while not task.done():
            # A claim beside it is the intake's work, and says nothing about this.
            now: object = [one for one in board.list_work() if one.phase is not Phase.CLAIM]
            if now != last or not now:
                last = now
                beat()
            await asyncio.wait([task], timeout=LOOK_SECONDS)
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
    return task.result()
