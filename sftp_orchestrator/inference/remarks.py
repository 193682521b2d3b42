"""What the second look found, said of each column in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference.closer import Trouble
from sftp_orchestrator.inference.evidence import Evidence
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn
from sftp_orchestrator.prepare.row_checks import TYPE_RULES

SHOWN_CHARACTERS = 40
"""Of a cell; it may be very long."""
_COMMON_WORDS = ("A ", "An ", "The ", "Neither ")
"""Words that are written small within a line; names of properties are not."""


def add_remarks(proposal: Proposal, evidence: Evidence, troubles: Sequence[Trouble]) -> Proposal:
    """Return the proposal with a doubt more for each trouble, on its column."""
    filled = {column.header: column.filled for column in evidence.columns}
    said: dict[str, list[str]] = {}
    for trouble in troubles:
        column = _find_column(proposal, trouble)
        said.setdefault(column.header, []).append(_say(trouble, column, filled[column.header], proposal))
    columns = (replace(column, doubts=(*column.doubts, *said.get(column.header, ()))) for column in proposal.columns)
    return replace(proposal, columns=tuple(columns))


def _find_column(proposal: Proposal, trouble: Trouble) -> ProposedColumn:
    """Return the column of a trouble; for a row without an identity the first that could give one."""
    return next(
        column
        for column in proposal.columns
        if column.header == trouble.header or (trouble.header is None and column.property_name in clevertap.IDENTITIES)
    )


def _say(trouble: Trouble, column: ProposedColumn, filled: int, proposal: Proposal) -> str:
    line = f"line {units.format_count(trouble.line)}"
    place = f"in {line}" if len(proposal.files) == 1 else f"in {yaml_text.quote(trouble.file)}, {line}"
    cell = trouble.cell if len(trouble.cell) <= SHOWN_CHARACTERS else trouble.cell[:SHOWN_CHARACTERS] + "…"
    first = f"{yaml_text.quote(cell)} {place}" if cell else place
    type_, date_format = column.almost or (column.type, column.date_format)
    if trouble.rule.id == TYPE_RULES[type_]:
        return _say_share(filled - trouble.rows, filled, proposal.rows, _name(type_, date_format), first)
    rows = "1 row" if trouble.rows == 1 else f"{units.format_count(trouble.rows)} rows"
    verdict = " refused" if trouble.rule.severity is Severity.ERROR else ""
    words = trouble.rule.explanation.rstrip(".")
    if words.startswith(_COMMON_WORDS):
        words = words[0].lower() + words[1:]
    return f"{rows}{verdict}: {words}; first: {first}"


def _say_share(fitting: int, filled: int, rows: int, name: str, first: str) -> str:
    if not fitting:
        return f"such as {first}"
    what = "rows" if filled == rows else "filled cells"
    return f"{units.format_percent(fitting, filled)} of {what} are {name}; first other: {first}"


def _name(type_: DataType, date_format: str | None) -> str:
    return f"{type_} {date_format}" if date_format is not None else str(type_)
