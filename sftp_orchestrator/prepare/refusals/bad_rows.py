"""How many bad rows a feed bears, and what is said where there are more. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sftp_orchestrator.config.model import BadRows, Feed
from sftp_orchestrator.prepare.report import ChangedColumn, RowsRefused, Tally

_STEPS = 1000
"""``max_bad_rows`` is proposed in thousandths."""


def are_too_many(refused: int, records: int, feed: Feed) -> bool:
    """Return whether a file with so many bad rows waits as a whole."""
    # Divided, as the share is written: 29 of 100 are 0.29, but 0.29 of 100 are a little less than 29.
    return feed.on_bad_rows is BadRows.QUARANTINE or refused / records > feed.max_bad_rows or refused == records


def refuse_rows(
    tallies: Sequence[Tally], *, refused_rows: int, records: int, feed: Feed, changed: Sequence[ChangedColumn]
) -> RowsRefused:
    """Return the refusal of a file with too many bad rows, with what to change in its feed."""
    return RowsRefused(
        tallies,
        refused_rows=refused_rows,
        records=records,
        policy=_explain(feed, is_all=refused_rows == records),
        hint=_advise(refused_rows, records, feed, changed),
        changed=changed,
    )


def _explain(feed: Feed, *, is_all: bool) -> str:
    if feed.on_bad_rows is BadRows.QUARANTINE:
        return "and on_bad_rows is quarantine"
    if is_all:
        return "so none is left to send"
    return f"more than max_bad_rows, {100 * feed.max_bad_rows:g} %"


def _advise(refused: int, records: int, feed: Feed, changed: Sequence[ChangedColumn]) -> str:
    if changed:
        return "change its feed, where the column is what it is from now on: see docs/how-to/change-a-type.md"
    if refused == records:
        return "correct its feed, where its columns and rules are not those of this file"
    needed = max(math.ceil(_STEPS * refused / records) / _STEPS, feed.max_bad_rows)
    keys = [f"set max_bad_rows of its feed to {needed:g}"] if needed > feed.max_bad_rows else []
    keys += ["set on_bad_rows of its feed to reject"] if feed.on_bad_rows is BadRows.QUARANTINE else []
    return f"{' and '.join(keys)}, where the good rows are to be sent without these"
