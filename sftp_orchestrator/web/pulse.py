"""Whether the daemon's stations make progress: what tells a stuck one from an idle one."""

from __future__ import annotations

import time
from collections.abc import Callable

STUCK_SECONDS = 300.0
"""A station without progress for this long is stuck: longer than any single remote operation may take."""


class Pulse:
    """Each station beats when it has finished a step; one that stays silent too long is stuck."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}
        self.is_ready = False
        """start-up, which is recovery, is through"""

    def beat(self, station: str, *, within_seconds: float) -> None:
        """Note progress of ``station``, and by when the next is to be expected."""
        self._due[station] = self._clock() + within_seconds

    def rest(self, station: str) -> None:
        """Note that no progress of ``station`` is to be expected until it beats again."""
        self._due.pop(station, None)

    def list_stuck(self) -> list[str]:
        """Return the stations whose next progress is overdue; from any thread, while others beat."""
        now = self._clock()
        # Of a copy, made in one step: a station that rests meanwhile makes what is walked through smaller.
        return sorted(station for station, due in list(self._due.items()) if due < now)
