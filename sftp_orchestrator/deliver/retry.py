"""When to try again, decided here and waited for elsewhere.

Exponential back-off with full jitter; but for who is not let in: that is asked once an interval, for a storm of refused
logins gets a whole range of addresses banned.
"""

from __future__ import annotations

import asyncio
import datetime
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from sftp_orchestrator.errors import Failure, SessionRefused, SourceChanged, Transient

_LOG = structlog.get_logger()
T = TypeVar("T")

STEP_BASE_SECONDS = 1.0
"""First wait between two tries of one remote step; a reset connection is usually back at once."""
STEP_CAP_SECONDS = 30.0
RUN_BASE_SECONDS = 30.0
"""First wait before a run that failed as a whole; a receiver that is down stays so for minutes."""
RUN_CAP_SECONDS = 900.0
PROBE_SECONDS = 900.0
"""Between two logins at a receiver that does not let us in: fewer than any ban that we know of counts."""
PROBE_JITTER = 0.1
"""Up to so much longer, by chance: many hosts do not come together."""
LONGEST_WAIT_SECONDS = 3600.0
"""More than any wait that is noted with a time at which it ends."""


def get_delay_seconds(attempt: int, *, base: float, cap: float, random_unit: float) -> float:
    """Return how long to wait after the ``attempt``-th failure, counted from 1. Pure.

    Full jitter: anywhere between nothing and the exponential bound, so that many clients do not come back together.
    """
    return float(min(cap, base * 2 ** min(attempt - 1, 32)) * random_unit)


def get_pause_seconds(failure: Failure, failures: int, *, random_unit: float) -> float:
    """Return how long to leave a destination alone after ``failure``, the last of ``failures`` in a row. Pure."""
    if isinstance(failure, SessionRefused):
        return PROBE_SECONDS * (1 + PROBE_JITTER * random_unit)
    return get_delay_seconds(failures, base=RUN_BASE_SECONDS, cap=RUN_CAP_SECONDS, random_unit=random_unit)


def is_over(until: datetime.datetime, now: datetime.datetime, *, longest_seconds: float = LONGEST_WAIT_SECONDS) -> bool:
    """Return whether a wait ``until`` then is over. Pure.

    It is, too, where it would last longer than any does: the clock was set back since it was noted.
    """
    return until <= now or until - now > datetime.timedelta(seconds=longest_seconds)


def _tell_nobody() -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """Tries a step again while its failure is transient. Clock and chance are injected."""

    attempts: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = field(default=random.random)
    note: Callable[[], None] = _tell_nobody
    """called with each wait"""

    async def call(self, step: Callable[[], Awaitable[T]], what: str) -> T:
        """Return what ``step`` returns; on a transient failure wait and call it again, ``attempts`` times in all.

        ``step`` must be repeatable. ``SourceChanged`` is not tried again here: the source must be read anew.
        """
        for attempt in range(1, self.attempts):
            try:
                return await step()
            except SourceChanged:
                raise
            except Transient as error:
                delay = get_delay_seconds(
                    attempt, base=STEP_BASE_SECONDS, cap=STEP_CAP_SECONDS, random_unit=self.chance()
                )
                _LOG.warning(
                    "step_retried", step=what, attempt=attempt, delay_seconds=round(delay, 2), error=str(error)
                )
                self.note()
                await self.sleep(delay)
        return await step()
