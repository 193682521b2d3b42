"""The second look at a file: which rows break which rules under the proposed feed, and what stands in the first.

The rules are those of the inspection, so what is said here is what ``validate`` would say.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Rule
from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.files import get_fingerprint
from sftp_orchestrator.inference.evidence import Evidence, FileEvidence, open_sample
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.prepare.columns import list_columns
from sftp_orchestrator.prepare.examine import Count
from sftp_orchestrator.prepare.lines import count_lines
from sftp_orchestrator.prepare.reading import Reading
from sftp_orchestrator.prepare.rejecting import read_rows
from sftp_orchestrator.prepare.row_checks import TYPE_RULES, Check, list_checks
from sftp_orchestrator.prepare.tallying import split_record
from sftp_orchestrator.progress import Board

_CHECKS_AT_ONCE = 60
"""So many fit into memory, whatever they look for; a file with more is read several times."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A rule that rows of the files break, or the type that most cells of a column are of."""

    rule: Rule
    header: str | None
    """of the column; None where it is the row"""
    rows: int
    file: str
    line: int
    """of the first such row, in ``file``"""
    cell: str


def look_closer(
    proposal: Proposal, evidence: Evidence, files: Sequence[FileEvidence], *, scratch: Path, board: Board
) -> list[Trouble]:
    """Return what breaks rules, over all files; may be repeated. Blocking.

    Raises:
        SourceChanged: a file is being written to.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    found: dict[tuple[str, str | None], Trouble] = {}
    for file in files:
        for trouble in _look_at(file, proposal, evidence, scratch, board):
            key = trouble.rule.id, trouble.header
            before = found.get(key)
            found[key] = trouble if before is None else _add(before, trouble)
    return list(found.values())


def _add(first: Trouble, more: Trouble) -> Trouble:
    return Trouble(**{**vars(first), "rows": first.rows + more.rows})


def _look_at(
    file: FileEvidence, proposal: Proposal, evidence: Evidence, scratch: Path, board: Board
) -> Iterator[Trouble]:
    feed = proposal.to_feed(almost=True)
    columns = list_columns([column.header for column in file.columns], feed)
    checks = [
        check
        for check in list_checks(columns, feed, now=datetime.datetime.now(datetime.UTC), retention_days=None)
        if not _is_settled(check, evidence) and not _is_explained(check, proposal)
    ]
    if not checks:
        return
    with open_sample(file.sample, scratch=scratch, board=board) as reading:
        # No row need be put aside: what is asked for is one row of each kind.
        stopped_by = reading.read(checks=checks, puts_aside=False).stopped_by
        able = [check for check in checks if check.screen in stopped_by]
        for start in range(0, len(able), _CHECKS_AT_ONCE):
            counts = _count(reading, able[start : start + _CHECKS_AT_ONCE])
            _require_unchanged(file)
            yield from (_describe(file, count) for count in counts)


def _require_unchanged(file: FileEvidence) -> None:
    """What is known of the file's records holds for the file as it was scanned."""
    if get_fingerprint(file.sample.path) != file.scan.fingerprint:
        raise SourceChanged("infer", file.sample.name, "it changed while it was read")


def _is_settled(check: Check, evidence: Evidence) -> bool:
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


def _count(reading: Reading, checks: Sequence[Check]) -> list[Count]:
    """Return the checks that fail."""
    table = reading.table
    return reading.wait_for(lambda: table.find_first(checks))


def _describe(file: FileEvidence, count: Count) -> Trouble:
    path = file.sample.path
    ((offset, record),) = read_rows(path, file.scan, count.first[:1])
    column = count.check.column
    return Trouble(
        rule=count.check.rule,
        header=column.header if column is not None else None,
        rows=count.rows,
        file=file.sample.name,
        # With the row's first byte, as everywhere: the line that it begins on.
        line=count_lines(path, [offset])[offset],
        cell=split_record(record, ",")[column.position] if column is not None else "",
    )
