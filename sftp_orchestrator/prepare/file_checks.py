"""Rules for all rows of a file together: watched while the rows pass, and concluded at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.prepare.columns import ImportedColumn, find_property
from sftp_orchestrator.prepare.report import Finding
from sftp_orchestrator.prepare.row_checks import Check
from sftp_orchestrator.prepare.scan import MAX_COUNTED_NAMES, Scan
from sftp_orchestrator.prepare.screens import EventName
from sftp_orchestrator.prepare.severities import get_severity

_TOO_MANY_NAMES = "event_name.too_many"


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """One rule for all rows of a file together."""

    severity: Severity
    watched: EventName
    """sees every row"""

    def conclude(self, scanned: Scan) -> Iterator[Finding]:
        """Yield what the rows break, once all were seen."""
        count = scanned.event_names
        if count > clevertap.MAX_EVENT_TYPES:
            number = f"{count:,}" if count < MAX_COUNTED_NAMES else f"{count:,} or more"
            message = (
                f"there are {number} different event names, and an account has {clevertap.MAX_EVENT_TYPES} at most"
            )
            yield Finding(rule=_TOO_MANY_NAMES, message=message, severity=self.severity)


def list_file_checks(columns: Sequence[ImportedColumn], feed: Feed, checks: Sequence[Check]) -> list[FileCheck]:
    """Return what all rows together are checked for, beside ``checks`` of each; without what the feed switched off."""
    name = find_property(columns, clevertap.EVENT_NAME)
    severity = get_severity(RULES[_TOO_MANY_NAMES], feed)
    if feed.type is not FeedType.EVENT or name is None or severity is Severity.OFF:
        return []
    # The screen for names knows them all anyway.
    screens = (check.screen for check in checks if isinstance(check.screen, EventName))
    return [FileCheck(severity=severity, watched=next(screens, EventName(position=name.position, listed=())))]
