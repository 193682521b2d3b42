"""Files to drop, and what must become of each: a mixed batch of profiles, events, bad rows and a broken file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = tuple[str, ...]

CANARY = "canary"
"""Stands in every row, so that rows can be looked for where none may be."""
FEEDS: dict[str, Any] = {
    "customers": {
        "type": "profile",
        "files": ["customers*.csv"],
        "columns": {"user_id": {"ct_name": "identity"}},
    },
    "purchases": {
        "type": "event",
        "files": ["purchases*.csv"],
        "max_bad_rows": 0.5,
        "columns": {
            "event_name": {"ct_name": "evtName"},
            "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
            "user_id": {"ct_name": "identity"},
            "amount": {"ct_name": "Amount", "type": "INTEGER"},
        },
    },
    "visits": {
        "type": "event",
        "files": ["visits*.csv"],
        "deduplicate": {"columns": ["user_id", "time_stamp"], "days": 1},
        "columns": {
            "event_name": {"ct_name": "evtName"},
            "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
            "user_id": {"ct_name": "identity"},
        },
    },
}
"""The feeds of these files."""
_EVENT_HEADER = "event_name,time_stamp,user_id,amount,note\n"
_FIRST_TS = 1_700_000_000
_BATCH_SECONDS = 100_000


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One file as its producer wrote it."""

    name: str
    is_profile: bool
    content: bytes
    rows: tuple[Row, ...]
    """what must arrive, in this order; nothing of a file that is refused as a whole"""
    is_refused: bool = False
    """it goes to quarantine"""
    batch: int
    """files of one batch belong together: its profiles come before its events"""
    rank: int
    """of two of a batch the lower one comes first"""


def make_batch(number: int, *, rows: int) -> list[Drop]:
    """Return the files of a batch, in the order in which a producer drops them. Pure."""
    return [
        _make_profiles(number, rows),
        _make_events(number, "purchases", "a_new", rank=2, rows=rows // 2, bad_rows=2),
        _make_events(number, "purchases", "b_old", rank=1, rows=rows),
        _make_visits(number, rows // 3),
        _make_broken(number),
    ]


def put(drops: Iterable[Drop], staging: Path) -> None:
    """Drop files as careful producers do: whole, under their names at once."""
    for drop in drops:
        hidden = staging / f".{drop.name}.tmp"
        hidden.write_bytes(drop.content)
        hidden.replace(staging / drop.name)


def _make_profiles(number: int, rows: int) -> Drop:
    made = [(f"u{number}x{row}", f"Zoë {row}", f"{CANARY} p{number}x{row}") for row in range(rows)]
    text = "user_id,Name,Note\n" + "".join(f"{who},{name},{note}\n" for who, name, note in made)
    return Drop(
        name=f"customers_{number:04}.csv",
        is_profile=True,
        content=text.encode(),
        rows=tuple(made),
        batch=number,
        rank=0,
    )


def _make_events(number: int, feed: str, label: str, *, rank: int, rows: int, bad_rows: int = 0) -> Drop:
    first = _FIRST_TS + number * _BATCH_SECONDS + rank * 10_000
    made = [
        ("Sold", str(first + row), f"u{number}x{row}", str(row), f"{CANARY}\n{feed} {label} {row}")
        for row in range(rows)
    ]
    lines = [_write(row) for row in made]
    for row in range(bad_rows):
        # Without an identity: these are kept back, and the others go.
        lines.insert(row * 3 + 1, _write(("Sold", str(first + row), "", "0", f"{CANARY} nobody {label} {row}")))
    return Drop(
        name=f"{feed}_{number:04}_{label}.csv",
        is_profile=False,
        content=(_EVENT_HEADER + "".join(lines)).encode(),
        rows=tuple(made),
        batch=number,
        rank=rank,
    )


def _make_visits(number: int, rows: int) -> Drop:
    once = _make_events(number, "visits", "c", rank=3, rows=rows)
    doubled = [_write(row) for row in once.rows for _ in range(2)]
    return dataclasses.replace(once, content=(_EVENT_HEADER + "".join(doubled)).encode())


def _make_broken(number: int) -> Drop:
    text = f"{_EVENT_HEADER}Sold,{_FIRST_TS},u0,1,{CANARY} broken {number}\nSold,{_FIRST_TS}\n"
    return Drop(
        name=f"purchases_{number:04}_d_broken.csv",
        is_profile=False,
        content=text.encode(),
        rows=(),
        is_refused=True,
        batch=number,
        rank=4,
    )


def _write(row: Row) -> str:
    return ",".join(row[:-1]) + f',"{row[-1]}"\n'
