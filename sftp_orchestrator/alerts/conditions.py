"""What is worth an alert at one moment: read from the ledger, the disk and the keys, never from what was logged."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from sftp_orchestrator.config.alerting import AlertKind
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.intake import pausing
from sftp_orchestrator.intake.hindrances import MOST_NOTED
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Alert, MissingFile, Pause, Source, Untaken
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, PartState, SourceState
from sftp_orchestrator.measuring import RefusedReload
from sftp_orchestrator.overview import REFUSED_ROWS_SHOWN, list_refused
from sftp_orchestrator.workspace import Workspace

KEY_DAYS = (60, 30, 7)
"""Before a key expires, and when: CleverTap needs time to store a new one."""
EXPIRED = "expired"
LOW, PAUSED = "low", "paused"
"""How short the disk runs."""
_LEVELS = ("", *map(str, KEY_DAYS), EXPIRED, LOW, PAUSED)
"""Of each kind in this order, the worst last; beside them the kinds of failure that need a person, none worse."""
_IN_NEED = frozenset(kind.value for kind in PauseKind if kind.needs_person)
WORKSPACE = "workspace"
CONFIGURATION = "configuration"
FAILURES = 3
"""Runs in a row in which the receiver did not take a file of a source."""
ATTEMPTS = 5
"""Times that a file could not be read or planned, though it was tried again and again."""


UNTAKEN_FOR = datetime.timedelta(minutes=5)
"""A complete file that cannot be claimed for so long: what others hold of the disk is free again in less."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One thing that is worth an alert as long as it is so."""

    kind: AlertKind
    subject: str
    """a source's id, ``destination NAME``, a feed, or the workspace"""
    level: str = ""
    """told anew when it gets worse"""

    @property
    def is_repeated(self) -> bool:
        """Whether it is told again each day: a key that is good for weeks to come is not, nor rows once refused."""
        if self.kind is AlertKind.REFUSED_ROWS:
            return False
        return self.kind is not AlertKind.KEY_EXPIRING or self.level in {EXPIRED, str(min(KEY_DAYS))}


class Fate(Enum):
    """What became of an alert whose condition is not found any more."""

    OVER = "over"
    """it is told"""
    FORGOTTEN = "forgotten"
    """the configuration has it no longer, so nobody looks: it may not be over, and nobody is told"""
    SUSPENDED = "suspended"
    """it lasts, and another alert tells of it for now: it stays as it is in the ledger, to go on from there"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is to know at one moment."""

    at: datetime.datetime
    aside: Mapping[str, SourceState]
    """ids of quarantined and held sources"""
    uncertain: Collection[str]
    """ids of sources with a part of which nobody knows whether it was taken"""
    without_rows: Mapping[str, Sequence[Source]]
    """by feed, delivered sources of which refused rows are kept, and nobody was told so far"""
    stubborn: Mapping[str, str]
    """destinations of sources that fail again and again, by id"""
    pauses: Mapping[str, Pause]
    """by destination"""
    took_until: Mapping[str, datetime.datetime]
    """by destination, when it took a file last"""
    missing: Mapping[str, MissingFile]
    """by feed, the first deadline since which none came"""
    key_ends: Mapping[str, datetime.datetime | None]
    """by destination"""
    room: Room
    untaken: Mapping[str, Sequence[Untaken]] = field(default_factory=dict)
    """by feed, complete files in staging that could not be claimed for long"""
    are_more_untaken: bool = False
    """there may be more of these: the intake notes only so many, of all feeds"""
    refused_reload: RefusedReload | None = None
    """why the configuration on the disk is not in effect"""


def gather(
    configuration: Configuration,
    ledger: Ledger,
    key_ends: Mapping[str, datetime.datetime | None],
    refused_reload: RefusedReload | None,
    known: Collection[Alert] = (),
) -> Facts:
    """Return what is so now; blocking, raises ``LocalFault``. Costs what needs a person, not what ever was.

    ``known`` are the alerts so far: of refused rows it is by these that they were told of.
    """
    missing: dict[str, MissingFile] = {}
    for one in ledger.missing.list_open():
        missing.setdefault(one.feed, one)
    now, workspace = datetime.datetime.now(datetime.UTC), Workspace(root=configuration.workspace)
    noted = ledger.untaken.list_all()
    has_rows = AlertKind.REFUSED_ROWS in configuration.alerts.wanted_kinds
    return Facts(
        at=now,
        aside=ledger.sources.list_states(SOURCE_ASIDE),
        uncertain=ledger.parts.list_sources_in(PartState.UNCERTAIN),
        without_rows=find_untold(list_refused(ledger, workspace, now), known, now) if has_rows else {},
        stubborn=ledger.sources.list_stubborn(failures=FAILURES, attempts=ATTEMPTS),
        pauses={pause.destination: pause for pause in ledger.pauses.list_all()},
        took_until=ledger.deliveries.list_last(),
        missing={feed: one for feed, one in missing.items() if is_expected(feed, configuration)},
        key_ends=key_ends,
        room=pausing.look(configuration),
        untaken=_list_untaken(noted, now),
        are_more_untaken=len(noted) >= MOST_NOTED,
        refused_reload=refused_reload,
    )


def find_untold(
    sources: Collection[Source], known: Collection[Alert], now: datetime.datetime
) -> dict[str, list[Source]]:
    """Return by feed the ``sources`` with refused rows that were put away since their feed's last telling. Pure."""
    # By a clock that was ahead nothing counts as told.
    told = {one.subject: one.told_at for one in known if one.kind == AlertKind.REFUSED_ROWS and one.told_at}
    told = {feed: at for feed, at in told.items() if at <= now}
    found: dict[str, list[Source]] = {}
    for source in sources:
        if source.feed not in told or source.changed_at > told[source.feed]:
            found.setdefault(source.feed, []).append(source)
    return found


def _list_untaken(noted: Sequence[Untaken], now: datetime.datetime) -> dict[str, list[Untaken]]:
    found: dict[str, list[Untaken]] = {}
    for one in noted:
        if now - one.since >= UNTAKEN_FOR:
            found.setdefault(one.feed, []).append(one)
    return found


def find_conditions(facts: Facts, kinds: Collection[AlertKind], *, is_low: bool) -> list[Condition]:
    """Return what is worth an alert of ``kinds``, sources as they came; ``is_low``: the disk was low before. Pure."""
    return [one for one in _find_all(facts, is_low=is_low) if one.kind in kinds]


def _find_all(facts: Facts, *, is_low: bool) -> Iterator[Condition]:
    yield from _find_of_sources(facts)
    for destination, pause in facts.pauses.items():
        yield Condition(
            kind=AlertKind.RETRIES_EXHAUSTED,
            subject=name_destination(destination),
            level=pause.kind.value if pause.kind.needs_person else "",
        )
    for feed in facts.missing:
        yield Condition(kind=AlertKind.FILE_MISSING, subject=feed)
    for feed in facts.untaken:
        yield Condition(kind=AlertKind.NOT_TAKEN, subject=feed)
    for destination, ends_at in facts.key_ends.items():
        level = get_key_level(ends_at, facts.at)
        if level is not None:
            yield Condition(kind=AlertKind.KEY_EXPIRING, subject=destination, level=level)
    disk = get_disk_level(facts.room, is_low=is_low)
    if disk is not None:
        yield Condition(kind=AlertKind.DISK_LOW, subject=WORKSPACE, level=disk)
    if facts.refused_reload is not None:
        yield Condition(kind=AlertKind.CONFIGURATION, subject=CONFIGURATION)


def _find_of_sources(facts: Facts) -> Iterator[Condition]:
    for source in sorted(facts.uncertain):
        yield Condition(kind=AlertKind.UNCERTAIN, subject=source)
    for source, state in facts.aside.items():
        # An uncertain one is held for just that, and told once.
        if source not in facts.uncertain:
            kind = AlertKind.QUARANTINED if state is SourceState.QUARANTINED else AlertKind.HELD
            yield Condition(kind=kind, subject=source)
    for feed in facts.without_rows:
        yield Condition(kind=AlertKind.REFUSED_ROWS, subject=feed)
    for source in facts.stubborn:
        if not _is_covered(source, facts):
            yield Condition(kind=AlertKind.RETRIES_EXHAUSTED, subject=source)


def _is_covered(source: str, facts: Facts) -> bool:
    """Return whether another alert tells of a stubborn source: where nothing gets through, no file is to blame."""
    return facts.stubborn[source] in facts.pauses or source in facts.uncertain


def find_fates(
    known: Collection[Alert], found: Collection[Condition], facts: Facts, configuration: Configuration
) -> dict[Fate, list[Alert]]:
    """Return what is ``known`` and not ``found``, by what that means; the others are not among them. Pure."""
    standing = {(one.kind.value, one.subject) for one in found}
    fates: dict[Fate, list[Alert]] = {fate: [] for fate in Fate}
    for one in known:
        if (one.kind, one.subject) not in standing:
            fates[_find_fate(one, facts, configuration)].append(one)
    return fates


def _find_fate(alert: Alert, facts: Facts, configuration: Configuration) -> Fate:
    destination = find_destination(alert.subject)
    match alert.kind:
        case AlertKind.FILE_MISSING:
            is_watched = is_expected(alert.subject, configuration)
        case AlertKind.REFUSED_ROWS if alert.told_at and abs(facts.at - alert.told_at) < REFUSED_ROWS_SHOWN:
            # By when it was told last it is known what was, as long as any of that is looked at.
            return Fate.SUSPENDED
        case AlertKind.NOT_TAKEN if facts.room.is_paused:
            # Nothing is taken at all, and nobody knows what could be.
            return Fate.SUSPENDED
        case AlertKind.NOT_TAKEN:
            is_watched = alert.subject in configuration.feeds
        case AlertKind.KEY_EXPIRING:
            is_watched = alert.subject in facts.key_ends
        case AlertKind.RETRIES_EXHAUSTED if destination is not None:
            is_watched = destination in configuration.destinations
        case AlertKind.RETRIES_EXHAUSTED if alert.subject in facts.stubborn and _is_covered(alert.subject, facts):
            return Fate.SUSPENDED
        case _:
            is_watched = True
    return Fate.OVER if is_watched else Fate.FORGOTTEN


def is_expected(feed: str, configuration: Configuration) -> bool:
    """Return whether a file of ``feed`` is expected at all. Pure."""
    return feed in configuration.feeds and configuration.feeds[feed].expected is not None


def name_destination(destination: str) -> str:
    """Return a destination as a subject: no source's id has a blank. Pure."""
    return f"destination {destination}"


def find_destination(subject: str) -> str | None:
    """Return the destination that a subject names; None where it is a source's id. Pure."""
    _, mark, name = subject.partition(" ")
    return name if mark else None


def is_in_need(level: str) -> bool:
    """Return whether a level is that of a failure that needs a person. Pure."""
    return level in _IN_NEED


def is_worse(level: str, before: str) -> bool:
    """Return whether a condition got worse, or needs a person for another thing than before. Pure."""
    if level in _IN_NEED:
        return level != before
    if before in _IN_NEED:
        return False
    return _LEVELS.index(level) > _LEVELS.index(before)


def get_key_level(ends_at: datetime.datetime | None, now: datetime.datetime) -> str | None:
    """Return the fewest of ``KEY_DAYS`` that a key is good for, ``expired``, or None where that is more days. Pure."""
    if ends_at is None:
        return None
    left = ends_at - now
    if left <= datetime.timedelta():
        return EXPIRED
    return next((str(days) for days in sorted(KEY_DAYS) if left <= datetime.timedelta(days=days)), None)


def get_disk_level(room: Room, *, is_low: bool) -> str | None:
    """Return how short the disk runs: below twice of that at which the intake pauses, or paused. Pure.

    Once low, it is so until a quarter more is free, so that a disk at the edge is not told of each minute.
    """
    if room.is_paused:
        return PAUSED
    return LOW if pausing.decide(room.free_bytes, 2 * room.pause_below_bytes, was_paused=is_low) else None
