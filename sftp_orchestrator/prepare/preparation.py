"""The station between intake and delivery: sources become planned parts, parts become ready, the refused go aside."""

from __future__ import annotations

import asyncio
import datetime
import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Self, TypeVar

import structlog

from sftp_orchestrator import files, space, threads
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import DecisionNeeded, Failure, InputRefused, LocalFault, NotConfigured, SourceChanged
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, PartState, SourceState
from sftp_orchestrator.prepare import planner
from sftp_orchestrator.prepare.changes import weigh_change
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.part_content import BytesContent, FileContent, PartContent
from sftp_orchestrator.prepare.parts.split import get_encrypted_bound
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.waits import Waits
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()
T = TypeVar("T")

JUDGED_FOR = datetime.timedelta(hours=1)
"""So long a look at a file's times holds: rules about them have a day to spare."""
RETRY_SECONDS = 60.0
"""How long a source waits after this machine stood in its way (disk full, gpg died)."""


class Preparation:
    """Does what can be done on this machine; each step is idempotent and notes its outcome in the ledger."""

    def __init__(
        self,
        configuration: Configuration,
        workspace: Workspace,
        ledger: Ledger,
        board: Board,
        encryptors: Mapping[str, Encryptor],
        command: str,
    ) -> None:
        self._configuration = configuration
        self._workspace = workspace
        self._ledger = ledger
        self._board = board
        self._encryptors = encryptors
        self._command = command
        self._planner = Planner(configuration, workspace, ledger, board, encryptors)
        self._waits = Waits()
        self._expected: set[str] = set()
        """destinations of runs that have not read yet what they deliver"""
        self._has_none_to_read = asyncio.Event()
        self._has_none_to_read.set()
        # One takes every core; a second inspection beside it would only double the memory.
        self._inspecting = asyncio.Semaphore(1)
        self._encrypting = asyncio.Semaphore(max(1, os.cpu_count() or 1))

    @classmethod
    def open(
        cls, configuration: Configuration, workspace: Workspace, ledger: Ledger, board: Board, *, command: str = COMMAND
    ) -> Self:
        """Import the keys of every destination that encrypts, and return the station; ``command`` is what to type.

        Raises:
            ConfigurationError: a key cannot be used: expired, revoked, sign-only, not one public key.
            LocalFault: gpg is missing or fails.
        """
        encryptors = planning.open_encryptors(configuration, workspace)
        for name, encryptor in encryptors.items():
            board.measures.note_key(name, encryptor.expires_at)
        return cls(configuration, workspace, ledger, board, encryptors, command)

    def make_batches(self, sources: Iterable[Source]) -> Iterator[list[Source]]:
        """Yield sources in their order, small ones several at a time, for ``prepare_sources``. Pure."""
        return self._planner.make_batches(sources)

    async def prepare_sources(self, sources: Sequence[Source]) -> list[Source | Exception]:
        """Inspect claimed sources and plan their parts, in their order; return each as ``planned``, or why it is not.

        Each may fail for itself: ``SourceChanged`` where the producer still writes, ``InputRefused`` where it breaks a
        rule, ``DecisionNeeded`` where its feed or file is gone, its content was sent before, or a property would change
        its type, ``LocalFault`` where this machine stood in the way.

        Raises:
            LocalFault: none could be noted, for the ledger stood in the way.
        """
        async with self._inspecting:
            return await _in_thread(lambda stop: self._planner.plan_all(sources, stop))

    # Runs come first: what is read ahead of one waits while another reads.

    def expect_run(self, destination: str) -> None:
        """Note that a run of ``destination`` begins, and is to read what it delivers."""
        self._expected.add(destination)
        self._has_none_to_read.clear()

    def note_through(self, destination: str) -> None:
        """Note that a run of ``destination`` has read all that it delivers, or ended; may be repeated."""
        self._expected.discard(destination)
        if not self._expected:
            self._has_none_to_read.set()

    async def wait_for_runs(self) -> None:
        """Wait until no run is to read."""
        while self._expected:
            await self._has_none_to_read.wait()

    async def prepare_part(self, source: Source, part: Part) -> Part:
        """Make a part ready to go up: plain as it lies, encrypted into a piece of its own; return it as ``ready``.

        Raises:
            SourceChanged: the producer changed the file since it was inspected.
            LocalFault: this machine stood in the way; nothing is left behind.
        """
        self._planner.require_plan(source)
        encryptor = self._encryptors.get(source.destination)
        if part.state is PartState.READY:
            if encryptor is None or self._has_piece(part):
                return part
            await threads.see_through(self._ledger.parts.prepare_again, part, "its encrypted piece is gone")
        content = self._make_plain_content(source, part)
        size = content.size
        if encryptor is not None:
            async with self._encrypting:
                size = await _in_thread(lambda stop: self._encrypt(encryptor, source, part, stop))
        await threads.see_through(self._ledger.parts.finish_preparation, part, size=size)
        return await asyncio.to_thread(self._ledger.parts.get, source.id, part.number)

    def require_unchanged(self, source: Source) -> None:
        """Make sure, before each manifest, that neither file nor settings changed since it was planned; blocking.

        Rows that came after the last byte was read would be missing without a word; so would rows that were left out
        for being those of another file, where that was given up since.

        Raises:
            SourceChanged: a producer wrote to the file since it was inspected, or it is to be read again.
            DecisionNeeded: it was planned by other settings.
        """
        self._planner.require_plan(source)
        try:
            status = self._workspace.get_source(source.id).stat()
        except FileNotFoundError:
            return  # Its parts are at the receiver: nothing more is read of it.
        if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
            raise SourceChanged("publish", source.name, "its producer wrote to it after it was inspected")
        if self._may_lack_rows(source):
            raise SourceChanged("publish", source.name, "a file that may have some of its rows was given up")

    def _may_lack_rows(self, source: Source) -> bool:
        """Whether it leaves out rows that may be in no other file any more, and can be read again."""
        if not source.duplicate_rows or self._has_left(source):
            return False
        # Since it was last to be read, for that may take long; so it may be read once more than is needed, and no more.
        moves = self._ledger.list_history(source_id=source.id)
        since = max(move.at for move in moves if move.part is None and move.after == SourceState.CLAIMED)
        return self._ledger.discards.has_any(source.feed, source.destination, since=since)

    def align(self, source: Source) -> bool:
        """Bring a source that is not done in line with the configuration; may be repeated, part of every start.

        What was planned by other settings is planned anew. Where some of its manifests have left already, it is held:
        the rest of it cannot go another way. So is what has no feed any more, until it is there again, whatever other
        schedule it would go by meanwhile. Returns whether it is held now. Blocking.
        """
        feed = self._configuration.feeds.get(source.feed)
        destination = self._configuration.get_destination_name(source.feed) if feed is not None else None
        if feed is None or destination is None:
            return self._hold_unconfigured(source)
        left = self._ledger.sources.has_left(source.id)
        is_planned = source.state in {SourceState.PLANNED, SourceState.READY}
        try:
            self._planner.require_plan(source)
        except DecisionNeeded as error:
            if is_planned and left:
                self._hold(source, error)
                return True
            if is_planned:
                self._ledger.sources.reclaim(source.id, "the configuration changed since it was planned")
        else:
            is_outdated = is_planned and not left and not self._planner.is_judged_alike(source)
            if is_outdated and self._may_judge_again(source):
                self._ledger.sources.reclaim(source.id, "its rows were judged by other settings")
        if not left and (source.type, source.destination) != (feed.type, destination):
            self._ledger.sources.reassign(source.id, type_=feed.type, destination=destination)
        if source.lacks_configuration and (not left or source.destination in self._configuration.destinations):
            self._ledger.sources.resume(source.id, "the configuration has its feed again")
            _LOG.info("source_resumed", source=source.id, feed=source.feed, file=source.name)
        return False

    def _hold_unconfigured(self, source: Source) -> bool:
        parts = self._ledger.parts.list_of(source.id)
        # What became of a manifest is looked up first, by a run.
        if source.state not in SOURCE_ON_ITS_WAY or any(part.state is PartState.PUBLISHING for part in parts):
            return False
        try:
            planning.require_feed(self._configuration, source)
        except NotConfigured as gone:
            self._hold(source, gone)
        return True

    def renew(self, sources: Sequence[Source], now: datetime.datetime) -> list[Source]:
        """Take back what was planned long before ``now``, and by now might be judged otherwise; return all as they are.

        That is what had rows refused, or goes where rows grow too old, as long as nothing of it was sent. Blocking.
        """
        old = [source for source in sources if self._may_be_outdated(source, now)]
        parts = self._ledger.parts.list_of_all([source.id for source in old])
        unsent = [source for source in old if all(part.state is PartState.PLANNED for part in parts[source.id])]
        for source in unsent:
            self._ledger.sources.reclaim(source.id, "planned long before its run: judged by the time of that")
        again = {source.id: source for source in self._ledger.sources.list_of([source.id for source in unsent])}
        return [again.get(source.id, source) for source in sources]

    def _may_be_outdated(self, source: Source, now: datetime.datetime) -> bool:
        if source.state is not SourceState.PLANNED or now - source.changed_at < JUDGED_FOR:
            return False
        destination = self._configuration.destinations.get(source.destination)
        has_limit = destination is not None and destination.retention_days is not None
        return (source.refused_rows > 0 or has_limit) and self._may_judge_again(source)

    def _may_judge_again(self, source: Source) -> bool:
        """Whether rows that were refused come from nowhere else: those a person fetched may, as a file of their own."""
        try:
            return not source.refused_rows or quarantine.has_refused_rows(source, self._workspace)
        except LocalFault as error:
            # It can be sent as it was planned, and is no matter of the others.
            _LOG.warning("not_judged_again", source=source.id, feed=source.feed, file=source.name, error=str(error))
            return False

    def is_small(self, source: Source, part: Part) -> bool:
        """Return whether a part is made ready and sent together with others: short, and plain. Pure."""
        return source.destination not in self._encryptors and part.end - part.start <= planner.SMALL_BYTES

    def prepare_small(self, asked: Sequence[tuple[Source, Part]]) -> list[tuple[Part, BytesContent] | Exception]:
        """Read small parts, and make them ready in one transaction; return each with its bytes, or why not; blocking.

        Raises:
            LocalFault: none could be noted, for the ledger stood in the way.
        """
        read = [self._read_small(source, part) for source, part in asked]
        writes = [
            functools.partial(self._ledger.parts.finish_preparation, part, size=found.size)
            for (_, part), found in zip(asked, read, strict=True)
            if isinstance(found, BytesContent) and part.state is PartState.PLANNED
        ]
        noted = iter(self._ledger.write_together(writes))
        outcomes: list[tuple[Part, BytesContent] | Exception] = []
        for (_, part), found in zip(asked, read, strict=True):
            if isinstance(found, Exception):
                outcomes.append(found)
                continue
            ready = next(noted) if part.state is PartState.PLANNED else part
            outcomes.append(ready if isinstance(ready, Exception) else (ready, found))
        return outcomes

    def _read_small(self, source: Source, part: Part) -> BytesContent | Exception:
        try:
            self._planner.require_plan(source)
            content = self._make_plain_content(source, part)
            with content.open() as stream:
                return BytesContent(stream.read())
        except Exception as error:  # noqa: BLE001 - the outcome of this part; who asked tells whose fault it is
            return error

    def get_content(self, source: Source, part: Part) -> PartContent | FileContent:
        """Return the bytes to send for a part that is ready."""
        if source.destination in self._encryptors:
            return FileContent(self._workspace.get_spool(source.id, part.number))
        return self._make_plain_content(source, part)

    def resend(self, source: Source, part: Part, *, by: str) -> Part:
        """Give an uncertain part names never used before and take it back to ``planned``; blocking."""
        return planning.resend(self._configuration, self._ledger, source, part, by=by)

    async def set_aside(self, source: Source, error: Failure) -> None:
        """Note why a source cannot go on in this run, as the kind of error asks for."""
        await threads.see_through(self._set_aside, source.id, error)

    def finish_quarantine(self, source: Source) -> None:
        """Move a quarantined original to its report; may be repeated, part of every start. Blocking.

        Where its folder cannot be used the original stays where it is, until the next start: that is no other's fault.
        """
        try:
            quarantine.move_original(source, self._workspace)
        except LocalFault as error:
            _LOG.error("quarantine_failed", source=source.id, feed=source.feed, file=source.name, error=str(error))

    def _set_aside(self, source_id: str, error: Failure) -> None:
        source = self._ledger.sources.get(source_id)
        if isinstance(error, SourceChanged) and not self._has_left(source):
            error = weigh_change(source, error, self._get_status(source).st_size, self._workspace.get_source(source.id))
        log = _LOG.bind(source=source.id, feed=source.feed, file=source.name, reason=str(error))
        untouched = source.state in {SourceState.CLAIMED, SourceState.INSPECTED}
        if isinstance(error, SourceChanged) and not self._has_left(source):
            self._wait_again(source, error)
            log.info("source_changed")
        elif isinstance(error, InputRefused) and untouched:
            quarantine.quarantine(source, error, self._workspace, self._ledger, command=self._command)
            log.warning("source_quarantined")
        elif isinstance(error, LocalFault):
            self._ledger.sources.note_wait(source.id, str(error), retry_at=_in_seconds(RETRY_SECONDS))
            self._waits.tell(source, error)
        else:
            self._hold(source, error)

    def _hold(self, source: Source, error: Failure) -> None:
        lacks_configuration = isinstance(error, NotConfigured)
        self._ledger.sources.hold(source.id, str(error), lacks_configuration=lacks_configuration)
        _LOG.warning("source_held", source=source.id, feed=source.feed, file=source.name, reason=str(error))

    def _wait_again(self, source: Source, error: Failure) -> None:
        if source.state is not SourceState.CLAIMED:
            self._ledger.sources.reclaim(source.id, str(error))
        status = self._get_status(source)
        again = _in_seconds(max(1.0, self._configuration.intake.settle_seconds))
        self._ledger.sources.note_change(
            source.id, str(error), size=status.st_size, mtime_ns=status.st_mtime_ns, retry_at=again
        )

    def _get_status(self, source: Source) -> os.stat_result:
        with files.as_local_fault("look at", source.name, hint="the claimed file must stay in the workspace"):
            return self._workspace.get_source(source.id).stat()

    def _has_left(self, source: Source) -> bool:
        left = {PartState.PUBLISHING, PartState.UNCERTAIN, PartState.DELIVERED}
        return any(part.state in left for part in self._ledger.parts.list_of(source.id))

    def _encrypt(self, encryptor: Encryptor, source: Source, part: Part, stop: threading.Event) -> int:
        label = f"{source.name} {part.number}/{part.of}"
        content = self._make_plain_content(source, part)
        spool = self._workspace.get_spool(source.id, part.number)
        with space.reserve(spool.parent, get_encrypted_bound(content.size)) as held:
            self._board.begin(label, Phase.ENCRYPT, content.size)
            try:
                return encryptor.encrypt(
                    content,
                    spool,
                    max_bytes=self._configuration.destinations[source.destination].limits.encrypted_bytes,
                    cancelled=stop,
                    progress=held.watch(lambda count: self._board.advance(label, count)),
                )
            finally:
                self._board.end(label)

    def _make_plain_content(self, source: Source, part: Part) -> PartContent:
        path = self._workspace.get_source(source.id)
        size, mtime_ns = source.size, source.mtime_ns
        if source.is_rewritten:
            path = self._workspace.get_good_rows(source.id)
        if not path.exists():
            raise DecisionNeeded("read", source.name, "the claimed file is gone from the workspace", hint=str(path))
        if source.is_rewritten:
            # It is ours, and nobody writes to it: that the original stays as it was is asked before each manifest.
            status = path.stat()
            size, mtime_ns = status.st_size, status.st_mtime_ns
        return PartContent(
            path=path,
            header_bytes=source.header_bytes or b"",
            start=part.start,
            end=part.end,
            expected_size=size,
            expected_mtime_ns=mtime_ns,
        )

    def _has_piece(self, part: Part) -> bool:
        try:
            return self._workspace.get_spool(part.source_id, part.number).stat().st_size == part.size
        except FileNotFoundError:
            return False


async def _in_thread(function: Callable[[threading.Event], T]) -> T:
    """Call ``function`` in a thread; when we are cancelled it is told to stop, and waited for."""
    stop = threading.Event()
    return await threads.call(lambda: function(stop), stop)


def _in_seconds(seconds: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
