"""Whether the daemon's stations make progress: what tells a stuck one from an idle one."""

from __future__ import annotations

import time
from collections.abc import Callable


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

    def list_stuck(self) -> list[str]:
        """Return the stations whose next progress is overdue."""
        now = self._clock()
        return sorted(station for station, due in self._due.items() if due < now)
