"""A failure that repeats is told once, then once an interval with how often it came, and once that it is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sftp_orchestrator.errors import Failure

REMIND_SECONDS = 3600.0
"""How often a failure that lasts is told of again."""


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """One failure among those of its kind."""

    is_first: bool
    """nothing of this kind failed before, or something else did"""
    is_told: bool
    """it is time to tell of it, for the first time or again"""
    failures: int
    """how many there were so far"""
    seconds: int
    """since the first of them"""


class Repeating:
    """Remembers one failure at a time. Told apart by type, operation and subject: a cause may hold figures that change.

    For one thread, or for several that take turns.
    """

    def __init__(self, *, remind_seconds: float = REMIND_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._remind_seconds = remind_seconds
        self._clock = clock
        self._what: tuple[type[Failure], str, str] | None = None
        self._failures = 0
        self._since = self._told_at = self._last_at = 0.0

    @property
    def last_at(self) -> float:
        """When it was noted last, by the clock."""
        return self._last_at

    def note(self, failure: Failure) -> Occurrence:
        """Note that it failed; return what is to be told of it."""
        now, what = self._clock(), (type(failure), failure.operation, failure.subject)
        if self._what is None:
            self._since, self._failures = now, 0
        is_first, self._what, self._last_at = what != self._what, what, now
        self._failures += 1
        is_told = is_first or now - self._told_at >= self._remind_seconds
        if is_told:
            self._told_at = now
        return Occurrence(is_first=is_first, is_told=is_told, failures=self._failures, seconds=round(now - self._since))

    def end(self) -> Occurrence | None:
        """Note that it did not fail; return what is over, None where nothing was."""
        if self._what is None:
            return None
        self._what = None
        return Occurrence(
            is_first=False, is_told=True, failures=self._failures, seconds=round(self._clock() - self._since)
        )
