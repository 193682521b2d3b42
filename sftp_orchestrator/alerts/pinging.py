"""Asks the dead-man's switch at regular times and after each run, and never holds up anything by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Self

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.alerts.dead_man import ANSWER_SECONDS, DeadMan
from sftp_orchestrator.config.alerting import Alerts
from sftp_orchestrator.errors import Failure, Unreachable
from sftp_orchestrator.repeating import Repeating

_LOG = structlog.get_logger()

LONGEST_SECONDS = 2 * ANSWER_SECONDS
"""For the whole of an answer: one that comes byte by byte must not keep a pass, with its lock, for ever."""
LEAST_SECONDS = 5.0
"""From one ping to the next, however many runs end."""
FindTrouble = Callable[[], str | None]


class Pinging:
    """Nothing happens without a dead-man's switch."""

    def __init__(
        self,
        dead_man: DeadMan | None,
        *,
        every_seconds: float,
        find_trouble: FindTrouble,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``find_trouble`` is blocking, and returns what is wrong, None where nothing is; it may raise ``Failure``."""
        self._dead_man = dead_man
        self._every_seconds = every_seconds
        self._find_trouble = find_trouble
        self._sleep = sleep
        self._trouble = Repeating()
        self._asked: Future[None] | None = None
        """the last one, where nothing was heard of it"""
        self._wake = asyncio.Event()

    @classmethod
    def of(cls, alerts: Alerts, find_trouble: FindTrouble) -> Self:
        """Return what the configuration asks for; raises ``ConfigurationError`` where the secret cannot be used."""
        dead_man = DeadMan(alerts.ping) if alerts.ping is not None else None
        return cls(dead_man, every_seconds=alerts.ping_seconds, find_trouble=find_trouble)

    def wake(self) -> None:
        """Have it asked soon: a run ended."""
        self._wake.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while self._dead_man is not None:
            self._wake.clear()
            await self.ping(await self._look())
            least = min(LEAST_SECONDS, self._every_seconds)
            await self._sleep(least)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds - least):
                    await self._wake.wait()

    async def ping(self, trouble: str | None) -> None:
        """Tell once that all is well, or what is wrong; one that does not take it is told of once, and asked again."""
        if self._dead_man is None:
            return
        try:
            await self._ask(partial(self._dead_man.ping, trouble))
        except Unreachable as error:
            self._note_trouble(error)
            return
        over = self._trouble.end()
        if over is not None:
            _LOG.info("ping_recovered", failures=over.failures, seconds=over.seconds)

    async def _ask(self, ask: Callable[[], None]) -> None:
        """Ask in a thread of its own, and never in a second one; raises ``Unreachable``."""
        if self._asked is not None and not await threads.has_ended(self._asked, within_seconds=LONGEST_SECONDS):
            raise Unreachable("ping", "the dead-man's switch", "the ping before is still under way")
        self._asked = threads.begin(ask, name="ping")
        if not await threads.has_ended(self._asked, within_seconds=LONGEST_SECONDS):
            raise Unreachable("ping", "the dead-man's switch", f"no whole answer within {LONGEST_SECONDS:g} s")
        self._asked.result()

    def _note_trouble(self, error: Unreachable) -> None:
        occurred = self._trouble.note(error)
        if occurred.is_told:
            _LOG.error("ping_failed", error=str(error), failures=occurred.failures)

    async def _look(self) -> str | None:
        try:
            return await asyncio.to_thread(self._find_trouble)
        except Failure as error:
            return str(error)
