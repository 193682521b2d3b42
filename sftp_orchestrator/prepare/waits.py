"""Tells of sources that this machine keeps from going on: each is tried every minute, and nobody reads that."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.repeating import REMIND_SECONDS, Repeating

_LOG = structlog.get_logger()


class Waits:
    """Remembers what each source waits for; one that was not heard of for longer than any wait has gone on."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_source: dict[str, Repeating] = {}

    def tell(self, source: Source, failure: LocalFault) -> None:
        """Tell that ``source`` waits, the first time and then once an hour; that it went on, others tell."""
        now = self._clock()
        for source_id in [one for one, wait in self._by_source.items() if now - wait.last_at >= REMIND_SECONDS]:
            del self._by_source[source_id]
        wait = self._by_source.setdefault(source.id, Repeating(clock=self._clock))
        occurred = wait.note(failure)
        log = _LOG.bind(source=source.id, feed=source.feed, file=source.name, reason=str(failure))
        if occurred.is_first:
            log.error("source_waits")
        elif occurred.is_told:
            log.warning("source_still_waits", failures=occurred.failures, seconds=occurred.seconds)
