"""Decides how many data files go up at the same time, by what that brings. Pure: rates come in, numbers go out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

FIRST_WIDTH = 4
"""No fewer than are usual as a fixed number: nobody is slower for not having set one."""
MOST_WIDTH = 8
"""At 100 ms round trip seven of OpenSSH's windows of 2 MiB fill 1 Gbit/s; more would look like an attack to some."""
LEAST_GAIN = 0.1
"""More connections are kept where all together send so much more; or …"""
LEAST_SHARE = 0.25
"""… so much of what as many more would bring on a line that limits each for itself, where that is the greater."""
MOST_LOSS = 0.05
"""Fewer are kept where no more than this is lost."""
FALLEN = 0.6
"""Where the rate falls below so much of what it was, fewer are tried: the receiver may punish their number."""
AGAIN_SECONDS = 60.0
"""After a try in vain the next one waits so long: lines change."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a try is compared with."""

    width: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How many now, and what is known of other numbers. Rates are bytes per second of all together."""

    width: int = FIRST_WIDTH
    step: int = FIRST_WIDTH
    """how many more are tried next"""
    before: Tried | None = None
    """what ``width`` is a try against; None where it is settled"""
    rate: float = 0.0
    """that ``width``, settled, brought of late"""
    again_at: float = 0.0
    """nothing is tried before, in seconds of the clock that ``judge`` is given"""

    def judge(self, rate: float, now: float, most: int = MOST_WIDTH) -> Self:
        """Return what follows from ``rate``, measured while ``width`` were busy and more were waiting.

        ``most`` is how many the receiver lets us have.
        """
        if self.before is not None:
            return self._end_try(self.before, rate, now)
        if rate < self.rate * FALLEN and self.width > 1:
            return replace(self, width=(self.width + 1) // 2, before=Tried(width=self.width, rate=rate))
        width = min(self.width + self.step, most, MOST_WIDTH)
        if width > self.width and now >= self.again_at:
            return replace(self, width=width, before=Tried(width=self.width, rate=rate))
        return replace(self, rate=0.8 * self.rate + 0.2 * rate if self.rate else rate)

    def resume(self) -> Self:
        """Return what holds after a break: what was tried before it is not known, and may be tried again."""
        if self.before is None:
            return self
        return replace(self, width=self.before.width, rate=self.before.rate, before=None)

    def give_up(self, now: float, most: int = MOST_WIDTH) -> Self:
        """Return what follows where ``width`` cannot be had: as many as before the try, and as the receiver allows."""
        width = self.width if self.before is None else self.before.width
        rate = self.rate if self.before is None else self.before.rate
        return replace(
            self, width=max(min(width, most), 1), step=1, before=None, rate=rate, again_at=now + AGAIN_SECONDS
        )

    def _end_try(self, before: Tried, rate: float, now: float) -> Self:
        ratio = self.width / before.width
        wanted = 1 + max(LEAST_GAIN, (ratio - 1) * LEAST_SHARE) if ratio > 1 else 1 - MOST_LOSS
        later = now + AGAIN_SECONDS
        if rate >= before.rate * wanted:
            return replace(self, before=None, rate=rate, again_at=now if ratio > 1 else later)
        # Half as many more may still pay; where not even one more does, the matter rests for a while.
        step = self.step // 2 if ratio > 1 else 0
        return replace(
            self,
            width=before.width,
            step=max(step, 1),
            before=None,
            rate=before.rate,
            again_at=now if step else later,
        )
