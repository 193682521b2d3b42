"""Puts the stations together: lock, ledger, intake, preparation, delivery; watcher, schedule, signals, systemd.

Starting up is recovering, for the daemon and for ``run --once`` alike; ``--once`` only leaves the loop out.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

import structlog
from starlette.applications import Starlette

from sftp_orchestrator.config import credentials
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.deliver.delivery import Stations
from sftp_orchestrator.deliver.run import Runner, Verdict
from sftp_orchestrator.errors import ExitCode, LocalFault
from sftp_orchestrator.gathering import Gathering
from sftp_orchestrator.intake.intake import Intake, Scan
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.intake.watch import Watcher
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_DONE, SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.overview import get_overview
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.schedule import Seen, Ticks, is_on_arrival
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.web.server import open_socket, serve_page
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()

SCAN_PAUSE_SECONDS = 0.5
"""Between two scans at least: inotify tells of every write of a big copy, and one look serves them all."""
DECISIONS_POLL_SECONDS = 2.0
"""How soon a person's ``retry``, ``release`` or ``resolve``, made in another process, is noticed."""
FAULT_PAUSE_SECONDS = 10.0
"""After a fault of this machine, before the ledger is asked again."""
STUCK_SECONDS = 300.0
"""A station without progress for this long is stuck: longer than any single remote operation may take."""


@contextlib.contextmanager
def open_daemon(configuration: Configuration, board: Board, hurry: asyncio.Event | None = None) -> Iterator[Daemon]:
    """Lock the workspace, open the ledger and import the keys; give all of it back at the end.

    Once ``hurry`` is set, a stop waits for nothing any more: what is under way is left for the next start to find out.

    Raises:
        LocalFault: another process owns the workspace, or a folder, the ledger or gpg cannot be used.
        ConfigurationError: a key or secret is missing, loose, expired or of the wrong kind.
    """
    credentials.require_secrets(configuration)
    workspace = Workspace(root=configuration.workspace)
    with _private_files():
        workspace.prepare()
        with WorkspaceLock(workspace.lock), Ledger.open(configuration.ledger.url, workspace.root) as ledger:
            preparation = Preparation.open(configuration, workspace, ledger, board)
            archive = Archive(workspace, ledger, configuration.zone, keep_days=configuration.archive.keep_days)
            stations = Stations(
                ledger=ledger,
                preparation=preparation,
                archive=archive,
                board=board,
                hurry=hurry or asyncio.Event(),
            )
            yield Daemon(configuration, workspace, stations)


@contextlib.contextmanager
def _private_files() -> Iterator[None]:
    """Have every file and folder made for us alone; the mode belongs to the process, so it is given back."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


class Daemon:
    """The service: everything it does is a pass of intake or a run; what it knows is in the ledger."""

    def __init__(self, configuration: Configuration, workspace: Workspace, stations: Stations) -> None:
        self._configuration = configuration
        self._workspace = workspace
        self._stations = stations
        self._ledger = stations.ledger
        self._stop = threading.Event()
        supervision = Supervision(stop=self._stop, board=stations.board, beat=self._beat_intake)
        self._intake = Intake(configuration, workspace, stations.ledger, supervision)
        self._runner = Runner(configuration=configuration, stations=stations)
        self._pulse = Pulse()
        self._wake = asyncio.Event()
        self._seen = Seen()
        self._gathering = Gathering(configuration.feeds)

    async def recover(self) -> list[Source]:
        """Finish what a stop or crash left half done on this machine; the receiver is asked by the run itself.

        Returns the sources that cannot go on by the configuration as it is now.
        """
        await asyncio.to_thread(self._intake.recover)
        undone = await asyncio.to_thread(self._ledger.sources.list_in, set(SourceState) - SOURCE_DONE)
        held = [source for source in undone if await asyncio.to_thread(self._stations.preparation.align, source)]
        for source in await asyncio.to_thread(self._ledger.sources.list_in, {SourceState.QUARANTINED}):
            await asyncio.to_thread(self._stations.preparation.finish_quarantine, source)
        await asyncio.to_thread(self._stations.archive.put_away_all)
        return [await asyncio.to_thread(self._ledger.sources.get, source.id) for source in held]

    async def run_once(self) -> Verdict:
        """One pass over what is complete now, whatever the schedule says.

        What is complete can only be told by looking twice, ``settle_seconds`` apart; a file that changes in between is
        not complete now.
        """
        held = await self.recover()
        scan = await self._scan()
        if scan.waiting and scan.wait_seconds is not None:
            await asyncio.sleep(scan.wait_seconds)
            scan = await self._scan()
        verdict = await self._runner.run("once")
        await self._tidy()
        return dataclasses.replace(verdict, not_delivered=(*verdict.not_delivered, *held), left_alone=scan.left_alone)

    async def run(self) -> None:
        """Take in and deliver until cancelled."""
        listen = self._configuration.web.listen
        door = open_socket(listen) if listen is not None else None
        await self.recover()
        await self._tidy()
        changed = asyncio.Event()
        with Watcher(self._configuration.staging, changed):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_in(changed))
                group.create_task(self._deliver())
                if door is not None:
                    group.create_task(serve_page(self._make_app(), door))
                self._pulse.is_ready = True
                notify_systemd("READY=1")
                _LOG.info("daemon_started", staging=str(self._configuration.staging), page=listen)

    def _make_app(self) -> Starlette:
        return make_app(lambda: get_overview(self._configuration, self._ledger), self._stations.board, self._pulse)

    async def _take_in(self, changed: asyncio.Event) -> None:
        rescan_seconds = self._configuration.intake.rescan_seconds
        while True:
            changed.clear()
            self._beat_intake()
            wait = rescan_seconds
            try:
                scan = await self._scan()
            except LocalFault as error:
                _LOG.error("scan_failed", error=str(error))
            else:
                self._gathering.note(scan, now=_get_seconds())
                self._wake.set()
                wait = min(rescan_seconds, scan.wait_seconds if scan.wait_seconds is not None else rescan_seconds)
            # The pause bounds how often we look, however many hints inotify gives.
            await asyncio.sleep(min(SCAN_PAUSE_SECONDS, wait))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait - SCAN_PAUSE_SECONDS)):
                    await changed.wait()

    def _beat_intake(self) -> None:
        self._pulse.beat("intake", within_seconds=self._configuration.intake.rescan_seconds + STUCK_SECONDS)

    async def _scan(self) -> Scan:
        """Scan in a thread; cancelled, tell it to stop, and wait for it: it must not outlive lock and ledger."""
        task = asyncio.ensure_future(asyncio.to_thread(self._intake.scan))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    async def _deliver(self) -> None:
        ticks = self._make_ticks()
        if ticks is not None:
            await asyncio.to_thread(ticks.begin, _now())
        while True:
            self._wake.clear()
            self._pulse.beat("delivery", within_seconds=STUCK_SECONDS)
            try:
                if await self._run_if_due(ticks):
                    await self._tidy()
                    continue
            except LocalFault as error:
                # The ledger is locked or its disk full: nothing was changed, and it goes on when that is over.
                _LOG.error("delivery_failed", error=str(error))
                await asyncio.sleep(FAULT_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DECISIONS_POLL_SECONDS):
                    await self._wake.wait()

    async def _run_if_due(self, ticks: Ticks | None) -> bool:
        """Run where a tick, an arrival or a wait that is over calls for it; return whether one did."""
        started = _now()
        tick = await asyncio.to_thread(ticks.find_due, started) if ticks is not None else None
        if ticks is not None and tick is not None and await self._may_serve_tick():
            due = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_ON_ITS_WAY)
            await self._with_pulse(self._runner.run("schedule", due))
            await asyncio.to_thread(ticks.take, tick)
        elif due := await self._choose_due(ticks):
            await self._with_pulse(self._runner.run("arrival" if ticks is None else "retry", due))
        else:
            return False
        self._seen.note(due, await self._list_due(ticks), started=started)
        return True

    async def _with_pulse(self, run: Coroutine[None, None, Verdict]) -> None:
        """Await a run; it beats while bytes are acknowledged or the work under way changes, however long it takes."""
        task = asyncio.ensure_future(run)
        last: object = None
        try:
            while not task.done():
                # A claim beside the run is the intake's work, and says nothing about the run.
                work = self._stations.board.list_work()
                now: object = [one for one in work if one.phase is not Phase.CLAIM]
                if now != last or not now:
                    last = now
                    self._pulse.beat("delivery", within_seconds=STUCK_SECONDS)
                await asyncio.wait([task], timeout=DECISIONS_POLL_SECONDS)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        task.result()

    def _make_ticks(self) -> Ticks | None:
        line = self._configuration.schedule.deliver
        if is_on_arrival(line):
            return None
        return Ticks(line=line, zone=self._configuration.zone, runs=self._ledger.runs)

    async def _may_serve_tick(self) -> bool:
        if not self._gathering.has_taken_stock(now=_get_seconds()):
            return False
        waiting = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_ON_ITS_WAY)
        return not self._gathering.must_wait(waiting, now=_get_seconds())

    async def _choose_due(self, ticks: Ticks | None) -> list[Source]:
        """Return the sources to deliver now; none where a run would change nothing, or profiles are worth a wait."""
        due = await self._list_due(ticks)
        if not self._seen.has_news(due) or self._gathering.must_wait(due, now=_get_seconds()):
            return []
        return due

    async def _list_due(self, ticks: Ticks | None) -> list[Source]:
        """Return the sources that may go now: on arrival all that wait for nothing, else those to be tried again."""
        waiting = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_ON_ITS_WAY)
        return [
            source
            for source in waiting
            if self._runner.is_due(source) and (ticks is None or source.retry_at is not None)
        ]

    async def _tidy(self) -> None:
        await asyncio.to_thread(self._stations.archive.put_away_all)
        today = _now().astimezone(self._configuration.zone).date()
        await asyncio.to_thread(self._stations.archive.remove_expired, today)


async def serve(
    configuration: Configuration, *, once: bool, board: Board, conclude: Callable[[Verdict], None] = lambda _: None
) -> ExitCode:
    """Run the daemon until a signal, or one pass with ``once``; return the exit code.

    ``conclude`` is told how the pass ended.
    SIGTERM and SIGINT finish or release the step at hand; a second one hurries.
    """
    hurry = asyncio.Event()
    async with _stopped_by_signals(hurry) as received:
        with open_daemon(configuration, board, hurry) as daemon:
            if once:
                verdict = await daemon.run_once()
                conclude(verdict)
                return verdict.exit_code
            await daemon.run()
    if received[0] is signal.SIGTERM and not once:
        return ExitCode.DONE
    return ExitCode.INTERRUPTED


@contextlib.asynccontextmanager
async def _stopped_by_signals(hurry: asyncio.Event) -> AsyncIterator[list[signal.Signals]]:
    """Cancel the body on SIGTERM and SIGINT, and swallow that cancellation; the list tells which came.

    From the second on, ``hurry`` is set too.
    """
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()
    body = asyncio.current_task()

    def stop(number: signal.Signals) -> None:
        _LOG.info("stopping", signal=number.name)
        notify_systemd("STOPPING=1")
        if received:
            hurry.set()
        received.append(number)
        if body is not None:
            body.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    try:
        yield received
    except asyncio.CancelledError:
        if not received:
            raise
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def notify_systemd(message: str) -> None:
    """Tell systemd about our state (sd_notify(3)); nothing happens where systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(("\0" + address[1:]) if address.startswith("@") else address)
        channel.sendall(message.encode())


def _get_seconds() -> float:
    return asyncio.get_running_loop().time()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
