"""What is kept no longer than the configuration asks for: what nobody mends, and what the ledger remembers.

By default all of it is kept for ever. Never touched: what a person must decide about, and what is on its way.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.config.model import BlockedProfiles, Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.workspace import Workspace, remove_tree

_LOG = structlog.get_logger()

_AT_AN_END = frozenset({SourceState.ARCHIVED, SourceState.DISCARDED})
_LOOKED_UP_AT_ONCE = 500
_PAUSE_SECONDS = 0.2
"""Between two transactions: SQLite lets whoever waits for its lock look again every tenth of a second."""


class Retention:
    """Applies ``quarantine.keep_days`` and ``ledger.keep_days``. Each step may be repeated; blocking, for threads."""

    def __init__(self, configuration: Configuration, workspace: Workspace, ledger: Ledger) -> None:
        self._configuration = configuration
        self._workspace = workspace
        self._ledger = ledger

    def apply(self, now: datetime.datetime) -> None:
        """Discard and remove what is past its time; raises ``LocalFault`` where the ledger cannot be used."""
        keep_days = self._configuration.quarantine.keep_days
        if keep_days is not None:
            before = now - datetime.timedelta(days=keep_days)
            self._discard_quarantined(before, keep_days)
            self._remove_refused_rows(before)

    def forget(
        self,
        now: datetime.datetime,
        stop: threading.Event,
        *,
        list_unwanted: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """Have the ledger forget what ended long ago, unless something of it still lies in the workspace.

        ``list_unwanted`` says of which sources something in the archive is still to be removed: only the ledger knows
        what it is, and when it was put there.

        All of the ledger is read for it, and the first time may take minutes; others get at the ledger in between.

        Raises:
            LocalFault: the ledger or a folder cannot be used; what was forgotten by then is.
        """
        keep_days = self._configuration.ledger.keep_days
        if keep_days is None:
            return
        before = now - datetime.timedelta(days=keep_days)
        folders = (self._workspace.work, self._workspace.quarantine, self._workspace.rejected)
        lying = {name for folder in folders for name in _list_names(folder)}
        # After these: what is put away meanwhile is in one of both.
        lying.update(list_unwanted())
        count = self._ledger.forgetting.forget_sources(
            before=before, besides=lying, stopped=lambda: stop.wait(_PAUSE_SECONDS)
        )
        self._ledger.forgetting.forget_runs(before=before)
        if count:
            _LOG.info("ledger_forgot", sources=count, before=before.isoformat())

    def _discard_quarantined(self, before: datetime.datetime, keep_days: int) -> None:
        """Discard what was quarantined before then; its files are put away as those that a person gave up."""
        quarantined = self._ledger.sources.list_in({SourceState.QUARANTINED})
        events = [one for one in self._ledger.sources.list_in(SOURCE_ON_ITS_WAY) if one.type is FeedType.EVENT]
        reason = f"given up: quarantined for more than {keep_days} days (quarantine.keep_days)"
        for source in quarantined:
            if source.changed_at < before and not self._is_awaited(source, events):
                self._ledger.discards.expire(source.id, before=before, reason=reason)

    def _is_awaited(self, source: Source, events: Sequence[Source]) -> bool:
        """Whether events may be waiting for it: that they go without it is for a person to say."""
        destination = self._configuration.destinations.get(source.destination)
        policy = destination.blocked_profiles if destination is not None else BlockedProfiles.HOLD
        return (
            source.type is FeedType.PROFILE
            and policy is BlockedProfiles.HOLD
            and any(event.destination == source.destination and event.number > source.number for event in events)
        )

    def _remove_refused_rows(self, before: datetime.datetime) -> None:
        """Remove the refused rows of sources that came to their end before then; strange folders stay.

        So do rows that a person gave up: they go into the archive, as that person was told.
        """
        for source in self._list_with_rows():
            if source.state not in _AT_AN_END or source.changed_at >= before:
                continue
            folder = self._workspace.get_rejected(source.id)
            try:
                with files.as_local_fault("remove", str(folder), hint="it must be ours to remove"):
                    remove_tree(folder)
            except LocalFault as error:
                _LOG.error("refused_rows_stay", source=source.id, error=str(error))
            else:
                _LOG.info("refused_rows_removed", source=source.id, feed=source.feed, file=source.name)

    def _list_with_rows(self) -> Iterator[Source]:
        """Yield sources of which refused rows lie there that nobody gave up."""
        ids = _list_names(self._workspace.rejected)
        for start in range(0, len(ids), _LOOKED_UP_AT_ONCE):
            some = ids[start : start + _LOOKED_UP_AT_ONCE]
            given_up = self._ledger.discards.list_rows_given_up(some)
            yield from self._ledger.sources.list_of([id_ for id_ in some if id_ not in given_up])


def _list_names(folder: Path) -> list[str]:
    with files.as_local_fault("read", str(folder), hint="it must be a folder of ours"):
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
