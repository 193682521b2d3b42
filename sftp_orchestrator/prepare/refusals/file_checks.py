"""Rules for all rows of a file together: watched while the rows pass, and concluded at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_operand, find_property
from sftp_orchestrator.prepare.checks.row_checks import Check
from sftp_orchestrator.prepare.checks.screens import Crowd, EventName, Screen
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.refusals.tallying import tally_crowds
from sftp_orchestrator.prepare.report import Finding, Tally, tally
from sftp_orchestrator.prepare.tables.reading import Reading
from sftp_orchestrator.prepare.text.scan import MAX_COUNTED_NAMES, Scan

_TOO_MANY_NAMES = RULES["event_name.too_many"]
_TOO_MANY_ITEMS = RULES["operation.too_many_items"]


class FileCheck(Protocol):
    """One rule for all rows of a file together."""

    @property
    def watched(self) -> Screen:
        """Return what sees every row."""
        ...

    def conclude(self, reading: Reading, scanned: Scan) -> list[Tally]:
        """Return what the rows break, once all were seen."""
        ...


@dataclass(frozen=True, kw_only=True)
class _EventNames:
    """An account has a limited number of event names, and they are for ever."""

    severity: Severity
    watched: EventName

    def conclude(self, reading: Reading, scanned: Scan) -> list[Tally]:
        """See ``FileCheck``."""
        del reading
        count = scanned.event_names
        if count <= clevertap.MAX_EVENT_TYPES:
            return []
        number = f"{count:,}" if count < MAX_COUNTED_NAMES else f"{count:,} or more"
        message = f"there are {number} different event names, and an account has {clevertap.MAX_EVENT_TYPES} at most"
        return tally([Finding(rule=_TOO_MANY_NAMES.id, message=message, severity=self.severity)])


@dataclass(frozen=True, kw_only=True)
class _Values:
    """A property of a user has a limited number of values."""

    severity: Severity
    watched: Crowd
    value: ImportedColumn
    operation: ImportedColumn
    identities: tuple[ImportedColumn, ...]

    def conclude(self, reading: Reading, scanned: Scan) -> list[Tally]:
        """See ``FileCheck``; the file is read once more where the screen suspects it."""
        if self.watched not in scanned.stopped_by:
            return []
        table = reading.table
        crowds = reading.wait_for(lambda: table.find_crowds(self.value, self.operation, self.identities))
        if not crowds.identities:
            return []
        return [
            tally_crowds(
                reading.path,
                scanned,
                crowds,
                self.value,
                self.identities,
                rule=_TOO_MANY_ITEMS.id,
                severity=self.severity,
            )
        ]


def list_file_checks(columns: Sequence[ImportedColumn], feed: Feed, checks: Sequence[Check]) -> list[FileCheck]:
    """Return what all rows together are checked for, beside ``checks`` of each; without what the feed switched off."""
    if feed.type is FeedType.EVENT:
        return list(_check_event_names(columns, feed, checks))
    return list(_check_values(columns, feed))


def _check_event_names(columns: Sequence[ImportedColumn], feed: Feed, checks: Sequence[Check]) -> Iterator[_EventNames]:
    name = find_property(columns, clevertap.EVENT_NAME)
    severity = get_severity(_TOO_MANY_NAMES, feed)
    if name is not None and severity is not Severity.OFF:
        # The screen for names knows them all anyway.
        screens = (check.screen for check in checks if isinstance(check.screen, EventName))
        yield _EventNames(severity=severity, watched=next(screens, EventName(position=name.position, listed=())))


def _check_values(columns: Sequence[ImportedColumn], feed: Feed) -> Iterator[_Values]:
    severity = get_severity(_TOO_MANY_ITEMS, feed)
    found = (find_property(columns, name) for name in clevertap.IDENTITIES)
    identities = tuple(column for column in found if column is not None)
    if severity is Severity.OFF or not identities:
        return
    for operation in columns:
        value = find_operand(columns, operation)
        if value is not None:
            who = tuple(column.position for column in identities)
            watched = Crowd(position=value.position, operation=operation.position, who=who)
            yield _Values(severity=severity, watched=watched, value=value, operation=operation, identities=identities)
