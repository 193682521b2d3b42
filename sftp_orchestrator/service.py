"""The process around the daemon: signals, a configuration that is read anew, what systemd is told.

A reload ends the daemon as a stop does, and begins another one with the new configuration: starting is recovering, and
there is no second path. Whatever is wrong with the new configuration, the one before stays in effect.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import structlog

from sftp_orchestrator import systemd, units
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config import credentials, effective, timing
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import Daemon, open_daemon
from sftp_orchestrator.deliver.credentials import require_credentials
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.errors import ExitCode, Failure
from sftp_orchestrator.files import as_local_fault
from sftp_orchestrator.measuring import RefusedReload
from sftp_orchestrator.progress import Board, Phase

_LOG = structlog.get_logger()

_VERBS = {
    Phase.CLAIM: "claims",
    Phase.INSPECT: "inspects",
    Phase.ENCRYPT: "encrypts",
    Phase.UPLOAD: "sends",
    Phase.PUBLISH: "publishes",
}


async def serve(
    configuration: Configuration,
    *,
    once: bool,
    board: Board,
    conclude: Callable[[Verdict], None] = lambda _: None,
    load: Callable[[], Configuration] | None = None,
    command: str = COMMAND,
) -> ExitCode:
    """Run the daemon until a signal, or one pass with ``once``; return the exit code.

    ``conclude`` is told how the pass ended; ``load``, blocking, reads the configuration anew at SIGHUP; ``command`` is
    how a person calls us with this configuration.
    SIGTERM and SIGINT finish or release the step at hand; a second one hurries.
    """
    hurry = asyncio.Event()
    async with _stopped_by_signals(hurry) as received:
        if once:
            with open_daemon(configuration, board, hurry, once=True, command=command) as daemon:
                verdict = await daemon.run_once()
                conclude(verdict)
                return verdict.exit_code
        with _noting_hang_ups() as hung_up:
            await _Service(configuration, board, hurry, load, hung_up, received, command).run()
    _LOG.info("stopped", signal=received[0].name)
    return ExitCode.DONE if received[0] is signal.SIGTERM else ExitCode.INTERRUPTED


class _Service:
    """One daemon after another, each with the configuration that was last found good."""

    def __init__(
        self,
        configuration: Configuration,
        board: Board,
        hurry: asyncio.Event,
        load: Callable[[], Configuration] | None,
        hung_up: asyncio.Event,
        received: Sequence[signal.Signals],
        command: str,
    ) -> None:
        """``hung_up`` is set by SIGHUP; ``received`` has the signals so far that ask for a stop."""
        self._configuration = configuration
        self._board = board
        self._hurry = hurry
        self._load = load
        self._hung_up = hung_up
        self._received = received
        self._command = command
        self._before: Configuration | None = None
        """to go back to, until the one in effect has shown that a daemon starts with it"""

    async def run(self) -> None:
        """Run daemons until cancelled; raises ``ExceptionGroup`` of what ended one that no other can follow."""
        while True:
            changed: Configuration | None = None
            try:
                with open_daemon(self._configuration, self._board, self._hurry, command=self._command) as daemon:
                    changed = await self._run_until_reload(daemon)
            except* Failure as group:
                if self._before is None or self._received:
                    raise
                error = "; ".join(str(failure) for failure in group.exceptions)
                _LOG.error("reload_failed", error=error, goes_on="with the configuration before")
                self._note_refusal(error)
                changed = self._before
                self._before = None
            else:
                # One that never started is nothing to go back to.
                self._before = self._before or self._configuration
            if changed is not None:
                self._configuration = changed

    async def _run_until_reload(self, daemon: Daemon) -> Configuration | None:
        """Run a daemon until there is another configuration, which is returned; it has ended then."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(daemon.run(self._note_start))
            telling = group.create_task(systemd.keep_told(daemon.list_stuck, lambda: describe_work(self._board)))
            changed = await self._load_next()
            for task in (running, telling):
                task.cancel()
        return changed

    def _note_start(self) -> None:
        self._before = None
        systemd.notify("READY=1")

    async def _load_next(self) -> Configuration:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            if self._load is None:
                continue
            systemd.notify_reloading()
            try:
                changed = await asyncio.to_thread(_load_good, self._load)
            except Failure as error:
                _LOG.error("reload_refused", error=str(error), goes_on="with the configuration before")
                self._note_refusal(str(error))
                systemd.notify("READY=1")
            else:
                self._board.measures.note_reload(None)
                _LOG.info("reloading", changed=effective.list_changes(self._configuration, changed))
                return changed

    def _note_refusal(self, cause: str) -> None:
        """Have page and monitors tell of a configuration that is not in effect, until one is."""
        self._board.measures.note_reload(RefusedReload(at=datetime.datetime.now(datetime.UTC), cause=cause))


def _load_good(load: Callable[[], Configuration]) -> Configuration:
    """Return the configuration as it now is; raises ``Failure`` where no daemon could start with it."""
    configuration = load()
    with as_local_fault("look into", f"staging {configuration.staging}", hint="producers drop their files there"):
        os.scandir(configuration.staging).close()
    timing.forget_dates()
    credentials.require_secrets(configuration)
    require_credentials(configuration)
    return configuration


def describe_work(board: Board) -> str:
    """Return what is under way, in one line for ``systemctl status``."""
    work = board.list_work()
    if not work:
        return "idle: waits for files"
    first = max(work, key=lambda found: list(Phase).index(found.phase) if found.phase in _VERBS else -1)
    rate = first.get_rate(time.monotonic())
    said = f"{_VERBS.get(first.phase, first.phase.value)} {first.label}"
    if first.total_bytes:
        said += f", {units.format_share(first.done_bytes, first.total_bytes)}"
    if rate and first.phase is Phase.UPLOAD:
        said += f" at {units.format_bytes(rate)}/s"
    return said + (f", and {len(work) - 1} more" if len(work) > 1 else "")


@contextlib.asynccontextmanager
async def _stopped_by_signals(hurry: asyncio.Event) -> AsyncIterator[list[signal.Signals]]:
    """Cancel the body on SIGTERM and SIGINT, and swallow that cancellation; the list tells which came.

    From the second on, ``hurry`` is set too. On a terminal SIGHUP, which says that it was closed, does the same.
    """
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    body = asyncio.current_task()

    def stop(number: signal.Signals) -> None:
        _LOG.info("stopping", signal=number.name)
        systemd.notify("STOPPING=1")
        if received:
            hurry.set()
        received.append(number)
        if body is not None:
            body.cancel()

    numbers = (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if sys.stderr.isatty() else []))
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _noting_hang_ups() -> Iterator[asyncio.Event]:
    """Give an event that SIGHUP sets; where a terminal is ours that signal means something else."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    if sys.stderr.isatty():
        yield event
        return
    loop.add_signal_handler(signal.SIGHUP, event.set)
    try:
        yield event
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
