"""What this process measured since it began: seconds by stage, retries, until when keys can be used, refused reloads.

Memory alone, for monitors: what must survive a restart is counted by the ledger.
"""

from __future__ import annotations

import bisect
import datetime
import enum
import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

BOUNDS_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
"""Of the buckets that lengths of time are counted in: from a small file to one that waits for tomorrow's schedule."""


class Stage(enum.StrEnum):
    """What takes its time on a file's way."""

    SETTLE = "settle"
    """from when it was seen in staging first until it was complete"""
    CLAIM = "claim"
    """it was copied from another file system, or brought to the disk"""
    INSPECT = "inspect"
    ENCRYPT = "encrypt"
    """one part of it"""
    UPLOAD = "upload"
    """one data file of it, with the look whether it is there"""
    PUBLISH = "publish"
    """one manifest of it"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How lengths of time were spread."""

    seconds: float = 0.0
    """in sum"""
    counts: tuple[int, ...] = (0,) * (len(BOUNDS_SECONDS) + 1)
    """how many fell up to each bound, and above the bound before it; the last: above all bounds"""

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """How many fell up to each bound, as Prometheus counts them: the last is all."""
        bounds = [*(str(bound) for bound in BOUNDS_SECONDS), "+Inf"]
        return list(zip(bounds, map(float, itertools.accumulate(self.counts)), strict=True))

    def add(self, seconds: float, count: int) -> Spread:
        """Return this with ``count`` more of ``seconds`` each. Pure."""
        place = bisect.bisect_left(BOUNDS_SECONDS, seconds)
        counts = (*self.counts[:place], self.counts[place] + count, *self.counts[place + 1 :])
        return Spread(seconds=self.seconds + seconds * count, counts=counts)


MOST_CAUSES = 5
"""Of a configuration that was refused; ``check`` tells all of them."""


@dataclass(frozen=True, kw_only=True)
class RefusedReload:
    """A configuration that was to be read anew, and could not be used."""

    at: datetime.datetime
    cause: str
    """a line for each thing that is wrong"""

    def list_causes(self) -> list[str]:
        """Return the first things that are wrong, and how many more there are. Pure."""
        lines = self.cause.splitlines()
        left = len(lines) - MOST_CAUSES
        return [*lines[:MOST_CAUSES], *([f"… and {left} more"] if left > 0 else [])]


class Measures:
    """Threads may write to it, and read from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages = dict.fromkeys(Stage, Spread())
        self._deliveries: dict[str, Spread] = {}
        self._retries: Counter[str] = Counter()
        self._key_ends: dict[str, datetime.datetime | None] = {}
        self._refused_reload: RefusedReload | None = None

    def note_stage(self, stage: Stage, seconds: float, *, count: int = 1) -> None:
        """Note that ``count`` files, or parts, took ``seconds`` each in a stage, whatever came of it."""
        with self._lock:
            self._stages[stage] = self._stages[stage].add(max(seconds, 0.0), count)

    def note_delivery(self, destination: str, seconds: float) -> None:
        """Note that a source was delivered so long after it was claimed."""
        with self._lock:
            before = self._deliveries.get(destination, Spread())
            self._deliveries[destination] = before.add(max(seconds, 0.0), 1)

    def note_retry(self, destination: str) -> None:
        """Note that a remote step failed for a while, and is tried again."""
        with self._lock:
            self._retries[destination] += 1

    def note_key(self, destination: str, ends_at: datetime.datetime | None) -> None:
        """Note until when the OpenPGP key of ``destination`` can encrypt; None = for ever."""
        with self._lock:
            self._key_ends[destination] = ends_at

    def note_reload(self, refused: RefusedReload | None) -> None:
        """Note why the configuration was not taken when it was to be read anew; None once one was."""
        with self._lock:
            self._refused_reload = refused

    def get_refused_reload(self) -> RefusedReload | None:
        """Return why the configuration on the disk is not in effect; None where the last one to be read is."""
        with self._lock:
            return self._refused_reload

    def get_stages(self) -> dict[Stage, Spread]:
        """Return the seconds of every stage."""
        with self._lock:
            return dict(self._stages)

    def get_deliveries(self, destinations: Sequence[str]) -> dict[str, Spread]:
        """Return the seconds from claim to delivery, of ``destinations`` and every other that was delivered to."""
        with self._lock:
            return {**dict.fromkeys(destinations, Spread()), **self._deliveries}

    def get_retries(self, destinations: Sequence[str]) -> dict[str, int]:
        """Return how often a remote step was tried again, of ``destinations`` and every other."""
        with self._lock:
            return {**dict.fromkeys(destinations, 0), **self._retries}

    def get_key_ends(self) -> dict[str, datetime.datetime | None]:
        """Return until when each key can encrypt, by destination."""
        with self._lock:
            return dict(self._key_ends)
