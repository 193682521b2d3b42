"""What a file becomes where its feed asks for more than leaving out bad rows: decided here, written by ``Table``."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_time
from sftp_orchestrator.prepare.report import Finding, Refused, show, tally
from sftp_orchestrator.prepare.tables.table import Rewriting
from sftp_orchestrator.prepare.text.header import Header

_MOST_NAMED = 20
"""Columns of a header that are named where one is missing."""


def require_columns(header: Header, columns: Sequence[ImportedColumn], feed: Feed) -> None:
    """Make sure that every column is there that the feed speaks of.

    A manifest that names others is invalid, and met with silence.

    Raises:
        Refused: with all that are missing in one line, and what the header has instead. But where it has nothing of
            what the feed speaks of, it may be a row: what stands in rows goes into no reason, log or alert.
    """
    present = {column.header for column in columns}
    missing = _list_missing(present, feed)
    said = [_describe_missing(missing, header.names)] if missing else []
    if feed.sort_by_time and find_time(columns, feed) is None:
        said.append(f"no column becomes {clevertap.TIME}, by which its events are to be sorted")
    if said:
        is_header = present & {*feed.columns, *feed.rename.values()} or any(
            _find_alike(one.name, header.names) for one in missing
        )
        there = f"the header has: {_name_some(header.names)}" if is_header else "is line 1 a header?"
        message = "; ".join([*said, there])
        found = [Finding(rule="header.missing_column", message=message, line=1)]
        raise Refused(tally(found), hint="add what is missing, or take it out of the feed")


@dataclass(frozen=True, kw_only=True)
class _Missing:
    """A column that the feed speaks of and the file has not."""

    name: str
    """as the header should have it"""
    role: str = ""
    """what the feed does with it, other than to map it"""


def _list_missing(present: Collection[str], feed: Feed) -> list[_Missing]:
    """Return what is missing where ``present`` are the headers as they are sent. Pure."""
    wanted = {
        **{name: _Missing(name=name) for name in feed.columns},
        **{name: _Missing(name=old, role=f"to be renamed to '{name}'") for old, name in feed.rename.items()},
        **{
            name: _Missing(name=name, role="by which rows are told apart")
            for name in (feed.deduplicate.columns if feed.deduplicate else ())
        },
    }
    return [missing for name, missing in wanted.items() if name not in present]


def _describe_missing(missing: Sequence[_Missing], there: Sequence[str]) -> str:
    """Return all that is missing in one line, each with the header that was meant, where one seems to be. Pure."""
    if len(missing) == 1:
        (one,) = missing
        which = f"'{one.name}', {one.role}," if one.role else f"'{one.name}' of the feed"
        return "; ".join([f"the column {which} is missing", *_find_alike(one.name, there)])
    named = []
    for one in missing:
        more = [*([one.role] if one.role else []), *_find_alike(one.name, there)]
        named.append(f"'{one.name}'" + (f" ({'; '.join(more)})" if more else ""))
    return f"{len(missing)} columns of the feed are missing: {', '.join(named)}"


def _find_alike(name: str, there: Sequence[str]) -> list[str]:
    """Return that a header differs from ``name`` in case, blanks or letters beyond ASCII alone, if one does. Pure."""
    folded = name.casefold()
    for other in there:
        if other.casefold() == folded:
            return [f"'{show(other)}' is there: upper and lower case count"]
        if _drop_blanks(other) == _drop_blanks(folded):
            return [f"'{show(other)}' is there: blanks count"]
    # What has no letters of ASCII would be like any other word without them.
    blurred = _blur(name)
    alike = (
        next((other for other in there if _blur(other) == blurred), None) if re.search("[A-Za-z]", blurred) else None
    )
    return (
        [f"'{show(alike)}' is there: look whether the feed's encoding is that of the file"] if alike is not None else []
    )


def _drop_blanks(name: str) -> str:
    return "".join(name.split()).casefold()


def _blur(name: str) -> str:
    return re.sub(r"[^\x00-\x7f]+", "?", name)


def _name_some(names: Sequence[str]) -> str:
    more = [f"… and {len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return ", ".join([*map(show, names[:_MOST_NAMED]), *more])


def must_rewrite(header: Header, columns: Sequence[ImportedColumn], feed: Feed) -> bool:
    """Return whether rows are written in another form than they came in, even if all are sent. Pure."""
    return (
        header.delimiter != ","
        or feed.event_name is not None
        or any(column.header != column.original for column in columns)
    )


def make_rewriting(columns: Sequence[ImportedColumn], feed: Feed, left_out: Sequence[str]) -> Rewriting:
    """Return what becomes of a file; ``left_out`` are conditions in SQL for the rows that are not sent. Pure."""
    constant = feed.event_name is not None
    return Rewriting(
        names=[*(column.header for column in columns), *([clevertap.EVENT_NAME] if constant else [])],
        positions=[column.position for column in columns],
        constants=[feed.event_name] if feed.event_name is not None else [],
        is_kept=" AND ".join(f"NOT ({condition})" for condition in left_out) or "true",
    )
