"""Claimed sources become planned ones: each is inspected, and its parts, their names and manifests are fixed."""

from __future__ import annotations

import datetime
import functools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.errors import DecisionNeeded, SourceChanged
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import InspectedFile, Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare import report
from sftp_orchestrator.prepare.earlier import copies, types_kept
from sftp_orchestrator.prepare.earlier.fingerprints import Fingerprints
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.split import ByteRange
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.report import NothingNew, RowsRefused
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()

SMALL_BYTES = 256 * 1024
"""Of a file that is inspected, planned and sent together with others: all of them are done in a blink."""
BATCH_SOURCES = 32

_Alike = tuple[str, str, bytes]
"""Feed, destination and header: sources that have these in common bring the same properties."""


class Planner:
    """Blocking; of several sources each has its own outcome."""

    def __init__(
        self,
        configuration: Configuration,
        workspace: Workspace,
        ledger: Ledger,
        board: Board,
        encryptors: Mapping[str, Encryptor],
    ) -> None:
        self._configuration = configuration
        self._workspace = workspace
        self._ledger = ledger
        self._board = board
        self._encryptors = encryptors
        self._fingerprints = Fingerprints(workspace, ledger)
        self._plan_keys: dict[tuple[str, str], str] = {}
        """by feed and destination: neither changes while we run"""

    def make_batches(self, sources: Iterable[Source]) -> Iterator[list[Source]]:
        """Yield sources in their order, small ones several at a time, for ``plan_all``. Pure.

        What was sent before is asked of the ledger once a source is planned: where rows are compared with those of
        earlier files, each goes alone.
        """
        batch: list[Source] = []
        for source in sources:
            feed = self._configuration.feeds.get(source.feed)
            is_alone = source.size > SMALL_BYTES or feed is None or feed.deduplicate is not None
            if batch and (is_alone or len(batch) == BATCH_SOURCES):
                yield batch
                batch = []
            batch.append(source)
            if is_alone:
                yield batch
                batch = []
        if batch:
            yield batch

    def plan_all(self, sources: Sequence[Source], stop: threading.Event) -> list[Source | Exception]:
        """Inspect claimed sources one after the other, and plan them in one transaction; return each, or why it is not.

        Raises:
            LocalFault: none could be noted, for the ledger stood in the way.
            Stopped: ``stop`` was set.
        """
        now = datetime.datetime.now(datetime.UTC)
        looked = [self._look_at(source, now, stop) for source in sources]
        alike: set[_Alike] = set()
        writes = [
            functools.partial(self._plan, source, *found, alike)
            for source, found in zip(sources, looked, strict=True)
            if not isinstance(found, Exception)
        ]
        refusals = iter(self._ledger.write_together(writes, begin=alike.clear))
        noted = {source.id: source for source in self._ledger.sources.list_of([source.id for source in sources])}
        outcomes: list[Source | Exception] = []
        for source, found in zip(sources, looked, strict=True):
            if isinstance(found, Exception):
                outcomes.append(found)
                continue
            refusal, now_noted = next(refusals), noted[source.id]
            if now_noted.state in {SourceState.INSPECTED, SourceState.PLANNED}:
                _tell_of_rows(source, found[0], self._workspace.get_rejected(source.id))
            if refusal is None:
                log = _LOG.bind(source=source.id, feed=source.feed)
                log.info("source_planned", records=found[0].records, parts=len(found[1]))
            outcomes.append(now_noted if refusal is None else refusal)
        return outcomes

    def require_plan(self, source: Source) -> None:
        """Raise ``DecisionNeeded`` where its parts were planned by other settings than those of today."""
        if source.plan_key is None:
            return
        if not planning.are_made_alike(source.plan_key, self._get_plan_key(source)):
            raise DecisionNeeded(
                "send",
                source.name,
                "account, encryption, limits or columns are set otherwise than when it was planned",
                hint="set them back until it is delivered",
            )

    def is_judged_alike(self, source: Source) -> bool:
        """Return whether its rows were judged by the settings of today, as far as is known."""
        return source.plan_key is None or planning.are_judged_alike(source.plan_key, self._get_plan_key(source))

    def _get_plan_key(self, source: Source) -> str:
        feed, destination = planning.require_feed(self._configuration, source)
        known = (source.feed, source.destination)
        if known not in self._plan_keys:
            encryptor = self._encryptors.get(source.destination)
            self._plan_keys[known] = planning.make_plan_key(feed, destination, encryptor)
        return self._plan_keys[known]

    def _fetch(self, source: Source) -> Path:
        """Return where a claimed file lies, once it is still as it was claimed, or as a person put it right."""
        path = self._workspace.get_source(source.id)
        if not path.exists():
            quarantine.bring_back(source, self._workspace, self._ledger)
            return path
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
            raise SourceChanged("read", source.name, "its producer wrote to it after it was claimed")
        return path

    def _look_at(
        self, source: Source, now: datetime.datetime, stop: threading.Event
    ) -> tuple[Inspection, Sequence[ByteRange]] | Exception:
        try:
            feed, destination = planning.require_feed(self._configuration, source)
            path = self._fetch(source)
            # Read by other settings, rows that were refused may be sent now: what an earlier look kept is true no more.
            quarantine.forget_findings(source, self._workspace)
            if source.state is SourceState.INSPECTED:
                self._ledger.sources.reclaim(source.id, "its parts were not planned yet")
            self._board.begin(source.name, Phase.INSPECT, path.stat().st_size)
            try:
                inspection = self._inspect(source, feed, now, stop)
                return inspection, planning.split_for(inspection, destination)
            finally:
                self._board.end(source.name)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - the outcome of this source; who asked tells whose fault it is
            return error

    def _inspect(self, source: Source, feed: Feed, now: datetime.datetime, stop: threading.Event) -> Inspection:
        watch = Watch(cancelled=stop.is_set, progress=lambda count: self._board.advance(source.name, count))
        earlier = self._fingerprints.list_earlier(source, feed, now=now)
        try:
            return self._look_into(source, feed, now, earlier, watch)
        except RowsRefused as refused:
            types_kept.recall(self._ledger.properties, source.destination, source.type, refused)
            raise
        except NothingNew as refused:
            if copies.find(self._ledger, source, refused.sha256) is None:
                raise
            copies.require_new(self._ledger, source, refused.sha256, said=f"{refused.cause}: ")
        # The very same file once more, by a person's word: then all of it.
        return self._look_into(source, feed, now, [], watch.without_progress())

    def _look_into(
        self, source: Source, feed: Feed, now: datetime.datetime, earlier: Sequence[Path], watch: Watch
    ) -> Inspection:
        return inspect(
            self._workspace.get_source(source.id),
            feed,
            now=now,
            name=source.file_name,
            outlet=self._workspace.get_folder(source.id),
            retention_days=self._configuration.destinations[source.destination].retention_days,
            earlier=earlier,
            watch=watch,
        )

    def _plan(
        self, source: Source, inspection: Inspection, ranges: Sequence[ByteRange], alike: set[_Alike]
    ) -> DecisionNeeded | None:
        """Fix the parts of an inspected source, in the caller's transaction; return why they may not leave.

        What is noted before a hold stays. ``alike`` has what was planned before in this transaction: what contradicts
        these was held, so what brings the same properties contradicts nothing either.
        """
        feed, destination = planning.require_feed(self._configuration, source)
        try:
            if feed.holds_same_file:
                copies.require_new(self._ledger, source, inspection.sha256)
            self._keep_rows(source, inspection)
            self._ledger.sources.finish_inspection(source.id, _describe(inspection))
            header_bytes = inspection.header.header_bytes
            if (source.feed, source.destination, header_bytes) not in alike:
                types_kept.require_kept(self._ledger.properties, source, feed, destination, header_bytes)
        except DecisionNeeded as refused:
            return refused
        sending = self._ledger.sources.take_sending(source.id)
        parts = planning.plan_parts(
            source.feed,
            feed,
            destination,
            inspection.header.names,
            ranges,
            short_id=planning.make_sending_id(source.id, sending),
            at=datetime.datetime.now(datetime.UTC),
        )
        self._fingerprints.keep(source)
        self._ledger.sources.finish_planning(source.id, parts, plan_key=self._get_plan_key(source))
        if not source.released:
            # What a person released may contradict what is known, and others must not go by that word.
            alike.add((source.feed, source.destination, header_bytes))
        return None

    def _keep_rows(self, source: Source, inspection: Inspection) -> None:
        """Keep the refused rows with their report; may be repeated."""
        if not inspection.refused_rows and not inspection.duplicate_rows:
            return
        # They are moved from where they were found to where they are kept.
        folders = self._workspace.get_folder(source.id), self._workspace.get_rejected(source.id)
        with files.as_local_fault("read", source.name, hint="the workspace must be ours"):
            failed_rows = next(filter(None, map(quarantine.describe_failed_rows, folders)), None)
        content = report.render_rejection(
            source_id=source.id,
            file=source.name,
            feed=source.feed,
            records=inspection.records,
            refused_rows=inspection.refused_rows,
            duplicate_rows=inspection.duplicate_rows,
            tallies=inspection.tallies,
            failed_rows=failed_rows,
        )
        quarantine.keep_refused_rows(source, content, self._workspace)


def _tell_of_rows(source: Source, inspection: Inspection, folder: Path) -> None:
    """Log what was found in the rows; those that were refused are kept in ``folder``."""
    log = _LOG.bind(source=source.id, feed=source.feed, file=source.name)
    warnings = {found.rule: found.rows for found in inspection.tallies if found.severity is Severity.WARNING}
    if warnings:
        log.warning("rules_warned", rules=warnings)
    if inspection.refused_rows or inspection.duplicate_rows:
        refused = {found.rule: found.rows for found in inspection.tallies if found.severity is Severity.ERROR}
        log.warning(
            "rows_refused",
            refused=inspection.refused_rows,
            duplicates=inspection.duplicate_rows,
            sent=inspection.records,
            rules=refused,
            folder=str(folder),
        )


def _describe(inspection: Inspection) -> InspectedFile:
    return InspectedFile(
        size=inspection.fingerprint.size,
        mtime_ns=inspection.fingerprint.mtime_ns,
        sha256=inspection.sha256,
        records=inspection.records,
        refused_rows=inspection.refused_rows,
        duplicate_rows=inspection.duplicate_rows,
        is_rewritten=inspection.is_rewritten,
        header_bytes=inspection.header.header_bytes,
        earliest_ts=inspection.earliest_ts,
    )
