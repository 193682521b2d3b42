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
from sftp_orchestrator.errors import DecisionNeeded, Failure, InputRefused, LocalFault, SourceChanged
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.prepare import planner
from sftp_orchestrator.prepare.changes import weigh_change
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.part_content import BytesContent, FileContent, PartContent
from sftp_orchestrator.prepare.parts.split import get_encrypted_bound
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.standing import Standing, hold
from sftp_orchestrator.prepare.waits import Waits
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()
T = TypeVar("T")

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
        self.standing = Standing(configuration, workspace, ledger, self._planner)
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
        if isinstance(error, SourceChanged) and not self._ledger.sources.has_left(source.id):
            error = weigh_change(source, error, self._get_status(source).st_size, self._workspace.get_source(source.id))
        log = _LOG.bind(source=source.id, feed=source.feed, file=source.name, reason=str(error))
        untouched = source.state in {SourceState.CLAIMED, SourceState.INSPECTED}
        if isinstance(error, SourceChanged) and not self._ledger.sources.has_left(source.id):
            self._wait_again(source, error)
            log.info("source_changed")
        elif isinstance(error, InputRefused) and untouched:
            quarantine.quarantine(source, error, self._workspace, self._ledger, command=self._command)
            log.warning("source_quarantined")
        elif isinstance(error, LocalFault):
            self._ledger.sources.note_wait(source.id, str(error), retry_at=_in_seconds(RETRY_SECONDS))
            self._waits.tell(source, error)
        else:
            hold(self._ledger, source, error)

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
