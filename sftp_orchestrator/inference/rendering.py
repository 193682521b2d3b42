"""A proposed feed entry as YAML, indented to stand below ``feeds:``; one line a column, doubts behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.config.model import Column, Feed
from sftp_orchestrator.inference.dialect import Word
from sftp_orchestrator.inference.patterns import fits_everything
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn

DOUBTFUL = "doubtful"
"""The word before what a person should look at; nothing else is called so."""
_NAMELESS = "no column names the events; if all are of one kind, say here which"
_NO_OBJECT_ID = "no column looks like objectId, which the receiver's FAQ calls mandatory; map one if there is one"
_INDENT = "  "
_WIDEST_NAME, _WIDEST_CODE = 30, 70
"""Columns are aligned up to here; what is wider stands out by itself."""


def render(proposal: Proposal) -> str:
    """Return the entry as text that loads below ``feeds:``."""
    return "".join(f"{line}\n" for line in _list_lines(proposal))


def _list_lines(proposal: Proposal) -> Iterator[str]:
    files = ", ".join(_show_name(name) for name in proposal.files)
    size = f"{_count(proposal.rows, 'row')}, {_count(len(proposal.columns), 'column')}"
    yield f"{_INDENT}# Inferred from {files}: {size}."
    for finding in proposal.findings:
        yield f"{_INDENT}# {finding.severity}: {_flatten(finding.message)} ({finding.rule})"
    yield f"{_INDENT}{yaml_text.render_text(proposal.name)}:"
    doubtful = f"{DOUBTFUL}: " if proposal.is_type_doubtful else ""
    yield f"{_INDENT * 2}type: {proposal.type}  # {doubtful}{_flatten(proposal.reason)}"
    doubtful = f"  # {DOUBTFUL}: it fits every file" if any(map(fits_everything, proposal.patterns)) else ""
    yield f"{_INDENT * 2}files: {yaml_text.render_flow(list(proposal.patterns))}{doubtful}"
    yield from _list_dialect(proposal)
    if any(finding.rule == "event_name.no_column" for finding in proposal.findings):
        yield f"{_INDENT * 2}# event_name: …  # {DOUBTFUL}: {_NAMELESS}"
    rules = proposal.to_feed().rules
    if rules:
        code = yaml_text.render_flow({rule: str(severity) for rule, severity in rules.items()})
        yield f"{_INDENT * 2}rules: {code}  # {DOUBTFUL}: {_NO_OBJECT_ID}"
    yield f"{_INDENT * 2}columns:"
    yield from _list_columns(proposal)


def _list_dialect(proposal: Proposal) -> Iterator[str]:
    """Yield the keys of how the text is written, where that is not as the configuration takes it by itself."""
    feed, word = proposal.to_feed(), proposal.written.guessed_by
    if feed.delimiter != Feed.model_fields["delimiter"].default:
        yield f"{_INDENT * 2}delimiter: {yaml_text.quote(feed.delimiter)}"
    if feed.encoding is not Feed.model_fields["encoding"].default:
        guess = (
            f"  # {DOUBTFUL}: a guess, for it is not UTF-8; {_show_word(proposal, word)}" if word is not None else ""
        )
        yield f"{_INDENT * 2}encoding: {feed.encoding}{guess}"


def _show_word(proposal: Proposal, word: Word) -> str:
    place = f"line {units.format_count(word.line)}"
    place = place if len(proposal.files) == 1 else f"{yaml_text.quote(word.file)}, {place}"
    return f"{place} then has {yaml_text.quote(word.text)}"


def _list_columns(proposal: Proposal) -> Iterator[str]:
    names = [len(yaml_text.render_text(column.header)) for column in proposal.columns if column.left_out is None]
    name_width = max((width for width in names if width <= _WIDEST_NAME), default=0)
    codes = [_render_column(column, name_width) for column in proposal.columns]
    widths = [len(code) for code in codes if "\n" not in code and len(code) <= _WIDEST_CODE]
    code_width = max(widths, default=0)
    for column, code in zip(proposal.columns, codes, strict=True):
        yield from _append(code, [_flatten(doubt) for doubt in column.doubts], code_width)


def _append(code: str, doubts: Sequence[str], width: int) -> Iterator[str]:
    """Yield code with the first doubt behind it, and the others below that."""
    if not doubts:
        yield code
        return
    first, *others = doubts
    yield f"{code:{width}}  # {DOUBTFUL}: {first}"
    start = " " * max(width, len(code.rpartition("\n")[2]))
    yield from (f"{start}  #   {doubt}" for doubt in others)


def _render_column(column: ProposedColumn, name_width: int) -> str:
    start, key = _INDENT * 3, yaml_text.render_text(column.header)
    if column.left_out is not None:
        return f"{start}# {yaml_text.quote(column.header)}: {_flatten(column.left_out)}"
    value = yaml_text.render_flow(_list_values(column.to_column()))
    if len(key) > yaml_text.LONGEST_KEY:
        return f"{start}? {key}\n{start}: {value}"
    return f"{start}{f'{key}:':{name_width + 1}} {value}"


def _list_values(column: Column) -> dict[str, str]:
    """Return the keys that say something; a type is always said where the name is the header's own."""
    values = {} if column.ct_name is None else {"ct_name": column.ct_name}
    if column.type.value != Column.model_fields["type"].default.value or not values:
        values["type"] = column.type.value
    return values if column.date_format is None else {**values, "date_format": column.date_format}


def _count(number: int, what: str) -> str:
    return f"{units.format_count(number)} {what}{'' if number == 1 else 's'}"


def _show_name(name: str) -> str:
    return name if name.isprintable() else yaml_text.quote(name)


def _flatten(text: str) -> str:
    """Return a comment's text; a header in it may hold anything, and must not end the line."""
    return "".join(char if char.isprintable() else "?" for char in text)
