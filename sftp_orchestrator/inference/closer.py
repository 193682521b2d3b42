"""The second look at a file: which rows break which rules under the proposed feed, and what stands in the first.

The rules are those of the inspection, so what is said here is what ``validate`` would say.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Rule, Scope, Severity
from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.files import get_fingerprint
from sftp_orchestrator.inference.column_type import LEAST_SHARE
from sftp_orchestrator.inference.evidence import Evidence, FileEvidence, follow
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.samples import Sample, Workshop, naming
from sftp_orchestrator.prepare.checks import screens, terms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_time, list_columns
from sftp_orchestrator.prepare.checks.row_checks import TYPE_RULES, Check, list_checks
from sftp_orchestrator.prepare.refusals.rejecting import read_rows
from sftp_orchestrator.prepare.refusals.tallying import split_record
from sftp_orchestrator.prepare.tables.examine import Count
from sftp_orchestrator.prepare.tables.reading import Reading
from sftp_orchestrator.prepare.text.lines import count_lines
from sftp_orchestrator.prepare.text.scan import Scan
from sftp_orchestrator.progress import Phase

_CHECKS_AT_ONCE = 60
"""So many fit into memory, whatever they look for; a file with more is read several times."""


SHOWN_PLACES = 3
"""So many of a few strays are named: they tell a typing error from a word that the producer means."""
_FEW = 1 - LEAST_SHARE
"""Where a larger share of rows is at fault they have one cause, and the first tells it."""
EMPTY_TIME = Rule(
    id="ts.empty",
    scope=Scope.ROW,
    severity=Severity.WARNING,
    explanation="An event without ts counts as of when it is processed.",
    remedy="Have the producer write one.",
)
"""No rule of the inspection: ``ts`` is optional. Whoever chooses the column should know it."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One row that is at fault."""

    file: str
    line: int
    cell: str


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A rule that rows of the files break, or the type that most cells of a column are of."""

    rule: Rule
    header: str | None
    """of the column; None where it is the row"""
    rows: int
    first: tuple[Place, ...]
    """the first such row, and where they are few some more"""


def look_closer(
    proposal: Proposal, evidence: Evidence, files: Sequence[FileEvidence], workshop: Workshop
) -> list[Trouble]:
    """Return what breaks rules, over all files; may be repeated. Blocking.

    Raises:
        SourceChanged: a file is being written to.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    found: dict[tuple[str, str | None], Trouble] = {}
    for file in files:
        with naming(file.sample):
            for trouble in _look_at(file, proposal, evidence, workshop):
                key = trouble.rule.id, trouble.header
                before = found.get(key)
                found[key] = trouble if before is None else _add(before, trouble)
    return list(found.values())


def _add(first: Trouble, more: Trouble) -> Trouble:
    places = (*first.first, *more.first)[:SHOWN_PLACES]
    return replace(first, rows=first.rows + more.rows, first=places)


def _look_at(file: FileEvidence, proposal: Proposal, evidence: Evidence, workshop: Workshop) -> Iterator[Trouble]:
    feed = proposal.to_feed(almost=True)
    columns = list_columns([column.header for column in file.columns], feed)
    now = datetime.datetime.now(datetime.UTC)
    checks = [
        check
        for check in (*list_checks(columns, feed, now=now, retention_days=None), *_check_empty_time(columns, feed))
        if not is_settled(check, evidence) and not _is_explained(check, proposal)
    ]
    if not checks:
        return
    # Moments in a table become what the feed asks for, so it is another text.
    text = workshop.unpack_for(file.sample, feed) if file.text.moments else file.text
    with workshop.open(file.sample, text) as reading:
        # No row need be put aside: what is asked for is some rows of each kind.
        scanned = reading.read(checks=checks, puts_aside=False)
        able = [check for check in checks if check.screen in scanned.stopped_by]
        for start in range(0, len(able), _CHECKS_AT_ONCE):
            look = follow(file.sample, reading, workshop.board, Phase.INSPECT)
            counts = _count(reading, able[start : start + _CHECKS_AT_ONCE], scanned.records, look)
            _require_unchanged(file)
            yield from (_describe(file.sample, reading.path, scanned, count) for count in counts)


def _require_unchanged(file: FileEvidence) -> None:
    """What is known of the file's rows holds for the file as it was read first."""
    if get_fingerprint(file.sample.path) != file.fingerprint:
        raise SourceChanged("infer", file.sample.name, "it changed while it was read")


def _check_empty_time(columns: Sequence[ImportedColumn], feed: Feed) -> Iterator[Check]:
    time = find_time(columns, feed)
    if time is not None:
        screen, broken = screens.Nobody(positions=(time.position,)), terms.is_blank(time.sql)
        yield Check(rule=EMPTY_TIME, severity=EMPTY_TIME.severity, column=time, screen=screen, broken=broken)


def is_settled(check: Check, evidence: Evidence) -> bool:
    """Return whether the first look has shown already that every cell is of its type."""
    column = check.column
    if column is None or column.type is DataType.STRING or check.rule.id != TYPE_RULES[column.type]:
        return False
    found = next(found for found in evidence.columns if found.header == column.header)
    return found.count_type(column.type, column.date_format) == found.filled


def _is_explained(check: Check, proposal: Proposal) -> bool:
    """Return whether the proposal has said already what the check would find."""
    if check.column is None:
        return False
    return check.rule.id in next(
        column.explained for column in proposal.columns if column.header == check.column.header
    )


def _count(reading: Reading, checks: Sequence[Check], records: int, look: Callable[[], None]) -> list[Count]:
    """Return the checks that fail, with the first row of each; with a few more where few rows do."""
    table = reading.table
    found = reading.wait_for(lambda: table.find_first(checks), look=look)
    # Each further row takes a further query, which begins behind the last one: for strays alone.
    few = [count for count in found if count.rows <= _FEW * records]
    for _ in range(SHOWN_PLACES - 1):
        few = [count for count in few if count.rows > len(count.first)]
        if not few:
            break
        few = _find_next(reading, few, look)
        found = [next((more for more in few if more.check is count.check), count) for count in found]
    return found


def _find_next(reading: Reading, counts: Sequence[Count], look: Callable[[], None]) -> list[Count]:
    table = reading.table
    later = [replace(count.check, broken=f"({count.check.broken} AND number > {count.first[-1]})") for count in counts]
    found = reading.wait_for(lambda: table.find_first(later), look=look)
    return [replace(before, first=(*before.first, *more.first)) for before, more in zip(counts, found, strict=True)]


def _describe(sample: Sample, path: Path, scanned: Scan, count: Count) -> Trouble:
    column = count.check.column
    rows = read_rows(path, scanned, count.first)
    # With the row's first byte, as everywhere: the line that it begins on.
    lines = count_lines(path, [offset for offset, _ in rows])
    places = (
        Place(
            file=sample.name,
            line=lines[offset],
            cell=split_record(record, scanned.header.delimiter)[column.position] if column is not None else "",
        )
        for offset, record in rows
    )
    return Trouble(
        rule=count.check.rule,
        header=column.header if column is not None else None,
        rows=count.rows,
        first=tuple(places),
    )
