"""A proposed feed entry as YAML, indented to stand below ``feeds:``; one line a column, doubts above it. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.config.model import Column, Feed
from sftp_orchestrator.inference.dialect import Word
from sftp_orchestrator.inference.patterns import fits_everything
from sftp_orchestrator.inference.proposal import Proposal, ProposedColumn

DOUBTFUL = "doubtful"
"""The word before each reason for a person to look at the line below; nothing else is called so."""
_NAMELESS = "no column names the events; if all are of one kind, say here which"
_NO_OBJECT_ID = "no column looks like objectId, which the receiver's FAQ calls mandatory; map one if there is one"
_INDENT = "  "
_WIDEST_NAME = 30
"""Columns are aligned up to here; what is wider stands out by itself."""
_WIDTH = 80
"""Of a terminal, and of comments in it."""


def render(proposal: Proposal) -> str:
    """Return the entry as text that loads below ``feeds:``."""
    return "".join(f"{line}\n" for line in _list_lines(proposal))


def _list_lines(proposal: Proposal) -> Iterator[str]:
    files = ", ".join(_show_name(name) for name in proposal.files)
    size = f"{_count(proposal.rows, 'row')}, {_count(len(proposal.columns), 'column')}"
    yield from _say(1, f"Inferred from {files}: {size}.")
    for finding in proposal.findings:
        yield from _say(1, f"{finding.severity}: {finding.message} ({finding.rule})")
    yield f"{_INDENT}{yaml_text.render_text(proposal.name)}:"
    yield from _say(2, proposal.reason, is_doubtful=proposal.is_type_doubtful)
    yield f"{_INDENT * 2}type: {proposal.type}"
    if any(map(fits_everything, proposal.patterns)):
        yield from _say(2, "it fits every file", is_doubtful=True)
    yield f"{_INDENT * 2}files: {yaml_text.render_flow(list(proposal.patterns))}"
    yield from _list_dialect(proposal)
    if any(finding.rule == "event_name.no_column" for finding in proposal.findings):
        yield from _say(2, _NAMELESS, is_doubtful=True)
        yield f"{_INDENT * 2}# event_name: …"
    rules = proposal.to_feed().rules
    if rules:
        yield from _say(2, _NO_OBJECT_ID, is_doubtful=True)
        code = yaml_text.render_flow({rule: str(severity) for rule, severity in rules.items()})
        yield f"{_INDENT * 2}rules: {code}"
    for suggestion in proposal.suggestions:
        yield from _say(2, suggestion.reason, is_doubtful=True)
        if suggestion.key:
            yield f"{_INDENT * 2}# {suggestion.key}: {suggestion.value}"
    yield f"{_INDENT * 2}columns:"
    yield from _list_columns(proposal)


def _say(level: int, text: str, *, is_doubtful: bool = False) -> Iterator[str]:
    """Yield a comment, to stand above what it speaks of."""
    start = f"{_INDENT * level}# "
    said = f"{DOUBTFUL}: {text}" if is_doubtful else text
    # A header or a cell in it may hold anything, and must not end the line.
    flat = "".join(char if char.isprintable() else "?" for char in said)
    yield from textwrap.wrap(
        flat,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=f"{start}{_INDENT}",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _list_dialect(proposal: Proposal) -> Iterator[str]:
    """Yield the keys of how the text is written, where that is not as the configuration takes it by itself."""
    feed, word = proposal.to_feed(), proposal.written.guessed_by
    if feed.delimiter != Feed.model_fields["delimiter"].default:
        yield f"{_INDENT * 2}delimiter: {yaml_text.quote(feed.delimiter)}"
    if feed.encoding is not Feed.model_fields["encoding"].default:
        if word is not None:
            yield from _say(2, f"a guess, for it is not UTF-8; {_show_word(proposal, word)}", is_doubtful=True)
        yield f"{_INDENT * 2}encoding: {feed.encoding}"


def _show_word(proposal: Proposal, word: Word) -> str:
    place = f"line {units.format_count(word.line)}"
    place = place if len(proposal.files) == 1 else f"{yaml_text.quote(word.file)}, {place}"
    return f"{place} then has {yaml_text.quote(word.text)}"


def _list_columns(proposal: Proposal) -> Iterator[str]:
    names = [len(yaml_text.render_text(column.header)) for column in proposal.columns if column.left_out is None]
    name_width = max((width for width in names if width <= _WIDEST_NAME), default=0)
    for column in proposal.columns:
        for doubt in column.doubts:
            yield from _say(3, doubt, is_doubtful=True)
        if column.left_out is None:
            yield _render_column(column, name_width)
        else:
            yield from _say(3, f"{yaml_text.quote(column.header)}: {column.left_out}")


def _render_column(column: ProposedColumn, name_width: int) -> str:
    start, key = _INDENT * 3, yaml_text.render_text(column.header)
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
