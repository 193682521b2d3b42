"""Whether files are taken in: not while the workspace's disk runs short, where what is taken in has to be prepared.

Decided from two things on that disk, so that daemon, pass and ``status`` say the same, after a restart as well: how
much of it is free, and whether a marker lies in the workspace that tells of a pause. What is ours already goes on, for
delivering and putting away is what makes room. Staging counts for nothing: taking files in is what makes room there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from sftp_orchestrator import failpoints, files, space, units
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()

REMIND_SECONDS = 3600.0
"""How often a pause that lasts is told of again."""
_HINT = "the workspace must be a folder of ours"


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much space there is for what is taken in, and what follows from it."""

    folder: Path
    """the workspace"""
    free_bytes: int
    pause_below_bytes: int
    """0 = never paused"""
    is_paused: bool
    staging_free_bytes: int | None
    """where staging lies on another file system, that can be looked at"""

    @property
    def resume_at_bytes(self) -> int:
        """How much must be free for a pause to end."""
        return get_resume_bytes(self.pause_below_bytes)

    def describe(self) -> str:
        """Return what a paused intake waits for, for people."""
        free, wanted = units.format_bytes(self.free_bytes), units.format_bytes(self.resume_at_bytes)
        return f"the intake is paused: {free} are free in {self.folder}, it goes on by itself at {wanted}"

    def to_failure(self) -> LocalFault:
        """Return a paused intake as what stood in the way of a pass."""
        return LocalFault("take in", "files", self.describe(), hint="make room there")


def get_resume_bytes(pause_below_bytes: int) -> int:
    """Return how much must be free for a pause to end: a quarter more, so that one file does not end it. Pure."""
    return pause_below_bytes + pause_below_bytes // 4


def decide(free_bytes: int, pause_below_bytes: int, *, was_paused: bool) -> bool:
    """Return whether the intake is paused. Pure."""
    return free_bytes < (get_resume_bytes(pause_below_bytes) if was_paused else pause_below_bytes)


def look(configuration: Configuration) -> Room:
    """Return what is so now; nothing is written or told. Raises ``LocalFault``."""
    workspace = Workspace(root=configuration.workspace)
    below = configuration.space.pause_below_bytes
    with files.as_local_fault("look at", f"workspace {workspace.root}", hint=_HINT):
        free = space.get_free_bytes(workspace.root)
        was_paused = workspace.pause.exists()
    return Room(
        folder=workspace.root,
        free_bytes=free,
        pause_below_bytes=below,
        is_paused=decide(free, below, was_paused=was_paused),
        staging_free_bytes=_find_staging_space(configuration),
    )


def _find_staging_space(configuration: Configuration) -> int | None:
    # Staging that is gone is told of by whoever looks into it.
    with contextlib.suppress(OSError):
        if configuration.staging.stat().st_dev != configuration.workspace.stat().st_dev:
            return space.get_free_bytes(configuration.staging)
    return None


class Pausing:
    """Pauses the intake and lets it go on; tells of each once, and of a pause that lasts once an hour."""

    def __init__(self, configuration: Configuration, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._configuration = configuration
        self._marker = Workspace(root=configuration.workspace).pause
        self._clock = clock
        self._paused_at: float | None = None
        self._told_at = 0.0

    def look(self) -> Room:
        """Return what is so now, and keep it where the next look, by whomever, finds it. Raises ``LocalFault``."""
        room = look(self._configuration)
        if room.is_paused:
            self._pause(room)
        else:
            self._resume(room)
        return room

    def _pause(self, room: Room) -> None:
        # On a disk without a free byte it cannot be made; then the free bytes alone say the same.
        with contextlib.suppress(OSError), failpoints.around("intake.pause"):
            self._marker.touch(mode=files.WORK_MODE)
        now = self._clock()
        if self._paused_at is None:
            self._paused_at = now
        elif now - self._told_at < REMIND_SECONDS:
            return
        self._told_at = now
        _LOG.warning("intake_paused", **_list_facts(room), seconds=round(now - self._paused_at))

    def _resume(self, room: Room) -> None:
        with files.as_local_fault("remove", str(self._marker), hint=_HINT):
            if was_marked := self._marker.exists():
                with failpoints.around("intake.resume"):
                    self._marker.unlink(missing_ok=True)
        if was_marked or self._paused_at is not None:
            _LOG.info("intake_resumed", **_list_facts(room))
        self._paused_at = None


def _list_facts(room: Room) -> dict[str, object]:
    return {
        "folder": str(room.folder),
        "free_bytes": room.free_bytes,
        "pause_below_bytes": room.pause_below_bytes,
        "resume_at_bytes": room.resume_at_bytes,
    }
