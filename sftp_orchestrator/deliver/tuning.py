"""Measures what the connections to a destination bring, and lets ``growth`` decide how many there are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import structlog

from sftp_orchestrator.config.connections import AUTO
from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.growth import MOST_WIDTH, Growth
from sftp_orchestrator.deliver.slots import Slots

TICK_SECONDS = 0.25
"""So often is looked how many are at work."""
REACH_SECONDS = 20.0
"""A number that is not reached in so long, logins included, is given up."""
SETTLE_SECONDS = 0.75
"""Once it is reached: TCP begins slowly, and needs some round trips until it has filled a line."""
WINDOW_SECONDS = 1.0
"""A rate is measured over so long, and until …"""
WINDOW_BYTES = 16_000_000
"""… so much went, as writes of 255 KiB from several connections come in leaps …"""
LONGEST_WINDOW_SECONDS = 10.0
"""… but no longer than this."""
FULL_SHARE = 0.75
"""A window counts where in so many looks all were at work, and more was waiting …"""
SENDING_SHARE = 0.5
"""… and so many of these sent, on average: where parts wait for their encryption, the line is not what is slow."""

_LOG = structlog.get_logger()


@dataclass(kw_only=True)
class _Window:
    began: float
    bytes_before: int
    looks: int = 0
    full: int = 0
    sending: int = 0


class Tuner:
    """One for each destination, over all runs: what was found out in one holds for the next."""

    def __init__(self, destination: str, *, width: int | None = None) -> None:
        self._destination = destination
        self._growth = Growth() if width is None else None
        self.slots = Slots(Growth().width if width is None else width)
        """for data files going up"""
        self.most = MOST_WIDTH if width is None else width
        """that there are ever at the same time"""
        self._sent = 0
        self._sending = 0
        self._changed_at = 0.0
        self._counts_from: float | None = None
        self._window: _Window | None = None

    @classmethod
    def of(cls, name: str, destination: Destination) -> Tuner:
        """Return the tuner of ``destination``, which the configuration calls ``name``."""
        return cls(name, width=None if destination.connections == AUTO else int(destination.connections))

    def note(self, count: int) -> None:
        """Count bytes of data that were acknowledged."""
        self._sent += count

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Count one who has a connection and sends."""
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1

    @contextlib.asynccontextmanager
    async def tuning(self, get_most: Callable[[], int]) -> AsyncIterator[None]:
        """Measure and adjust while the body runs; ``get_most`` tells how many the receiver lets us have."""
        if self._growth is None:
            yield
            return
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._tune(self._growth.resume(), get_most))
            yield
            task.cancel()

    async def _tune(self, growth: Growth, get_most: Callable[[], int]) -> None:
        loop = asyncio.get_running_loop()
        self._adopt(growth, loop.time())
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, most = loop.time(), get_most()
            if growth.width > most or (growth.before is not None and self._is_out_of_reach(now)):
                found, rate = growth.give_up(now, most), None
            else:
                rate = self._measure(growth.width, now)
                if rate is None:
                    continue
                found = growth.judge(rate, now, most)
            self._tell(growth, found, rate)
            self._adopt(found, now)
            growth = found

    def _adopt(self, growth: Growth, now: float) -> None:
        """Begin to measure anew: at once where as many are at work as before."""
        if self._growth is None or self._growth.width != growth.width:
            self._counts_from = None
        self._growth = growth
        self._changed_at = now
        self._window = None
        self.slots.resize(growth.width)

    def _is_out_of_reach(self, now: float) -> bool:
        return self._counts_from is None and now - self._changed_at > REACH_SECONDS

    def _measure(self, width: int, now: float) -> float | None:
        """Return the rate of a window that is through and had ``width`` at work; None while there is none."""
        if self._counts_from is None and self._sending >= width:
            self._counts_from = now + SETTLE_SECONDS
        if self._counts_from is None or now < self._counts_from:
            return None
        window = self._window
        if window is None:
            self._window = _Window(began=now, bytes_before=self._sent)
            return None
        window.looks += 1
        window.full += self.slots.has_waiting and self.slots.taken >= width
        window.sending += self._sending
        sent, seconds = self._sent - window.bytes_before, now - window.began
        if seconds < WINDOW_SECONDS or (sent < WINDOW_BYTES and seconds < LONGEST_WINDOW_SECONDS):
            return None
        self._window = None
        is_full = window.full >= window.looks * FULL_SHARE
        return sent / seconds if is_full and window.sending >= window.looks * width * SENDING_SHARE else None

    def _tell(self, old: Growth, new: Growth, rate: float | None) -> None:
        """Log a number that is new, and a try that was in vain."""
        tried = old.before
        if new.before is not None or (tried is None and new.width == old.width):
            return
        log = _LOG.bind(destination=self._destination, connections=new.width)
        if rate is not None:
            log = log.bind(bytes_per_second=round(rate))
        if tried is not None:
            log = log.bind(bytes_per_second_before=round(tried.rate))
        if tried is not None and new.width != old.width:
            log.info("connections_tried", tried=old.width)
        else:
            log.info("connections_changed", before=(tried or old).width)
