"""The last look at each file as a whole: how much of it would be refused, comes twice, or is out of order.

It is the proposed feed that is looked at, so what is said of refused rows is what ``validate`` would say.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference import headers, languages, roles
from sftp_orchestrator.inference.closer import is_settled
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence, FileEvidence, follow
from sftp_orchestrator.inference.identities import tells_apart
from sftp_orchestrator.inference.proposal import Proposal
from sftp_orchestrator.inference.samples import Workshop, naming
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, list_columns
from sftp_orchestrator.prepare.checks.row_checks import list_checks
from sftp_orchestrator.prepare.checks.type_forms import UNIX
from sftp_orchestrator.prepare.tables.comparing import NOTHING_COMPARED, Compared
from sftp_orchestrator.progress import Phase

COMPARED_ROWS = 2_000_000
"""Of each file: their fingerprints fit into memory, and a producer's habits show well before."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """One file."""

    file: str
    rows: int
    refused: int
    """rows that the rules refuse as the feed is proposed"""
    compared: Compared = NOTHING_COMPARED
    """its first rows; none where they are no events"""


def look_at_whole(
    proposal: Proposal, evidence: Evidence, files: Sequence[FileEvidence], workshop: Workshop
) -> list[Whole]:
    """Return what is known of each file; may be repeated. Blocking.

    Raises:
        SourceChanged: a file is being written to.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    found = []
    for file in files:
        with naming(file.sample):
            found.append(_look_at(file, proposal, evidence, workshop))
    return found


def choose_key(proposal: Proposal, evidence: Evidence) -> tuple[str, ...]:
    """Return the columns that tell one event from another: who, what, when, and the number of an order. Pure."""
    parts = {*clevertap.IDENTITIES, clevertap.EVENT_NAME}
    time = _find_time(proposal, evidence)
    return tuple(
        column.header
        for column, counted in zip(proposal.columns, evidence.columns, strict=True)
        if column.property_name in parts or column.header == time or _is_number_of_thing(counted)
    )


def _find_time(proposal: Proposal, evidence: Evidence) -> str | None:
    """Return the column that says when, be it ``ts`` or the date that may be meant for it."""
    time = next((column.header for column in proposal.columns if column.property_name == clevertap.TIME), None)
    meant = roles.find_date_for_time(evidence) if time is None else None
    return meant.header if meant is not None else time


def _is_number_of_thing(column: ColumnEvidence) -> bool:
    is_named = headers.is_code(column.header) and languages.is_thing(headers.split(column.header))
    return is_named and column.filled == column.rows and tells_apart(column)


def _look_at(file: FileEvidence, proposal: Proposal, evidence: Evidence, workshop: Workshop) -> Whole:
    feed = proposal.to_feed()
    columns = list_columns([column.header for column in file.columns], feed)
    now = datetime.datetime.now(datetime.UTC)
    checks = [
        check
        for check in list_checks(columns, feed, now=now, retention_days=None)
        if check.severity is Severity.ERROR and not is_settled(check, evidence)
    ]
    text = workshop.unpack_for(file.sample, feed) if file.text.moments else file.text
    with workshop.open(file.sample, text) as reading:
        scanned = reading.read(checks=checks)
        refused = reading.examine(checks).count_refused() if scanned.stopped else 0
        known = Whole(file=file.sample.name, rows=scanned.records, refused=refused)
        if proposal.type is FeedType.PROFILE:
            # Profiles are upserted: it does not matter what comes twice, or in which order.
            return known
        key, time = choose_key(proposal, evidence), _find_time(proposal, evidence)
        cells = [column.sql for column in columns if column.header in key]
        moment = _write_moment(next((column for column in columns if column.header == time), None))
        table, look = reading.table, follow(file.sample, reading, workshop.board, Phase.INFER)
        found = reading.wait_for(lambda: table.compare(key=cells, moment=moment, rows=COMPARED_ROWS), look=look)
    return replace(known, compared=found)


def _write_moment(time: ImportedColumn | None) -> str:
    """Return SQL for when an event happened, to be compared with others; NULL where it cannot be told."""
    if time is None:
        return "NULL::BIGINT"
    if time.date_format in {None, UNIX}:
        return f"TRY_CAST({time.sql} AS BIGINT)"
    return f"epoch(TRY_STRPTIME({time.sql}, {terms.quote(terms.get_strptime(str(time.date_format)))}))::BIGINT"
