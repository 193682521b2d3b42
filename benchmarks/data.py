"""The files that are measured: generated, the same bytes for the same recipe, any size in seconds.

A block of some MB is put together row by row, with every difficulty in it, and written again and again. In each copy
the digits of time, user and row number are set anew, all at once, so that no row of the file is like another and the
times are in no order.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sftp_orchestrator import space
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.clevertap import FeedType

T = TypeVar("T")
Numbers = npt.NDArray[np.int64]

SEED = 20_260_101
MADE_BY = 1
"""Part of every name: to be counted up when the same recipe gives other bytes."""
BLOCK_BYTES = 16 * 1024 * 1024
FIRST_TS = 1_760_000_000
SPAN_SECONDS = 90 * 86400
NOW = datetime.datetime.fromtimestamp(FIRST_TS + SPAN_SECONDS + 3600, datetime.UTC)
"""The time at which the files are inspected: they are an hour old, and stay so however long they are kept."""
RETENTION_DAYS = 100
USERS = 1_000_000

_TIME_STEP, _USER_STEP = 2_654_435_761, 40_503
"""Odd numbers without a factor in common with the spans: multiplied by them, row numbers spread over all of these."""
_EVENTS = ("Product viewed", "Added to cart", "Purchased", "Wishlist", "Bewertung geschrieben", "Größe gewählt")
_PRODUCTS = ("Kettle, 1.7 l", "Lamp", "Chair", 'Screen 27"', "Fußmatte", "東京タワー puzzle", "Desk", "Rug", "Shelf")
_CITIES = ("Köln", "München", "New York", "Århus", "Łódź", "東京", "São Paulo", "Bangalore", "Paris")
_NOTES = (
    *("", "", "", "left at the door", "paid by card", "gift wrap", "returning customer of the spring campaign"),
    *('said "very nice", twice', "first line\nsecond line", "Grüße aus dem Süden", "🗼 fragile, keep upright"),
)
_NAMES = ("Zoë Ångström", "山田 太郎", 'Ann "Annie" Lee', "John Smith", "María José García", "O'Neil, Pat")
_HOBBIES = ("chess", "Fußball", "reading", "hiking, biking", "")

FEEDS = {
    FeedType.EVENT: {
        "event_name": {"ct_name": "evtName"},
        "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
        "user_id": {"ct_name": "identity"},
        "order_id": {"ct_name": "OrderId", "type": "LONG"},
        "product": {"ct_name": "Product"},
        "quantity": {"ct_name": "Quantity", "type": "INTEGER"},
        "amount": {"ct_name": "Amount", "type": "FLOAT"},
        "delivery_date": {"ct_name": "DeliveryDate", "type": "DATE", "date_format": "dd/MM/yyyy HH:mm:ss"},
        "is_gift": {"ct_name": "Gift", "type": "BOOLEAN"},
        "city": {"ct_name": "City"},
        "note": {"ct_name": "Note"},
    },
    FeedType.PROFILE: {
        "user_id": {"ct_name": "identity"},
        "full_name": {"ct_name": "Name"},
        "email": {"ct_name": "Email"},
        "phone": {"ct_name": "Phone"},
        "gender": {"ct_name": "Gender"},
        "age": {"ct_name": "Age", "type": "INTEGER"},
        "signed_up": {"ct_name": "SignedUp", "type": "DATE", "date_format": "yyyy-MM-dd"},
        "wants_mail": {"ct_name": "MSG-email", "type": "BOOLEAN"},
        "hobby": {"ct_name": "Hobby"},
    },
}
"""Column to property, for each kind of file; a file of profiles has a column of operations beside."""

_BAD_EVENTS: tuple[tuple[int, str], ...] = (
    *((0, "App Launched"), (0, ""), (2, "null"), (5, "2.5"), (6, "12,50"), (7, "2025-12-31"), (8, "yes")),
    (10, "x" * 600),
)
_BAD_PROFILES: tuple[tuple[int, str], ...] = ((0, "n/a"), (0, ""), (5, "old"), (6, "31/12/2025"), (9, "add"))
"""Cells that break a rule, each by its column."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a file is made by: the same recipe gives the same bytes."""

    type: FeedType = FeedType.EVENT
    size: int
    """bytes; the file ends with the last row that fits"""
    bad_share: float = 0.0
    """of the rows, as near as a block allows"""

    @property
    def name(self) -> str:
        """A file name that tells the recipe."""
        return f"{self.type}s-{self.size}-bad{self.bad_share:g}-v{MADE_BY}.csv"

    def shrink(self, divisor: int) -> Recipe:
        """Return the recipe of a file so many times smaller."""
        return dataclasses.replace(self, size=self.size // divisor)


def make_feed(type_: FeedType, **more: object) -> Feed:
    """Return the feed that such a file is for, every column of it mapped and every rule on that is on by itself.

    ``more`` are further keys of a feed.
    """
    return Feed.model_validate({"type": type_.value, "files": ["*.csv"], "columns": FEEDS[type_], **more})


def make(folder: Path, recipe: Recipe, *, progress: Callable[[int], None] = lambda _: None) -> Path:
    """Return the file of ``recipe`` in ``folder``, written unless it is there; may be repeated.

    Raises:
        LocalFault: the disk has not enough space.
    """
    path = folder / recipe.name
    if path.exists():
        return path
    space.require_space(folder, recipe.size)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        _write(unfinished, recipe, progress)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A number of fixed width that is another in each row; in a new block it is so many times its mark."""

    mark: str
    width: int
    get: Callable[[Numbers], Numbers]
    """what it is, by the row's number in the file"""

    @property
    def text(self) -> str:
        """What stands for it in a new block."""
        return self.mark * self.width


_TIME = _Number(mark="\x01", width=10, get=lambda rows: FIRST_TS + rows * _TIME_STEP % SPAN_SECONDS)
_USER = _Number(mark="\x02", width=7, get=lambda rows: rows * _USER_STEP % USERS)
_ROW = _Number(mark="\x03", width=12, get=lambda rows: rows.copy())
_NUMBERS = (_TIME, _USER, _ROW)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some MB of rows, to be written again and again."""

    content: npt.NDArray[np.uint8]
    ends: Numbers
    """after each row"""
    places: tuple[Numbers, ...]
    """where each of the numbers stands"""

    def fill(self, first_row: int) -> None:
        """Make its rows those from ``first_row`` on."""
        for number, places in zip(_NUMBERS, self.places, strict=True):
            values = number.get(first_row + np.searchsorted(self.ends, places, side="right"))
            for digit in range(number.width - 1, -1, -1):
                self.content[places + digit] = values % 10 + ord("0")
                values //= 10

    def count_fitting(self, room: int) -> int:
        """Return how many bytes the rows have that fit into ``room``."""
        fitting = int(np.searchsorted(self.ends, room, side="right"))
        return int(self.ends[fitting - 1]) if fitting else 0


def _write(path: Path, recipe: Recipe, progress: Callable[[int], None]) -> None:
    block = make_block(recipe.type, recipe.bad_share)
    header = _format(_KINDS[recipe.type].header)
    written, row = len(header), 0
    with path.open("wb") as out:
        out.write(header)
        while size := block.count_fitting(recipe.size - written):
            block.fill(row)
            out.write(block.content[:size].data)
            written += size
            row += block.ends.size
            progress(size)


@functools.lru_cache(maxsize=4)
def make_block(type_: FeedType, bad_share: float) -> Block:
    """Return the rows that files of a kind are written from; kept for the next file."""
    chance, kind = np.random.default_rng(SEED), _KINDS[type_]
    content, ends = bytearray(), []
    while len(content) < BLOCK_BYTES:
        row = kind.make_row(chance)
        if chance.random() < bad_share:
            column, cell = _choose(chance, kind.bad_cells)
            row[column] = cell
        content += _format(row)
        ends.append(len(content))
    array = np.frombuffer(content, dtype=np.uint8)
    places = tuple(np.flatnonzero(array == ord(number.mark))[:: number.width] for number in _NUMBERS)
    return Block(content=array, ends=np.array(ends, dtype=np.int64), places=places)


def _format(row: Sequence[str]) -> bytes:
    """Return a row as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


def _choose(chance: np.random.Generator, values: Sequence[T]) -> T:
    return values[int(chance.integers(len(values)))]


def _make_event(chance: np.random.Generator) -> list[str]:
    day, hour, minute = (int(chance.integers(1, limit)) for limit in (29, 24, 60))
    return [
        _choose(chance, _EVENTS),
        _TIME.text,
        f"user{_USER.text}",
        _ROW.text,
        _choose(chance, _PRODUCTS),
        str(chance.integers(1, 20)),
        f"{chance.random() * 500:.2f}",
        f"{day:02}/{hour % 12 + 1:02}/2025 {hour:02}:{minute:02}:00",
        _choose(chance, ("true", "false")),
        _choose(chance, _CITIES),
        _choose(chance, _NOTES),
    ]


def _make_profile(chance: np.random.Generator) -> list[str]:
    day, month = (int(chance.integers(1, limit)) for limit in (29, 13))
    return [
        f"user{_ROW.text}",
        _choose(chance, _NAMES),
        f"user{_ROW.text}@example.com",
        f"+4917{_USER.text}",
        _choose(chance, ("M", "F", "")),
        str(chance.integers(18, 90)),
        f"20{chance.integers(10, 26)}-{month:02}-{day:02}",
        _choose(chance, ("true", "false", "1", "0")),
        _choose(chance, _HOBBIES),
        _choose(chance, ("", "$add", "$set")),
    ]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """How rows of one kind look."""

    header: tuple[str, ...]
    make_row: Callable[[np.random.Generator], list[str]]
    bad_cells: tuple[tuple[int, str], ...]


_KINDS = {
    FeedType.EVENT: _Kind(header=tuple(FEEDS[FeedType.EVENT]), make_row=_make_event, bad_cells=_BAD_EVENTS),
    FeedType.PROFILE: _Kind(
        header=(*FEEDS[FeedType.PROFILE], "hobby.operation"), make_row=_make_profile, bad_cells=_BAD_PROFILES
    ),
}
