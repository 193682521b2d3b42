"""What stands where: the one query that ``status``, ``history`` and the page read; the metrics read ``figures``."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sftp_orchestrator import units
from sftp_orchestrator.advice import advise, advise_on_rows
from sftp_orchestrator.config.bandwidth import Timetable
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.order import Gate
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.gates import decide_gates
from sftp_orchestrator.intake import pausing
from sftp_orchestrator.intake.intake import Survey, open_staging, survey
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.intake.staging import Obstacle
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Part, Source, Untaken
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_DONE, SOURCE_ON_ITS_WAY, PartState, SourceState
from sftp_orchestrator.outlook import Outlook, explain_wait, look_out
from sftp_orchestrator.prepare.checks.header_checks import TIME_RULE
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.prepare.why import Why, find_reasons
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.workspace import Workspace

REFUSED_ROWS_SHOWN = datetime.timedelta(days=7)
"""How long refused rows of what was delivered are shown, where nobody fetches them."""


MOST_SHOWN = 200
"""Of each group, for people: nobody reads more of them, and to look at 100,000 takes ten seconds."""
_GROUPS = (
    # What may be uncertain before what is refused; what is nearest to its delivery before what only came.
    (SourceState.HELD, SourceState.QUARANTINED),
    (SourceState.READY, SourceState.PLANNED, SourceState.INSPECTED, SourceState.CLAIMED),
    (SourceState.DELIVERED,),
)


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """How many sources an overview only counts."""

    needing_a_person: int = 0
    on_their_way: int = 0
    """they wait at least for those that it has"""
    with_refused_rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything that is not done, or the first of it; how much is, and what is to be expected."""

    at: datetime.datetime
    staging: Survey
    counts: dict[str, int]
    sources: tuple[SourceView, ...]
    with_refused_rows: tuple[SourceView, ...]
    """archived of late, and rows of theirs lie where refused rows are kept"""
    outlook: Outlook
    last_delivery: tuple[Source, datetime.datetime] | None
    receivers: tuple[str, ...]
    """name and address of each"""
    room: Room
    """on the workspace's disk, and whether the intake is paused for want of it"""
    untaken: Mapping[bytes, Untaken] = field(default_factory=dict)
    """by path, of what lies in staging: complete files that cannot be claimed, as the last scan found"""
    left_out: LeftOut = LeftOut()
    limits: Mapping[str, float | None] = field(default_factory=dict)
    """bytes per second by destination, of those with a ``bandwidth``; None where its timetable has no limit now"""

    @property
    def not_taken(self) -> int:
        """How many complete files in staging cannot be claimed."""
        return sum(one.relative_path in self.untaken for one, _ in self.staging.matched)

    @property
    def arriving(self) -> int:
        """How many files in staging fit a feed, and may be complete by and by."""
        return len(self.staging.matched) - self.not_taken

    @property
    def arriving_feeds(self) -> frozenset[str]:
        """The feeds of which files lie in staging that time alone may make complete."""
        return frozenset(feed for one, feed in self.staging.matched if one.relative_path not in self.untaken)


def get_overview(configuration: Configuration, ledger: Ledger, *, most: int | None = None) -> Overview:
    """Return what waits, runs, is quarantined, held or uncertain now; of each group ``most``. Raises ``LocalFault``."""
    counts = ledger.count_sources()
    if most is None:
        shown = {state for states in _GROUPS for state in states}
        waiting, parts = ledger.sources.list_in(shown), ledger.parts.list_by_source(shown)
    else:
        groups = [ledger.sources.list_first(states, most) for states in _GROUPS]
        waiting = sorted((source for some in groups for source in some), key=lambda source: source.number)
        parts = {id_: tuple(some) for id_, some in ledger.parts.list_of_all([one.id for one in waiting]).items()}
    now = datetime.datetime.now(datetime.UTC)
    outlook = _look_out(configuration, ledger, waiting, now, is_whole=most is None)
    workspace = Workspace(root=configuration.workspace)
    refused = list_refused(ledger, workspace, now)
    looked_at = [_look_at(source, ledger, workspace, parts=parts.get(source.id, ())) for source in waiting]
    return Overview(
        at=now,
        staging=_survey(configuration),
        counts=counts,
        sources=_complete_all(looked_at, configuration, ledger, outlook, is_whole=most is None),
        with_refused_rows=tuple(_look_at_refused(refused[:most], ledger, workspace)),
        outlook=outlook,
        last_delivery=ledger.outcomes.find_last_delivery(),
        room=pausing.look(configuration),
        untaken={one.relative_path: one for one in ledger.untaken.list_all()},
        receivers=tuple(f"{name} ({one.host}:{one.port})" for name, one in configuration.destinations.items()),
        left_out=_count_left_out(counts, waiting, len(refused[most:]) if most is not None else 0),
        limits=_get_limits(configuration, now),
    )


def _count_left_out(counts: Mapping[str, int], waiting: Sequence[Source], refused: int) -> LeftOut:
    """Return how many sources are not among those ``waiting``, which may be looked up a moment later. Pure."""
    found = Counter(source.state for source in waiting)

    def count(states: Iterable[SourceState]) -> int:
        return max(0, sum(counts.get(state.value, 0) - found[state] for state in states))

    return LeftOut(
        needing_a_person=count(SOURCE_ASIDE), on_their_way=count(SOURCE_ON_ITS_WAY), with_refused_rows=refused
    )


def _look_out(
    configuration: Configuration, ledger: Ledger, sources: Sequence[Source], now: datetime.datetime, *, is_whole: bool
) -> Outlook:
    """Return what can be expected for ``sources``, all that wait or a few: what took whose place concerns these too."""
    if is_whole:
        return look_out(configuration, ledger, sources, now)
    known = {source.id for source in sources}
    others = [one for one in ledger.outcomes.list_replaced() if one.id not in known]
    return look_out(configuration, ledger, [*sources, *others], now)


def list_refused(ledger: Ledger, workspace: Workspace, now: datetime.datetime) -> list[Source]:
    """Return the sources delivered of late of which refused rows lie where they are kept. Raises ``LocalFault``."""
    found = ledger.outcomes.list_with_refused_rows(since=now - REFUSED_ROWS_SHOWN)
    return [source for source in found if _get_refused_rows(source, workspace) is not None]


def _look_at_refused(sources: Sequence[Source], ledger: Ledger, workspace: Workspace) -> Iterator[SourceView]:
    for source in sources:
        view = _look_at(source, ledger, workspace)
        if view.refused_rows is not None:
            yield advise_on_rows(view, view.refused_rows)


def _complete_all(
    views: Sequence[SourceView], configuration: Configuration, ledger: Ledger, outlook: Outlook, *, is_whole: bool
) -> tuple[SourceView, ...]:
    """Return views with what each waits for, and what a person may do."""
    sources, workspace = [view.source for view in views], Workspace(root=configuration.workspace)
    later = _find_later(sources)
    gates = decide_gates(sources, configuration, ledger, outlook, is_whole=is_whole)
    why = find_reasons(configuration, ledger, workspace, sources)
    return tuple(
        replace(
            _complete(
                replace(view, later=later.get(view.source.id)),
                gates.get(view.source.id),
                workspace,
                outlook,
                why.get(view.source.id, Why()),
            ),
            lacks_time=_lacks_time(view, configuration),
        )
        for view in views
    )


def _find_later(sources: Sequence[Source]) -> dict[str, Source]:
    """Return by id the next file of the same path and feed, of those that are on their way. Pure."""
    found: dict[str, Source] = {}
    last: dict[tuple[str, bytes], Source] = {}
    for source in sources:
        if source.state in SOURCE_ON_ITS_WAY:
            before = last.get((source.feed, source.relative_path))
            if before is not None:
                found[before.id] = source
            last[source.feed, source.relative_path] = source
    return found


def _survey(configuration: Configuration) -> Survey:
    """Return what lies in staging; where that cannot be looked at, this is what is told, and the ledger beside it."""
    try:
        return survey(open_staging(configuration).look(), configuration)
    except LocalFault as error:
        return Survey(matched=(), left_alone=(Obstacle(relative_path=b".", reason=str(error)),))


def list_done(ledger: Ledger, workspace: Workspace, *, limit: int) -> list[SourceView]:
    """Return the sources that were archived last, the newest first, with their parts."""
    return _list_last(ledger, workspace, SourceState.ARCHIVED, limit)


def list_discarded(ledger: Ledger, workspace: Workspace, *, limit: int) -> list[SourceView]:
    """Return the sources that were discarded last, the newest first, with their parts."""
    return _list_last(ledger, workspace, SourceState.DISCARDED, limit)


def _list_last(ledger: Ledger, workspace: Workspace, state: SourceState, limit: int) -> list[SourceView]:
    return [_look_at(source, ledger, workspace) for source in ledger.sources.list_last(state, limit)]


def _get_limits(configuration: Configuration, now: datetime.datetime) -> dict[str, float | None]:
    at = now.astimezone(configuration.zone).time()
    return {
        name: Timetable.of(one.bandwidth).get_limit(at)
        for name, one in configuration.destinations.items()
        if one.bandwidth is not None
    }


def list_limits(overview: Overview) -> list[str]:
    """Return a sentence for each destination that is held to a limit now. Pure."""
    return [
        f"Sends at most {units.format_bytes(limit)}/s to {name} now (bandwidth)."
        for name, limit in overview.limits.items()
        if limit is not None
    ]


def describe_delivered(overview: Overview) -> str:
    """Return how much was delivered so far, and when the last of it. Pure."""
    done = sum(overview.counts.get(state.value, 0) for state in SOURCE_DONE)
    said = f"{done:,} file{' was' if done == 1 else 's were'} delivered so far"
    if overview.last_delivery is None:
        return f"{said}."
    source, at = overview.last_delivery
    return f"{said}, the last one {units.format_age(at, overview.at)}: {source.name}."


def get_view(source_id: str, configuration: Configuration, ledger: Ledger) -> SourceView:
    """Return one source, whatever its state, without what it waits for; raises ``ConfigurationError``."""
    return _look_at(ledger.sources.get(source_id), ledger, Workspace(root=configuration.workspace))


def get_complete_view(source_id: str, configuration: Configuration, ledger: Ledger) -> SourceView:
    """Return one source as an overview of all would; raises ``ConfigurationError`` and ``LocalFault``."""
    view = get_view(source_id, configuration, ledger)
    if view.source.state not in {state for states in _GROUPS for state in states}:
        return view
    outlook = _look_out(configuration, ledger, [view.source], datetime.datetime.now(datetime.UTC), is_whole=False)
    return _complete_all([view], configuration, ledger, outlook, is_whole=False)[0]


def list_advised(sources: Sequence[Source], configuration: Configuration, ledger: Ledger) -> tuple[SourceView, ...]:
    """Return a few sources with what a person may do about each, whatever events wait for; raises ``LocalFault``."""
    workspace = Workspace(root=configuration.workspace)
    outlook = look_out(configuration, ledger, sources, datetime.datetime.now(datetime.UTC))
    why = find_reasons(configuration, ledger, workspace, sources)
    return tuple(
        _complete(_look_at(source, ledger, workspace), None, workspace, outlook, why.get(source.id, Why()))
        for source in sources
    )


def _lacks_time(view: SourceView, configuration: Configuration) -> bool:
    """Return whether none of its events has a time, by the inspection, where the feed minds."""
    source, feed = view.source, configuration.feeds.get(view.source.feed)
    is_known = bool(view.parts) and source.type is FeedType.EVENT
    minds = feed is not None and get_severity(RULES[TIME_RULE], feed) is not Severity.OFF
    return is_known and minds and source.earliest_ts is None


def _complete(view: SourceView, gate: Gate | None, workspace: Workspace, outlook: Outlook, why: Why) -> SourceView:
    """Return the view with what it waits for, and what a person may do."""
    source = view.source
    view = replace(
        view,
        waits_for=explain_wait(source, gate, outlook),
        scheduled_at=outlook.get_start(source),
        is_attended=outlook.is_attended,
        replaced_by=outlook.replacements.get(source.id),
        missing=_find_missing(source, workspace),
        why=why,
    )
    return replace(view, next_steps=advise(view, gate, workspace, outlook.at))


def _look_at(
    source: Source, ledger: Ledger, workspace: Workspace, *, parts: tuple[Part, ...] | None = None
) -> SourceView:
    """Return the source as it stands; its ``parts`` are looked up where they are not given."""
    if parts is None:
        parts = tuple(ledger.parts.list_of(source.id))
    is_done = source.refused_rows > 0 and source.state in SOURCE_DONE
    are_given_up = is_done and bool(ledger.discards.list_rows_given_up([source.id]))
    # Given up they are on their way into the archive, or there.
    refused_rows = _get_refused_rows(source, workspace) if not are_given_up else None
    return SourceView(
        source=source,
        parts=parts,
        waits_for=None,
        refused_rows=refused_rows,
        are_rows_given_up=are_given_up,
        seen=_list_seen(source, parts, ledger),
    )


def _get_refused_rows(source: Source, workspace: Workspace) -> Path | None:
    path = workspace.get_rejected(source.id) / FAILED_ROWS_NAME
    return path if source.refused_rows and path.exists() else None


def _list_seen(source: Source, parts: tuple[Part, ...], ledger: Ledger) -> tuple[str, ...]:
    """Return what the receiver showed of uncertain parts when they became so, with names that the reason has not."""
    doubtful = {part.number: part for part in parts if part.state is PartState.UNCERTAIN}
    if not doubtful:
        return ()
    said = {
        move.part: move.reason
        for move in ledger.list_history(source_id=source.id)
        if move.part in doubtful and move.after == PartState.UNCERTAIN.value
    }
    return tuple(
        f"part {number}/{part.of}: {said.get(number)}"
        + ("" if part.manifest_name in (source.reason or "") else f"; {part.manifest_name}")
        for number, part in doubtful.items()
    )


def _find_missing(source: Source, workspace: Workspace) -> Path | None:
    """Return where the file of a held source should lie, where it is not there."""
    if source.state is not SourceState.HELD:
        return None
    places = (workspace.get_source(source.id), workspace.get_quarantine(source.id) / source.file_name)
    return None if any(place.exists() for place in places) else places[0]
