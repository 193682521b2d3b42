"""Puts the stations together: lock, ledger, intake, preparation, delivery; watcher, schedule, page.

Starting up is recovering, for the daemon and for ``run --once`` alike; ``--once`` only leaves the loop out.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.alerts.alerting import Alerting
from sftp_orchestrator.alerts.pinging import Pinging
from sftp_orchestrator.asking import get_url
from sftp_orchestrator.believing import Believing
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config import credentials, kept
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.archive import Archive
from sftp_orchestrator.deliver.credentials import require_credentials
from sftp_orchestrator.deliver.run import Runner, Verdict
from sftp_orchestrator.deliver.stations import Stations
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.dispatch import Dispatcher, Scans
from sftp_orchestrator.errors import Failure, LocalFault
from sftp_orchestrator.expecting import Expecting
from sftp_orchestrator.intake.intake import Intake, Scan
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.intake.watch import Watcher
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SOURCE_OPEN, SourceState
from sftp_orchestrator.prepare.preparation import Preparation
from sftp_orchestrator.progress import Board
from sftp_orchestrator.repeating import Repeating
from sftp_orchestrator.retention import Retention
from sftp_orchestrator.web.pulse import STUCK_SECONDS, Pulse
from sftp_orchestrator.workspace import Workspace

if TYPE_CHECKING:
    from starlette.applications import Starlette

_LOG = structlog.get_logger()

FORGET_SECONDS = 86_400.0
"""How often the ledger forgets what is past its time: for that, all of it is read."""
SCAN_PAUSE_SECONDS = 0.5
"""Between two scans at least: inotify tells of every write of a big copy, and one look serves them all."""
_SCAN_SHARE = 0.2
"""Of the time, at most, goes into scans that find nothing to claim: 100,000 files take two seconds of a core."""


@contextlib.contextmanager
def open_daemon(
    configuration: Configuration,
    board: Board,
    hurry: asyncio.Event | None = None,
    *,
    once: bool = False,
    command: str = COMMAND,
) -> Iterator[Daemon]:
    """Lock the workspace, open the ledger and import the keys; give all of it back at the end.

    Once ``hurry`` is set, a stop waits for nothing any more: what is under way is left for the next start to find out.
    ``once`` says that it is for one pass, ``command`` how a person calls us with this configuration.

    Raises:
        LocalFault: another process owns the workspace or the ledger, or a folder, the ledger or gpg cannot be used.
        ConfigurationError: a key or secret is missing, loose, locked, expired or of the wrong kind.
    """
    credentials.require_secrets(configuration)
    require_credentials(configuration)
    workspace = Workspace(root=configuration.workspace)
    with _private_files():
        workspace.prepare()
        page = "" if once else configuration.web.listen or ""
        lock = WorkspaceLock(workspace.lock, is_pass=once, page=page, configuration=configuration.digest())
        with lock, Ledger.open(configuration.ledger.url, workspace.root) as ledger, ledger.ownership:
            preparation = Preparation.open(configuration, workspace, ledger, board, command=command)
            kept.keep(configuration)
            keeping = configuration.archive
            archive = Archive(workspace, ledger, configuration.zone, keep=keeping.keep, keep_days=keeping.keep_days)
            stations = Stations(
                ledger=ledger,
                preparation=preparation,
                archive=archive,
                board=board,
                hurry=hurry or asyncio.Event(),
            )
            yield Daemon(configuration, workspace, stations, command=command)


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

    def __init__(
        self, configuration: Configuration, workspace: Workspace, stations: Stations, *, command: str = COMMAND
    ) -> None:
        self._configuration = configuration
        self._command = command
        self._workspace = workspace
        self._stations = stations
        self._ledger = stations.ledger
        self._stop = threading.Event()
        supervision = Supervision(stop=self._stop, board=stations.board, beat=self._beat_intake)
        self._intake = Intake(configuration, workspace, stations.ledger, supervision)
        self._runner = Runner(configuration=configuration, stations=stations)
        self._retention = Retention(configuration, workspace, stations.ledger)
        self._believing = Believing(workspace.clock)
        self._pulse = Pulse()
        self._scans = Scans()
        self._expecting = Expecting(configuration, stations.ledger)
        self._scan_trouble = Repeating()
        self._alerting = Alerting(
            configuration,
            stations.ledger,
            key_ends=stations.board.measures.get_key_ends,
            find_refused_reload=stations.board.measures.get_refused_reload,
            command=command,
        )
        self._pinging = Pinging.of(configuration.alerts, self._find_trouble)
        self._tidying = asyncio.Lock()
        self._tidied_on: datetime.date | None = None

    async def recover(self) -> list[Source]:
        """Finish what a stop or crash left half done on this machine; the receiver is asked by the run itself.

        Returns the sources that cannot go on by the configuration as it is now.
        """
        await threads.call(self._intake.recover, self._stop)
        await asyncio.to_thread(self._runner.pauses.heed_changes)
        unfinished = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_OPEN)
        standing = self._stations.preparation.standing
        held = await threads.call(lambda: standing.align_all(unfinished, self._stop), self._stop)
        for source in await asyncio.to_thread(self._ledger.sources.list_in, {SourceState.QUARANTINED}):
            await asyncio.to_thread(self._stations.preparation.finish_quarantine, source)
        await asyncio.to_thread(self._stations.archive.put_away_all)
        return held

    async def run_once(self) -> Verdict:
        """One pass over what is complete now, whatever the schedule says.

        What is complete can only be told by looking twice, ``settle_seconds`` apart; a file that changes in between is
        not complete now.
        """
        try:
            verdict = await self._pass()
        except Exception as error:
            # What it found before it came to that is worth its alert all the more.
            await self._alerting.tell_now()
            await self._pinging.ping(str(error) if isinstance(error, Failure) else f"a defect: {type(error).__name__}")
            raise
        await self._alerting.tell_now()
        await self._pinging.ping("\n".join(map(str, verdict.failures)) or None)
        return verdict

    async def _pass(self) -> Verdict:
        held = await self.recover()
        scan = await self._scan()
        if scan.waiting and scan.wait_seconds is not None:
            await asyncio.sleep(scan.wait_seconds)
            scan = await self._scan()
        await self._judge_deadlines(scan)
        verdict = await self._runner.run("once")
        await self._tidy()
        await self._forget()
        return dataclasses.replace(
            verdict,
            not_delivered=(*verdict.not_delivered, *held),
            left_alone=scan.left_alone,
            failures=(
                *verdict.failures,
                *([scan.pause.to_failure()] if scan.pause is not None else []),
                *([scan.hindrance] if scan.hindrance is not None else []),
            ),
        )

    async def run(self, note_start: Callable[[], None] = lambda: None) -> None:
        """Take in and deliver until cancelled; ``note_start`` is called once recovery is through."""
        # Read here: a single pass serves no page, and need not wait for what serves one.
        from sftp_orchestrator.web.server import open_socket, serve_page  # noqa: PLC0415

        listen = self._configuration.web.listen
        with contextlib.ExitStack() as stack:
            # Before all else, so that an address that is taken ends a start at once; and given back whatever comes.
            door = stack.enter_context(open_socket(listen)) if listen is not None else None
            await self.recover()
            await self._deliver_to_nowhere()
            await self._tidy()
            changed = asyncio.Event()
            dispatchers = [self._make_dispatcher(name, changed) for name in self._configuration.destinations]
            stack.enter_context(Watcher(self._configuration.staging, changed))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._take_in(changed, dispatchers))
                group.create_task(self._forget_daily())
                group.create_task(self._alerting.run())
                group.create_task(self._pinging.run())
                for dispatcher in dispatchers:
                    group.create_task(dispatcher.run())
                if door is not None:
                    group.create_task(serve_page(self._make_app(), door))
                self._pulse.is_ready = True
                note_start()
                page = get_url(listen, door.getsockname()[1]) if listen is not None and door is not None else None
                _LOG.info("daemon_started", staging=str(self._configuration.staging), page=page)

    def list_stuck(self) -> list[str]:
        """Return the stations that made no progress for longer than they may."""
        return self._pulse.list_stuck()

    def _make_dispatcher(self, destination: str, rescan: asyncio.Event) -> Dispatcher:
        return Dispatcher(
            destination,
            self._configuration,
            self._stations,
            scans=self._scans,
            rescan=rescan,
            pulse=self._pulse,
            tidy=self._end_run,
        )

    async def _deliver_to_nowhere(self) -> None:
        """Have a run say of sources whose destination is not configured any more that they wait for a person."""
        waiting = await asyncio.to_thread(self._ledger.sources.list_in, SOURCE_ON_ITS_WAY)
        lost = [source for source in waiting if source.destination not in self._configuration.destinations]
        await self._runner.run("start", lost)

    def _make_app(self) -> Starlette:
        from sftp_orchestrator.web.access import Access  # noqa: PLC0415
        from sftp_orchestrator.web.app import make_app  # noqa: PLC0415

        return make_app(
            Desk(self._configuration, self._ledger),
            self._stations.board,
            self._pulse,
            access=Access.of(self._configuration.web),
            command=self._command,
        )

    async def _take_in(self, changed: asyncio.Event, dispatchers: Sequence[Dispatcher]) -> None:
        rescan_seconds = self._configuration.intake.rescan_seconds
        while True:
            changed.clear()
            self._beat_intake()
            wait, pause = rescan_seconds, SCAN_PAUSE_SECONDS
            began = asyncio.get_running_loop().time()
            try:
                scan = await self._scan()
                await self._judge_deadlines(scan)
            except LocalFault as error:
                self._tell_of_failed_scan(error)
            else:
                self._tell_of_whole_scan()
                for dispatcher in dispatchers:
                    dispatcher.note(scan)
                wait = min(rescan_seconds, scan.wait_seconds if scan.wait_seconds is not None else rescan_seconds)
                took = asyncio.get_running_loop().time() - began
                pause = get_scan_pause_seconds(took, has_claimed=bool(scan.claimed), rescan_seconds=rescan_seconds)
            await self._tidy_daily()
            # The pause bounds how often we look, however many hints inotify gives, and however soon a file is complete.
            await asyncio.sleep(pause if pause > SCAN_PAUSE_SECONDS else min(pause, wait))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait - pause)):
                    await changed.wait()

    def _tell_of_failed_scan(self, error: LocalFault) -> None:
        occurred = self._scan_trouble.note(error)
        log = _LOG.bind(error=str(error))
        if occurred.is_first:
            log.error("scan_failed")
        elif occurred.is_told:
            log.warning("scan_still_fails", failures=occurred.failures, seconds=occurred.seconds)

    def _tell_of_whole_scan(self) -> None:
        over = self._scan_trouble.end()
        if over is not None:
            _LOG.info("scan_recovered", failures=over.failures, seconds=over.seconds)

    def _beat_intake(self) -> None:
        self._pulse.beat("intake", within_seconds=self._configuration.intake.rescan_seconds + STUCK_SECONDS)

    async def _scan(self) -> Scan:
        """Scan in a thread; it must not outlive lock and ledger."""
        self._scans.begin(now=asyncio.get_running_loop().time(), at=_now())
        is_whole = False
        try:
            scan = await threads.call(self._intake.scan, self._stop)
            is_whole = True
        finally:
            self._scans.end(is_whole=is_whole)
        return scan

    async def _judge_deadlines(self, scan: Scan) -> None:
        """Tell of files that did not come by when they are expected, as far as this scan knows."""
        looked_at, arriving = self._scans.looked_at, {feed for _, feed in scan.waiting}
        if looked_at is not None:
            await asyncio.to_thread(self._expecting.judge, _now(), looked_at=looked_at, arriving=arriving)

    async def _tidy_daily(self) -> None:
        """Tidy on a day without runs, too: where the intake is paused none may come, and this is what makes room."""
        if self._tidied_on == self._get_day(_now()):
            return
        try:
            await self._tidy()
        except LocalFault as error:
            _LOG.error("tidy_failed", error=str(error))

    async def _forget_daily(self) -> None:
        while True:
            try:
                await self._forget()
            except LocalFault as error:
                _LOG.error("tidy_failed", error=str(error))
            await asyncio.sleep(FORGET_SECONDS)

    async def _forget(self) -> None:
        async with self._tidying:
            now = await asyncio.to_thread(self._believing.look, _now())
        list_unwanted = self._stations.archive.list_unwanted
        await threads.call(lambda: self._retention.forget(now, self._stop, list_unwanted=list_unwanted), self._stop)

    async def _end_run(self) -> None:
        """Do what follows each run."""
        self._pinging.wake()
        await self._tidy()

    def _find_trouble(self) -> str | None:
        """Return what keeps the daemon from delivering, for the dead-man's switch; blocking, raises ``LocalFault``."""
        said = [f"stuck: {station}" for station in self._pulse.list_stuck()]
        said += [f"{pause.destination}: {pause.reason}" for pause in self._ledger.pauses.list_all()]
        return "\n".join(said) or None

    async def _tidy(self) -> None:
        self._tidied_on = self._get_day(_now())
        # Several destinations may have done so at the same time, and no original can be put away twice.
        async with self._tidying:
            now = await asyncio.to_thread(self._believing.look, _now())
            await asyncio.to_thread(self._retention.apply, now)
            await asyncio.to_thread(self._stations.archive.put_away_all)
            await asyncio.to_thread(self._stations.archive.remove_expired, self._get_day(now))

    def _get_day(self, at: datetime.datetime) -> datetime.date:
        return at.astimezone(self._configuration.zone).date()


def get_scan_pause_seconds(scan_seconds: float, *, has_claimed: bool, rescan_seconds: float) -> float:
    """Return how long no scan begins after one that took ``scan_seconds``. Pure.

    Where it claimed something its time went into that, and more may be there.
    """
    if has_claimed:
        return SCAN_PAUSE_SECONDS
    return max(SCAN_PAUSE_SECONDS, min(rescan_seconds, scan_seconds / _SCAN_SHARE - scan_seconds))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
