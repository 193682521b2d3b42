"""States and legal moves, one table each. A move that is not here does not exist; each says why it does.

The diagram in ``docs/reference/states.md`` and the CHECK constraints of the tables are held equal to these by tests.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class SourceState(enum.StrEnum):
    """Where a source stands."""

    CLAIMED = "claimed"
    INSPECTED = "inspected"
    PLANNED = "planned"
    READY = "ready"
    DELIVERED = "delivered"
    ARCHIVED = "archived"
    QUARANTINED = "quarantined"
    HELD = "held"
    DISCARDED = "discarded"


class PartState(enum.StrEnum):
    """Where a part, a data file with its manifest, stands."""

    PLANNED = "planned"
    READY = "ready"
    UPLOADED = "uploaded"
    PUBLISHING = "publishing"
    DELIVERED = "delivered"
    UNCERTAIN = "uncertain"


class SourceMove(NamedTuple):
    """One legal move of a source."""

    before: SourceState
    after: SourceState
    why: str


class PartMove(NamedTuple):
    """One legal move of a part."""

    before: PartState
    after: PartState
    why: str


_S = SourceState
_P = PartState
_DECIDED = "a person decided, or the feed is back that the configuration lacked"
_GIVEN_UP_EARLY = "a person gives it up before any manifest of it left: nothing of it is sent"

SOURCE_MOVES: tuple[SourceMove, ...] = (
    SourceMove(_S.CLAIMED, _S.INSPECTED, "read whole, and its rows can be sent, but for those that were refused"),
    SourceMove(_S.CLAIMED, _S.QUARANTINED, "the input breaks a rule"),
    SourceMove(_S.CLAIMED, _S.HELD, "it could not be read, and trying again gives the same"),
    SourceMove(_S.INSPECTED, _S.PLANNED, "its parts, their names and manifests are fixed"),
    SourceMove(_S.INSPECTED, _S.QUARANTINED, "a record does not fit into any part"),
    SourceMove(_S.INSPECTED, _S.HELD, "no parts can be made of it, or a property of it would change its type"),
    SourceMove(_S.INSPECTED, _S.CLAIMED, "it was not planned before we stopped, or it changed: read again"),
    SourceMove(_S.PLANNED, _S.READY, "every part is ready to go up"),
    SourceMove(_S.PLANNED, _S.HELD, "a part cannot go on without a person"),
    SourceMove(_S.PLANNED, _S.CLAIMED, "it, or what it is judged by, changed before any manifest left: read again"),
    SourceMove(_S.READY, _S.DELIVERED, "every part's manifest is published"),
    SourceMove(_S.READY, _S.HELD, "a part cannot go on without a person"),
    SourceMove(_S.READY, _S.PLANNED, "a part has to be made again"),
    SourceMove(_S.READY, _S.CLAIMED, "it, or what it is judged by, changed before any manifest left: read again"),
    SourceMove(_S.DELIVERED, _S.ARCHIVED, "the original lies in the archive, or is removed by policy"),
    SourceMove(_S.QUARANTINED, _S.CLAIMED, "a person wants it tried again"),
    SourceMove(_S.HELD, _S.CLAIMED, f"{_DECIDED}, and no manifest of it has left"),
    SourceMove(_S.HELD, _S.PLANNED, f"{_DECIDED}, and some of its manifests have left"),
    SourceMove(
        _S.QUARANTINED,
        _S.DISCARDED,
        "a person gives it up, or it waited longer than quarantine.keep_days: nothing of it is sent",
    ),
    SourceMove(_S.HELD, _S.DISCARDED, "a person gives it up: nothing more of it is sent"),
    SourceMove(_S.CLAIMED, _S.DISCARDED, _GIVEN_UP_EARLY),
    SourceMove(_S.INSPECTED, _S.DISCARDED, _GIVEN_UP_EARLY),
    SourceMove(_S.PLANNED, _S.DISCARDED, _GIVEN_UP_EARLY),
    SourceMove(_S.READY, _S.DISCARDED, _GIVEN_UP_EARLY),
)

PART_MOVES: tuple[PartMove, ...] = (
    PartMove(
        _P.PLANNED,
        _P.READY,
        "its bytes can be sent: plain as they lie in the source, or encrypted and under the limit",
    ),
    PartMove(_P.READY, _P.UPLOADED, "the receiver acknowledged every byte and the size agrees"),
    PartMove(_P.READY, _P.PLANNED, "its encrypted piece is gone: make it again"),
    PartMove(_P.UPLOADED, _P.PUBLISHING, "the intent to publish, written before the first byte of the manifest"),
    PartMove(_P.UPLOADED, _P.READY, "its data is not at the receiver any more: send it again"),
    PartMove(_P.UPLOADED, _P.PLANNED, "its data is not at the receiver any more, and its encrypted piece is gone"),
    PartMove(_P.PUBLISHING, _P.DELIVERED, "the manifest is there in full"),
    PartMove(
        _P.PUBLISHING,
        _P.UPLOADED,
        "the data is there and the manifest is not: publish again under the same name",
    ),
    PartMove(_P.PUBLISHING, _P.UNCERTAIN, "nobody can tell whether the receiver took it"),
    PartMove(_P.UNCERTAIN, _P.DELIVERED, "a person says that it was taken"),
    PartMove(
        _P.UNCERTAIN,
        _P.PLANNED,
        "it is sent again under a new name: profiles by themselves, events by a person's word",
    ),
)

SOURCE_DONE = frozenset({SourceState.DELIVERED, SourceState.ARCHIVED})
"""Delivered, as far as the receiver is concerned."""
SOURCE_ASIDE = frozenset({SourceState.QUARANTINED, SourceState.HELD})
"""Waiting for a person."""
SOURCE_SENT = frozenset(
    {SourceState.PLANNED, SourceState.READY, SourceState.HELD, SourceState.DELIVERED, SourceState.ARCHIVED}
)
"""Its content is known, and is at the receiver or may get there."""
SOURCE_ON_ITS_WAY = frozenset(SourceState) - SOURCE_DONE - SOURCE_ASIDE - {SourceState.DISCARDED}
"""Neither at an end nor waiting for a person."""
SOURCE_OPEN = SOURCE_ON_ITS_WAY | SOURCE_ASIDE
"""Something of it is still to be sent, by itself or by a person's word."""


def list_before(after: SourceState) -> tuple[SourceState, ...]:
    """Return the states from which a source may move to ``after``."""
    return tuple(move.before for move in SOURCE_MOVES if move.after is after)


def list_parts_before(after: PartState) -> tuple[PartState, ...]:
    """Return the states from which a part may move to ``after``."""
    return tuple(move.before for move in PART_MOVES if move.after is after)
