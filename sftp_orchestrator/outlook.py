"""What holds for everything that waits: who is at work on it, when the next run starts, what took whose place."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from sftp_orchestrator import units
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.timing import Timing, list_timings
from sftp_orchestrator.deliver.order import Gate, Replacements, find_replacements, list_profiles
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.expecting import list_expectations
from sftp_orchestrator.intake.lock import Holder, find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Pause, Run, RunRequest, Source
from sftp_orchestrator.ledger.requests import STALE_REQUEST
from sftp_orchestrator.ledger.states import SOURCE_ON_ITS_WAY, SourceState
from sftp_orchestrator.schedule import Plan, Plans
from sftp_orchestrator.workspace import Workspace

NOBODY = "no daemon runs"
_RECENTLY = datetime.timedelta(days=7)
"""So long ago what a destination took says still that its settings are right."""
_EVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)

_VERDICTS = {
    ExitCode.USAGE: ": the configuration or a key could not be used",
    ExitCode.RECEIVER: ": a receiver could not be reached or refused us",
    ExitCode.INTERRUPTED: ": interrupted",
}
"""What people are told beside the numbers; the ledger has a verdict as the name of an exit code."""


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """When one schedule starts its next run."""

    timing: Timing
    tick_at: datetime.datetime | None = None
    """of the newest tick that is due and not served yet"""
    next_at: datetime.datetime | None = None
    """in the past where that is overdue; None on arrival, while that is any time"""
    following_at: datetime.datetime | None = None
    """the first run for a tick that is still to come"""
    opens_at: datetime.datetime | None = None
    """no run begins before this; None where it is open"""
    closed_by: str | None = None
    """the key of the schedule that closes it till then"""


@dataclass(frozen=True, kw_only=True)
class ExpectedFile:
    """What is expected of one feed, and whether it is missing."""

    feed: str
    next_by: datetime.datetime | None
    """the next deadline"""
    missing_since: datetime.datetime | None = None
    """the deadline since which none came; None where none is missing"""
    missed: int = 0
    """deadlines by which none had come, ever"""
    zone: ZoneInfo | None = None
    """of the deadlines"""


@dataclass(frozen=True, kw_only=True)
class AskedRun:
    """A run that a person asked for and that has not ended yet."""

    request: RunRequest
    waits_for: frozenset[str] = frozenset()
    """feeds whose files it waits for, where such are arriving"""
    settled_at: datetime.datetime | None = None
    """what is arriving had the time to come to rest by then, unless it is still written"""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What can be expected at one moment."""

    at: datetime.datetime
    holder: Holder | None = None
    """the process that owns the workspace"""
    last_run: Run | None = None
    under_way: tuple[Run, ...] = ()
    """the runs of that process that have no end yet, the newest first"""
    prospects: tuple[Prospect, ...] = ()
    """of every schedule"""
    expected: tuple[ExpectedFile, ...] = ()
    """of each feed that has such a deadline"""
    is_outdated: bool = False
    """the daemon goes by another configuration, which it read before this one was written"""
    replacements: Replacements = field(default_factory=dict)
    pauses: Mapping[str, Pause] = field(default_factory=dict)
    """by destination, those whose last run failed as a whole"""
    took_until: Mapping[str, datetime.datetime] = field(default_factory=dict)
    """by destination, when it took a file last"""
    asked: tuple[AskedRun, ...] = ()
    """what persons asked of that process"""

    @property
    def is_attended(self) -> bool:
        """Whether a daemon, or a pass, is there to go on with what waits."""
        return self.holder is not None

    @property
    def has_daemon(self) -> bool:
        """Whether a daemon runs: a pass ends, and leaves what is decided meanwhile to the next."""
        return self.holder is not None and not self.holder.is_pass

    @property
    def in_need(self) -> tuple[Pause, ...]:
        """The destinations that fail until a person mends something, though they are tried again by themselves."""
        return tuple(pause for pause in self.pauses.values() if pause.kind.needs_person)

    @property
    def next_delivery_at(self) -> datetime.datetime | None:
        """When a schedule starts a run after those under way; None on arrival, while that is any time."""
        return min((at for one in self.prospects if (at := self.get_next(one)) is not None), default=None)

    def find_prospect(self, source: Source) -> Prospect | None:
        """Return what the schedule promises that ``source`` goes by; None where its destination has none any more."""
        return self.get_prospect(source.destination, source.feed)

    def get_prospect(self, destination: str, feed: str) -> Prospect | None:
        """Return what the schedule promises to files of ``feed``; None where there is no such destination."""
        return self._by_feed.get((destination, feed)) or self._by_feed.get((destination, None))

    @functools.cached_property
    def _by_feed(self) -> dict[tuple[str, str | None], Prospect]:
        return {(one.timing.destination, one.timing.feed): one for one in self.prospects}

    def get_start(self, source: Source) -> datetime.datetime | None:
        """Return when the schedule lets ``source`` go; None where that is not what it waits for."""
        prospect = self.find_prospect(source)
        if not self.has_daemon or prospect is None or source.state not in SOURCE_ON_ITS_WAY:
            return None
        if self._is_taken_now(source):
            return None
        if source.retry_at is not None:
            # Tried again by itself, but not while its schedule is closed; a person's word goes before.
            return None if source.is_wanted else prospect.opens_at
        run = self._find_run(prospect)
        if run is not None and source.claimed_at <= run.started_at:
            return None
        return self.get_next(prospect)

    def get_next(self, prospect: Prospect) -> datetime.datetime | None:
        """Return when a schedule starts a run after those under way; None on arrival, while that is any time."""
        if self._find_run(prospect) is None or prospect.following_at is None:
            return prospect.next_at
        return prospect.following_at

    def _find_run(self, prospect: Prospect) -> Run | None:
        """Return the run that serves a tick that came due; it stays due until its run has ended."""
        if prospect.tick_at is None:
            return None
        return next((run for run in self.under_way if run.trigger == "schedule"), None)

    def _is_taken_now(self, source: Source) -> bool:
        """Whether a person asked for a run that is under way and, as far as can be told, takes ``source``."""
        return any(run.trigger == "now" and source.claimed_at <= run.started_at for run in self.under_way)


def look_out(
    configuration: Configuration, ledger: Ledger, sources: Sequence[Source], now: datetime.datetime
) -> Outlook:
    """Return what can be expected for ``sources``, all those that wait; raises ``LocalFault``."""
    holder = find_holder(Workspace(root=configuration.workspace).lock)
    quarantined = [source for source in list_profiles(sources) if source.state is SourceState.QUARANTINED]
    return Outlook(
        at=now,
        holder=holder,
        is_outdated=holder is not None and holder.configuration not in {None, configuration.digest()},
        last_run=next(iter(ledger.runs.list_last(1)), None),
        # What began before this process did was cut short, and never ends.
        under_way=tuple(ledger.runs.list_unfinished(since=holder.since or _EVER)) if holder is not None else (),
        prospects=tuple(
            _look_at(plan, now)
            for name in configuration.destinations
            for plan in Plans.make(configuration, ledger.runs, name).list_all()
        ),
        expected=_list_expected(configuration, ledger, now),
        replacements=find_replacements(quarantined, ledger.outcomes.list_delivered_later(quarantined)),
        pauses={pause.destination: pause for pause in ledger.pauses.list_all()},
        took_until=ledger.deliveries.list_last(),
        asked=_list_asked(configuration, ledger, holder, now),
    )


def _list_asked(
    configuration: Configuration, ledger: Ledger, holder: Holder | None, now: datetime.datetime
) -> tuple[AskedRun, ...]:
    """Return the runs that the daemon was asked for; a pass answers none, and nobody heeds what is stale."""
    if holder is None or holder.is_pass:
        return ()
    # As the daemon reckons it, which may have begun a moment later than it took hold of the workspace.
    since = min(holder.since or now, now) - STALE_REQUEST
    return tuple(
        _look_at_asked(request, configuration)
        for name in configuration.destinations
        for request in ledger.requests.list_open(name, since=since)
    )


def _look_at_asked(request: RunRequest, configuration: Configuration) -> AskedRun:
    if configuration.intake.ready_marker is not None:
        # Nobody knows how long a file waits for its marker: none is waited for.
        return AskedRun(request=request)
    return AskedRun(
        request=request,
        waits_for=frozenset(
            feed
            for feed in configuration.feeds
            if configuration.get_destination_name(feed) == request.destination and request.feed in {None, feed}
        ),
        settled_at=request.asked_at + datetime.timedelta(seconds=configuration.intake.settle_seconds),
    )


def foresee(configuration: Configuration, now: datetime.datetime) -> Outlook:
    """Return what the schedules alone promise, whatever became due before; raises as ``Timing.make``."""
    prospects = []
    for name in configuration.destinations:
        for timing in list_timings(configuration, name):
            plan = Plan(timing=timing)
            found = _look_at(plan, now)
            prospects.append(replace(found, next_at=found.following_at or found.next_at))
    return Outlook(at=now, prospects=tuple(prospects))


def _look_at(plan: Plan, now: datetime.datetime) -> Prospect:
    opening = plan.timing.opening
    return Prospect(
        timing=plan.timing,
        tick_at=plan.find_due(now),
        next_at=plan.find_next(now),
        following_at=plan.find_following(now),
        opens_at=None if opening.is_open(now) else opening.find_opening(now),
        closed_by=opening.find_closing_key(now),
    )


def _list_expected(configuration: Configuration, ledger: Ledger, now: datetime.datetime) -> tuple[ExpectedFile, ...]:
    missed, since = ledger.missing.count(), dict[str, datetime.datetime]()
    for missing in ledger.missing.list_open():
        since.setdefault(missing.feed, missing.due_at)
    return tuple(
        ExpectedFile(
            feed=one.feed,
            next_by=one.find_next(now),
            missing_since=since.get(one.feed),
            missed=missed.get(one.feed, 0),
            zone=one.ticks.zone,
        )
        for one in list_expectations(configuration, ledger)
    )


def explain_wait(source: Source, gate: Gate | None, outlook: Outlook) -> str | None:
    """Return what a source that is on its way waits for, but for its own reason; None where for nothing. Pure.

    What calls a person comes first, then what time alone will bring.
    """
    if source.state not in SOURCE_ON_ITS_WAY:
        return None
    blocked = gate.explain() if gate is not None else None
    schedule = describe_schedule(source, outlook)
    if gate is not None and gate.needs_person:
        return blocked if schedule is None else f"{blocked}; then for {schedule}"
    if schedule is not None:
        return f"waits for {schedule}"
    if blocked is None and not outlook.is_attended and source.reason is None:
        return NOBODY
    pause = outlook.pauses.get(source.destination)
    if blocked is None and source.reason is None and pause is not None and pause.until > outlook.at:
        return f"waits for {source.destination}, {_describe_next_try(pause, outlook)}: {pause.reason}"
    return blocked


def describe_schedule(source: Source, outlook: Outlook) -> str | None:
    """Return the schedule that keeps a source back, which is to be changed where it should go earlier. Pure.

    None where that is not what it waits for.
    """
    start, prospect = outlook.get_start(source), outlook.find_prospect(source)
    if start is None:
        return None
    if prospect is not None and prospect.opens_at == start:
        return f"schedule.{prospect.closed_by}, opens at {units.format_moment(start, outlook.at, prospect.timing.zone)}"
    return f"the schedule, {_describe_start(start, outlook.at, prospect.timing.zone if prospect is not None else None)}"


def _describe_start(start: datetime.datetime, now: datetime.datetime, zone: ZoneInfo | None) -> str:
    said = units.format_moment(start, now, zone)
    return f"next at {said}" if start > now else f"due since {said}"


def describe_departure(prospect: Prospect, outlook: Outlook) -> str:
    """Return when a file would go that is complete now, for people. Pure."""
    start, zone = outlook.get_next(prospect), prospect.timing.zone
    if start is None:
        return "on arrival, as soon as it is complete"
    if prospect.opens_at == start:
        return f"when schedule.{prospect.closed_by} opens, at {units.format_moment(start, outlook.at, zone)}"
    return f"with the schedule, {_describe_start(start, outlook.at, zone)}"


def list_schedules(outlook: Outlook) -> list[str]:
    """Return a sentence for each schedule that does not start at any time; where there is but one, of no name. Pure."""
    told = []
    for one in outlook.prospects:
        start, timing = outlook.get_next(one), one.timing
        if start is None:
            continue
        named = timing.destination if timing.feed is None else f"{timing.destination}, feed {timing.feed}"
        subject = "Schedule" if len(outlook.prospects) == 1 else f"Schedule of {named}"
        said = _describe_start(start, outlook.at, timing.zone)
        if one.opens_at is not None:
            opens = units.format_moment(one.opens_at, outlook.at, timing.zone)
            rest = f", opens at {opens}" if one.opens_at == start else f" until {opens}, {said}"
            said = f"closed by schedule.{one.closed_by}{rest}"
        told.append(f"{subject}: {said}.")
    return told


def list_missing(outlook: Outlook) -> list[str]:
    """Return a sentence for each feed of which an expected file is missing. Pure."""
    return [
        f"Missing: a file of {one.feed}, expected by {units.format_moment(one.missing_since, outlook.at, one.zone)}."
        for one in outlook.expected
        if one.missing_since is not None
    ]


def describe_pause(pause: Pause, outlook: Outlook) -> str:
    """Return that a destination fails, since when, when it is tried next, and where to look, for people. Pure."""
    since = units.format_moment(pause.since, outlook.at)
    times = "once" if pause.failures == 1 else f"{pause.failures} times in a row"
    said = f"{pause.destination} failed {times}, since {since}; {_describe_next_try(pause, outlook)}: {pause.reason}"
    if pause.kind.needs_person:
        return f"{said}; this needs a person: `{COMMAND} check --connect` tells whether it is mended"
    is_away = pause.kind is PauseKind.AWAY
    until = describe_taken(outlook.took_until.get(pause.destination), outlook.at, is_away=is_away)
    return said if until is None else f"{said}; {until}"


def describe_taken(last: datetime.datetime | None, now: datetime.datetime, *, is_away: bool) -> str | None:
    """Return until when a destination that fails took files, and what follows; None where that is long ago. Pure.

    Nor where it is not away: it answered, or was not asked, which is no matter of the line.
    """
    if last is None or now - last > _RECENTLY or not is_away:
        return None
    return f"it took files until {units.format_age(last, now)}: look at the line and the receiver first"


def _describe_next_try(pause: Pause, outlook: Outlook) -> str:
    if outlook.has_daemon and pause.until > outlook.at:
        return f"tried again at {units.format_moment(pause.until, outlook.at)}"
    return "tried again with the next run"


def describe_run(run: Run, outlook: Outlook) -> str:
    """Return how a run ended, or that it did not, for people. Pure."""
    if run.finished_at is not None:
        worst = next((said for code, said in _VERDICTS.items() if code.name.lower() == run.verdict), "")
        return f"{run.delivered} delivered, {run.not_delivered} not{worst}"
    if run.number in {one.number for one in outlook.under_way}:
        return "under way"
    return "cut short: what it had begun was left to the next run"
