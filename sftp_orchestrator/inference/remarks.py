"""What the second look found, said of each column in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference.closer import Place, Trouble
from sftp_orchestrator.inference.evidence import Evidence
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn
from sftp_orchestrator.prepare.checks.row_checks import TYPE_RULES

SHOWN_CHARACTERS = 40
"""Of a cell; it may be very long."""
_MAX_BAD_ROWS = float(Feed.model_fields["max_bad_rows"].default)
_TOO_MANY = f", more than max_bad_rows ({100 * _MAX_BAD_ROWS:g} %)"
"""Of such a file no row is sent."""
_SUCH_AS = "such as "
_COMMON_WORDS = ("A ", "An ", "The ", "Neither ")
"""Words that are written small within a line; names of properties are not."""


def add_remarks(proposal: Proposal, evidence: Evidence, troubles: Sequence[Trouble]) -> Proposal:
    """Return the proposal with a doubt more for each trouble, on its column."""
    filled = {column.header: column.filled for column in evidence.columns}
    said: dict[str, list[str]] = {}
    for trouble in troubles:
        column = _find_column(proposal, trouble)
        said.setdefault(column.header, []).append(_say(trouble, column, filled[column.header], proposal))
    columns = (_add(column, said.get(column.header, ())) for column in proposal.columns)
    return replace(proposal, columns=tuple(columns))


def _add(column: ProposedColumn, said: Sequence[str]) -> ProposedColumn:
    doubts = list(column.doubts)
    for doubt in said:
        # An example says nothing by itself.
        if doubts and doubt.startswith(_SUCH_AS):
            doubts[-1] += f", {doubt}"
        else:
            doubts.append(doubt)
    return replace(column, doubts=tuple(doubts))


def _find_column(proposal: Proposal, trouble: Trouble) -> ProposedColumn:
    """Return the column of a trouble; for a row without an identity the first that could give one."""
    return next(
        column
        for column in proposal.columns
        if column.header == trouble.header or (trouble.header is None and column.property_name in clevertap.IDENTITIES)
    )


def _say(trouble: Trouble, column: ProposedColumn, filled: int, proposal: Proposal) -> str:
    places = _say_places(trouble.first, has_files=len(proposal.files) > 1)
    type_, date_format = column.almost or (column.type, column.date_format)
    is_of_type = trouble.rule.id == TYPE_RULES[type_]
    if is_of_type:
        fitting, name = filled - trouble.rows, _name(type_, date_format)
        said = _say_share(fitting, filled, proposal.rows, name, places, is_one=len(trouble.first) == 1)
    else:
        said = _say_rule(trouble, places)
    is_refused = trouble.rule.severity is Severity.ERROR and not (is_of_type and column.almost)
    return said + (_TOO_MANY if is_refused and trouble.rows > _MAX_BAD_ROWS * proposal.rows else "")


def _say_rule(trouble: Trouble, places: str) -> str:
    rows = "1 row" if trouble.rows == 1 else f"{units.format_count(trouble.rows)} rows"
    verdict = " refused" if trouble.rule.severity is Severity.ERROR else ""
    words = trouble.rule.explanation.rstrip(".")
    if words.startswith(_COMMON_WORDS):
        words = _begin_small(words)
    # What is sent all the same is for the producer to mend, so it is told how.
    remedy = "" if verdict else f" ({_begin_small(trouble.rule.remedy.rstrip('.'))})"
    return f"{rows}{verdict}: {words}{remedy}; first: {places}"


def _begin_small(text: str) -> str:
    return text[0].lower() + text[1:]


def _say_share(fitting: int, filled: int, rows: int, name: str, places: str, *, is_one: bool) -> str:
    if not fitting:
        return f"{_SUCH_AS}{places}"
    what = "rows" if filled == rows else "filled cells"
    others = "first other" if is_one else "first others"
    return f"{units.format_percent(fitting, filled)} of {what} are {name}; {others}: {places}"


def _say_places(places: Sequence[Place], *, has_files: bool) -> str:
    """Return what stands where: ``"n/a" in lines 32 and 40, "x" in line 55``."""
    lines: dict[tuple[str, str], list[str]] = {}
    for place in places:
        lines.setdefault((place.cell, place.file), []).append(units.format_count(place.line))
    return ", ".join(
        _say_cell(cell) + "in " + (f"{yaml_text.quote(file)}, " if has_files else "") + _say_lines(found)
        for (cell, file), found in lines.items()
    )


def _say_cell(cell: str) -> str:
    if not cell:
        return ""
    shown = cell if len(cell) <= SHOWN_CHARACTERS else cell[:SHOWN_CHARACTERS] + "…"
    return f"{yaml_text.quote(shown)} "


def _say_lines(lines: Sequence[str]) -> str:
    *others, last = lines
    return f"lines {', '.join(others)} and {last}" if others else f"line {last}"


def _name(type_: DataType, date_format: str | None) -> str:
    return f"{type_} {date_format}" if date_format is not None else str(type_)
