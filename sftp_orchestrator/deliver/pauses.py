"""Leaves a destination alone after a run to it failed, tells of it once, and once that it is over."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Mapping

import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.credentials import get_signature
from sftp_orchestrator.deliver.retry import get_pause_seconds, is_over
from sftp_orchestrator.errors import (
    ConfigurationError,
    Failure,
    FolderRefused,
    HostKeyRefused,
    LoginRefused,
    ReceiverRefused,
    SessionRefused,
    Transient,
    Unreachable,
)
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Pause

_LOG = structlog.get_logger()

MOST_REFUSALS = 3
"""Refusals in a row after which passes of ``run --once`` and ticks wait, too: there may be one of these a minute."""
_KINDS: Mapping[type[Failure], PauseKind] = {
    HostKeyRefused: PauseKind.HOST_KEY,
    LoginRefused: PauseKind.LOGIN,
    SessionRefused: PauseKind.SESSION,
    FolderRefused: PauseKind.FOLDER,
    ReceiverRefused: PauseKind.REFUSED,
    ConfigurationError: PauseKind.SETTINGS,
    Unreachable: PauseKind.AWAY,
    # It answered: this is how OpenSSH says that its disk is full.
    Transient: PauseKind.REFUSED,
}
"""The first that a failure is one of."""


class DestinationPauses:
    """The pauses of the destinations of ``configuration``, as the ledger has them."""

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        """Blocking; raises ``LocalFault``."""
        self._destinations = configuration.destinations
        self._ledger = ledger
        self._pauses = {pause.destination: pause for pause in ledger.pauses.list_all()}
        self._told: dict[str, tuple[type[Failure], str]] = {}
        self._left_alone: dict[str, datetime.datetime] = {}

    def is_over(self, destination: str, now: datetime.datetime) -> bool:
        """Return whether ``destination`` may be tried."""
        pause = self._pauses.get(destination)
        return pause is None or is_over(pause.until, now)

    def find_refusal(self, destination: str, now: datetime.datetime) -> Failure | None:
        """Return why neither a pass nor a tick tries ``destination`` now, told once a pause; None where it may."""
        pause = self._pauses.get(destination)
        if pause is None or pause.refusals < MOST_REFUSALS or is_over(pause.until, now):
            return None
        refusal = SessionRefused(
            "deliver to",
            destination,
            f"it did not let us in, {pause.refusals} times in a row, and is not tried before "
            f"{pause.until:%Y-%m-%d %H:%M:%S} UTC: {pause.reason}",
            hint="`sftp-orchestrator retry ID` has a source tried at once",
        )
        if self._left_alone.get(destination) != pause.until:
            self._left_alone[destination] = pause.until
            _LOG.warning("destination_left_alone", destination=destination, error=str(refusal))
        return refusal

    def heed_changes(self) -> None:
        """End the pauses of destinations whose address or keys changed: what was wrong may be mended. Blocking."""
        for name, pause in list(self._pauses.items()):
            if pause.signature != self._sign(name):
                del self._pauses[name]
                self._ledger.pauses.cut_short(pause, _now())

    async def begin(self, destination: str, failure: Failure, chance: Callable[[], float]) -> datetime.datetime:
        """Leave ``destination`` alone after ``failure``; return until when.

        Raises:
            LocalFault: it could not be noted; it holds all the same, as long as this process lives.
        """
        before = self._pauses.get(destination)
        failures = before.failures + 1 if before is not None else 1
        seconds = get_pause_seconds(failure, failures, random_unit=chance())
        pause = Pause(
            destination=destination,
            failures=failures,
            refusals=_count_refusals(failure, before),
            since=before.since if before is not None else _now(),
            until=_now() + datetime.timedelta(seconds=seconds),
            reason=str(failure),
            signature=await asyncio.to_thread(self._sign, destination),
            kind=find_kind(failure),
        )
        self._pauses[destination] = pause
        self._tell(failure, pause)
        await asyncio.to_thread(self._ledger.pauses.note, pause)
        return pause.until

    async def end(self, destination: str) -> None:
        """Note that a run to ``destination`` went through, and tell of it where the one before did not.

        Raises:
            LocalFault: it could not be noted; the next run that goes through does.
        """
        pause = self._pauses.get(destination)
        if pause is None:
            return
        await asyncio.to_thread(self._ledger.pauses.forget, destination)
        del self._pauses[destination]
        self._told.pop(destination, None)
        seconds = round((_now() - pause.since).total_seconds(), 3)
        _LOG.info("destination_recovered", destination=destination, failures=pause.failures, seconds=seconds)

    def _tell(self, failure: Failure, pause: Pause) -> None:
        """Call a person once for each thing that is wrong; after that, one line a pause says that it still is."""
        what = type(failure), failure.cause
        log = _LOG.bind(
            destination=pause.destination,
            error=pause.reason,
            failures=pause.failures,
            retry_at=pause.until.isoformat(),
        )
        if self._told.get(pause.destination) == what:
            log.warning("destination_still_fails")
        else:
            log.error("destination_failed")
        self._told[pause.destination] = what

    def _sign(self, destination: str) -> str:
        try:
            return get_signature(self._destinations[destination], destination)
        except (KeyError, ConfigurationError, OSError):
            return ""  # It is gone, or cannot be used: that is told where it is asked for.


def find_kind(failure: Failure) -> PauseKind:
    """Return of what kind a failure is that ended a run to a destination. Pure."""
    return next((kind for failed, kind in _KINDS.items() if isinstance(failure, failed)), PauseKind.MACHINE)


def _count_refusals(failure: Failure, before: Pause | None) -> int:
    if not isinstance(failure, SessionRefused):
        return 0
    return before.refusals + 1 if before is not None else 1


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
