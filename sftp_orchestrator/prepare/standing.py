"""Whether what was planned stands: its file, the settings, other files and the time may have changed since."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator, Sequence

import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import DecisionNeeded, Failure, LocalFault, NotConfigured, SourceChanged
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, PartState, SourceState
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.planner import Planner
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()

JUDGED_FOR = datetime.timedelta(hours=1)
"""So long a look at a file's times holds: rules about them have a day to spare."""


class Standing:
    """Judges sources that are planned, and takes those back that are to be read again. Blocking."""

    def __init__(self, configuration: Configuration, workspace: Workspace, ledger: Ledger, planner: Planner) -> None:
        self._configuration = configuration
        self._workspace = workspace
        self._ledger = ledger
        self._planner = planner

    def require(self, source: Source) -> None:
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
        if not source.duplicate_rows or self._ledger.sources.has_left(source.id):
            return False
        # Since it was last to be read, for that may take long; so it may be read once more than is needed, and no more.
        moves = self._ledger.list_history(source_id=source.id)
        claims = [move.at for move in moves if move.part is None and move.after == SourceState.CLAIMED]
        since = max(claims, default=source.claimed_at)
        return self._ledger.discards.has_any(source.feed, source.destination, since=since)

    def align_all(self, sources: Sequence[Source], stop: threading.Event) -> list[Source]:
        """Bring sources in line with the configuration, as ``align`` does each; return those that are held now.

        One about which a person decides at this very moment is left to what was decided. Once it is told to ``stop``,
        the others are left to the next start.
        """
        held = []
        for source in sources:
            if stop.is_set():
                break
            with _left_to_others(source):
                if self.align(source):
                    held.append(source)
        return self._ledger.sources.list_of([source.id for source in held])

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
                hold(self._ledger, source, error)
                return True
            if is_planned:
                self._ledger.sources.reclaim(source.id, "the configuration changed since it was planned")
        else:
            is_outdated = is_planned and not left and not self._planner.is_judged_alike(source)
            if is_outdated and self._may_judge_again(source):
                self._ledger.sources.reclaim(source.id, "its rows were judged by other settings")
        if source.lacks_configuration and (not left or source.destination in self._configuration.destinations):
            self._resume(source)
        # After that: data of it that was left behind lies where it went before.
        if not left and (source.type, source.destination) != (feed.type, destination):
            self._ledger.sources.reassign(source.id, type_=feed.type, destination=destination)
        return False

    def _resume(self, source: Source) -> None:
        parts = self._ledger.parts.list_of(source.id)
        if source.type is FeedType.EVENT and any(part.state is PartState.UNCERTAIN for part in parts):
            return  # A person has to say first what became of it.
        self._ledger.sources.resume(source.id, "the configuration has its feed again")
        _LOG.info("source_resumed", source=source.id, feed=source.feed, file=source.name)

    def _hold_unconfigured(self, source: Source) -> bool:
        parts = self._ledger.parts.list_of(source.id)
        # What became of a manifest is looked up first, by a run.
        if source.state not in SOURCE_ON_ITS_WAY or any(part.state is PartState.PUBLISHING for part in parts):
            return False
        try:
            planning.require_feed(self._configuration, source)
        except NotConfigured as gone:
            hold(self._ledger, source, gone)
            return True
        return False

    def renew(self, sources: Sequence[Source], now: datetime.datetime) -> list[Source]:
        """Take back what was planned long before ``now``, and by now might be judged otherwise; return all as they are.

        That is what had rows refused, or goes where rows grow too old, as long as nothing of it was sent. What a person
        gave up meanwhile is not among them. Blocking.
        """
        old = [source for source in sources if self._may_be_outdated(source, now)]
        parts = self._ledger.parts.list_of_all([source.id for source in old])
        for source in old:
            if all(part.state is PartState.PLANNED for part in parts[source.id]):
                with _left_to_others(source):
                    self._ledger.sources.reclaim(source.id, "planned long before its run: judged by the time of that")
        again = {source.id: source for source in self._ledger.sources.list_of([source.id for source in old])}
        renewed = [again.get(source.id, source) for source in sources]
        return [source for source in renewed if source.state in SOURCE_ON_ITS_WAY]

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


@contextlib.contextmanager
def _left_to_others(source: Source) -> Iterator[None]:
    """Let a move pass that somebody else was ahead of: the row says what is so now."""
    try:
        yield
    except (IllegalMove, DecisionNeeded) as moved:
        _LOG.warning("source_moved_meanwhile", source=source.id, feed=source.feed, file=source.name, reason=str(moved))


def hold(ledger: Ledger, source: Source, error: Failure) -> None:
    """Hold a source for a person; or, where it lacks its feed alone, until the configuration has that again."""
    ledger.sources.hold(source.id, str(error), lacks_configuration=isinstance(error, NotConfigured))
    _LOG.warning("source_held", source=source.id, feed=source.feed, file=source.name, reason=str(error))
