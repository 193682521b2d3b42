"""Files that feeds are expected to have by a time of day: a deadline by which none came is noted once, and told."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from sftp_orchestrator.config.cron import get_newest_due, get_next_due
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.timing import Timing, get_deadline_line
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import MissingFile, Source
from sftp_orchestrator.schedule import Ticks

_LOG = structlog.get_logger()

_LOOK_BACK = datetime.timedelta(days=8)
"""A deadline comes each week at least, and weeks of a change of the clock are an hour longer."""
_MOMENT = datetime.timedelta(microseconds=1)
SETTLE_TIME = datetime.timedelta(minutes=10)
"""How long what lay in staging at the start may take to be claimed: it was there before we were."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """By when a file of one feed has to be there; its deadlines are ticks, each judged once, missed ones as one."""

    feed: str
    ticks: Ticks

    def find_next(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return the next deadline. Pure."""
        return get_next_due(self.ticks.line, self.ticks.zone, after=now)

    def find_previous(self, due: datetime.datetime) -> datetime.datetime:
        """Return the deadline before ``due``: what was claimed since counts. Pure."""
        ticks = self.ticks
        previous = get_newest_due(ticks.line, ticks.zone, last=due - _LOOK_BACK, now=due - _MOMENT)
        return previous if previous is not None else due - _LOOK_BACK


def list_expectations(configuration: Configuration, ledger: Ledger) -> list[Expectation]:
    """Return those of the feeds that have any; raises ``ConfigurationError`` where a file of dates cannot be read."""
    found = []
    for name, feed in configuration.feeds.items():
        if feed.expected is not None:
            destination = configuration.get_destination_name(name)
            own = name if feed.schedule is not None else None
            ticks = Ticks(
                line=get_deadline_line(feed.expected),
                zone=Timing.make(configuration, destination, own).zone,
                runs=ledger.runs,
                destination=destination,
                feed=name,
                purpose="expected",
            )
            found.append(Expectation(feed=name, ticks=ticks))
    return found


class Expecting:
    """Judges deadlines as they pass, and heeds what comes late. Blocking: call it in a thread from async code."""

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._ledger = ledger
        self._destinations = tuple(configuration.destinations)
        self._expectations = list_expectations(configuration, ledger)
        self._started: datetime.datetime | None = None

    def judge(self, now: datetime.datetime, *, looked_at: datetime.datetime, arriving: Collection[str] = ()) -> None:
        """Tell of deadlines by which no file came, and of files that came after all; raises ``LocalFault``.

        ``looked_at`` is when the last scan began that was carried through, ``arriving`` are the feeds of which files
        lie in staging that are not complete. Each is told at least once: again at the next start, where a crash came
        before that was noted.
        """
        started = self._started = self._started or now
        # First: what came late for one deadline counts for no other.
        self._heed_arrivals()
        for one in self._expectations:
            one.ticks.begin(now)
            due = one.ticks.find_due(now)
            # Who was not there at the deadline claims what lay there by then before it is judged.
            is_settling = due is not None and due < started and now - started < SETTLE_TIME and one.feed in arriving
            if due is not None and looked_at >= due and not is_settling:
                self._judge(one, due)
                one.ticks.take(due)
        self._heed_arrivals()

    def _heed_arrivals(self) -> None:
        waited: dict[str, MissingFile] = {}
        for missing in self._ledger.missing.list_open():
            waited.setdefault(missing.feed, missing)
        for missing in waited.values():
            late = self._find(missing.feed, after=missing.due_at)
            if late is not None:
                tell_of_arrival(missing, late)
                self._ledger.missing.note_arrival(late)

    def _judge(self, one: Expectation, due: datetime.datetime) -> None:
        if self._find(one.feed, after=one.find_previous(due), until=due) is not None:
            return
        missing = self._ledger.missing.note(one.feed, due)
        # What came by now, after a deadline at which nobody was there, is told of as that alone.
        if self._find(one.feed, after=due) is None:
            tell_of_missing(missing)

    def _find(self, feed: str, *, after: datetime.datetime, until: datetime.datetime | None = None) -> Source | None:
        return self._ledger.missing.find_file(feed, self._destinations, after=after, until=until)


def tell_of_missing(missing: MissingFile) -> None:
    """Tell that no file of a feed came by its deadline: the one place that does, once for each deadline."""
    _LOG.error("expected_file_missing", feed=missing.feed, due_at=missing.due_at.isoformat())


def tell_of_arrival(missing: MissingFile, source: Source) -> None:
    """Tell that a file of a feed came after all; ``missing`` is the first deadline since one came. The one place."""
    _LOG.warning(
        "expected_file_arrived",
        feed=missing.feed,
        due_at=missing.due_at.isoformat(),
        source=source.id,
        file=source.name,
        late_seconds=round((source.claimed_at - missing.due_at).total_seconds(), 3),
    )
