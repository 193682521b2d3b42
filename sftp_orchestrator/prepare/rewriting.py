"""What a file becomes where its feed asks for more than leaving out bad rows: decided here, written by ``Table``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_time
from sftp_orchestrator.prepare.report import Finding, Refused, show, tally
from sftp_orchestrator.prepare.tables.table import Rewriting
from sftp_orchestrator.prepare.text.header import Header


def require_columns(header: Header, columns: Sequence[ImportedColumn], feed: Feed) -> None:
    """Make sure that every column is there that the feed speaks of.

    A manifest that names others is invalid, and met with silence.

    Raises:
        Refused: with each that is missing.
    """
    present = {column.header for column in columns}
    wanted = {
        **{name: f"the column '{name}' of the feed is missing" for name in feed.columns},
        **{name: f"the column '{old}', to be renamed to '{name}', is missing" for old, name in feed.rename.items()},
        **{
            name: f"the column '{name}', by which rows are told apart, is missing"
            for name in (feed.deduplicate.columns if feed.deduplicate else ())
        },
    }
    missing = [f"{said}{_hint_encoding(name, present)}" for name, said in wanted.items() if name not in present]
    if feed.sort_by_time and find_time(columns, feed) is None:
        missing.append(f"no column becomes {clevertap.TIME}, by which its events are to be sorted")
    if missing:
        found = [Finding(rule="header.missing_column", message=message, line=1) for message in missing]
        raise Refused(tally(found), hint=f"the header has: {', '.join(map(show, header.names[:20]))}")


def _hint_encoding(name: str, present: Iterable[str]) -> str:
    """Return what is added where a header differs from ``name`` in letters beyond ASCII alone. Pure."""
    alike = next((other for other in present if _blur(other) == _blur(name)), None)
    return f"; it has '{show(alike)}': is the feed's encoding that of the file?" if alike is not None else ""


def _blur(name: str) -> str:
    return re.sub(r"[^\x00-\x7f]+", "?", name)


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
