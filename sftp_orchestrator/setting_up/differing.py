"""What ``infer`` would propose for a file beside the feed that takes it already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.config.model import Column, Feed
from sftp_orchestrator.inference.proposal import Proposal

_MOST_NAMED = 5
"""Columns of one kind of difference: a file of another kind differs in all."""


def list_differences(feed: Feed, proposal: Proposal) -> list[str]:
    """Return in what a proposed entry differs from ``feed``, a phrase each; none where both read a file alike. Pure."""
    proposed, headers = proposal.to_feed(), {feed.rename.get(one.header, one.header) for one in proposal.columns}
    wanted = {feed.rename.get(header, header): column for header, column in proposed.columns.items()}
    changed = [
        f"{_quote(header)} {_tell(header, column)}, not {_tell(header, feed.columns[header])}"
        for header, column in wanted.items()
        if header in feed.columns and _tell(header, column) != _tell(header, feed.columns[header])
    ]
    return [
        *_list_wholes(feed, proposed),
        *_list_named("columns that the feed does not map", [_quote(one) for one in wanted if one not in feed.columns]),
        *_list_named("columns that are gone", [_quote(one) for one in feed.columns if one not in headers]),
        *_list_named("columns of another kind", changed),
    ]


def _list_wholes(feed: Feed, proposed: Feed) -> Iterator[str]:
    for name in ("type", "encoding", "delimiter"):
        before, after = str(getattr(feed, name)), str(getattr(proposed, name))
        if before != after:
            yield f"{name} {_quote(after)}, not {_quote(before)}"


def _list_named(what: str, names: Sequence[str]) -> Iterator[str]:
    more = len(names) - _MOST_NAMED
    if names:
        yield f"{what}: {', '.join(names[:_MOST_NAMED])}{f' and {more} more' if more > 0 else ''}"


def _quote(text: str) -> str:
    return yaml_text.render_text(text)


def _tell(header: str, column: Column) -> str:
    """Return what a column becomes: its property, its type and how its dates are written. Pure."""
    name = [column.ct_name] if column.ct_name not in {None, header} else []
    return " ".join([*name, column.type, *([column.date_format] if column.date_format else [])])
