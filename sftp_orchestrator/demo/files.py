"""The files of the demo: generated ones that bring every difficulty, or the user's own; counted by the csv module."""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.text.scan import read_header
from sftp_orchestrator.prepare.unpack.formats import get_format

_IDENTITIES = ("identity", "objectId", "fbId", "gpId", "user_id", "userid", "customer_id", "id", "email")
_EVENT_NAMES = ("evtName", "event_name", "event")
_TIMES = ("ts", "time_stamp", "timestamp", "event_time")
_NOTES = ("plain", 'a "quoted" word, and a comma', "first line\nsecond line", "Grüße aus Köln", "東京 🗼", "")
_FIRST_TS = 1_700_000_000
SEED = 20_260_101


@dataclass(frozen=True, kw_only=True)
class DemoFile:
    """One file to drop: where it lies, what feed it is for, and what must come of it."""

    path: Path
    type: FeedType
    rows: int | None
    """None where that cannot be counted: it is no CSV in UTF-8"""
    is_malformed: bool = False
    is_own: bool = False
    """the user's: what it must be nobody knows"""

    @property
    def name(self) -> str:
        """Its name as people see it."""
        return display_path(os.fsencode(self.path.name))


@dataclass(frozen=True, kw_only=True)
class Drop:
    """The files in the order in which they are dropped, and how their columns map."""

    files: tuple[DemoFile, ...]
    columns: dict[FeedType, dict[str, str]]
    """CSV header to CleverTap property"""

    @property
    def is_own(self) -> bool:
        """Whether the user brought it."""
        return any(file.is_own for file in self.files)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.path.stat().st_size for file in self.files)


def generate(folder: Path, *, size: int, progress: Callable[[int], None] = lambda _: None) -> Drop:
    """Write about ``size`` bytes of files, and return them in the wrong order: newest events first, profiles last.

    ``progress`` is told of bytes written since it was told last.
    """
    chance = random.Random(SEED)  # noqa: S311 - test data, the same each time
    folder.mkdir(parents=True, exist_ok=True)
    new = _write_events(folder / "purchases_new.csv", size * 2 // 5, _FIRST_TS + 10_000_000, chance, progress)
    old = _write_events(folder / "purchases_old.csv", size * 2 // 5, _FIRST_TS, chance, progress)
    profiles = _write_profiles(folder / "customers.csv", size // 5, chance, progress)
    broken = folder / "purchases_broken.csv"
    broken.write_text(
        'event_name,time_stamp,user_id,amount,note\nSold,1700000000,u1,1.5,"never closed\n', encoding="utf-8"
    )
    return Drop(
        files=(
            DemoFile(path=new[0], type=FeedType.EVENT, rows=new[1]),
            DemoFile(path=broken, type=FeedType.EVENT, rows=0, is_malformed=True),
            DemoFile(path=old[0], type=FeedType.EVENT, rows=old[1]),
            DemoFile(path=profiles[0], type=FeedType.PROFILE, rows=profiles[1]),
        ),
        columns={
            FeedType.EVENT: {"event_name": "evtName", "time_stamp": "ts", "user_id": "identity"},
            FeedType.PROFILE: {"user_id": "identity", "full_name": "Name"},
        },
    )


def take(folder: Path, file: Path, feed_type: FeedType, chosen: Mapping[str, str]) -> Drop:
    """Return a drop of a copy of the user's own file, its columns mapped as ``chosen``, the others by their names.

    A file without a header that can be read is taken as it is: the service says best what is wrong with it.

    Raises:
        ConfigurationError: it cannot be read, is no plain text, lacks a chosen column, or has none that looks like an
            identity or an event name.
    """
    if not get_format(file.name).is_plain_text:
        hint = "`validate` and `plan` take it, with a configuration"
        raise ConfigurationError("read", str(file), "the demo takes plain CSV files", hint=hint)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / make_safe_name(file.name)
    try:
        shutil.copyfile(file, copy)
    except OSError as error:
        raise ConfigurationError("read", str(file), error.strerror or str(error)) from error
    columns = _map_columns(file, _read_names(copy), feed_type, chosen)
    found = DemoFile(path=copy, type=feed_type, rows=_count(copy), is_own=True)
    return Drop(files=(found,), columns={feed_type: columns})


def _read_names(path: Path) -> tuple[str, ...] | None:
    try:
        return read_header(path).names
    except Refused:
        return None


def _map_columns(
    file: Path, names: tuple[str, ...] | None, feed_type: FeedType, chosen: Mapping[str, str]
) -> dict[str, str]:
    """Return which header becomes which property."""
    wanted: dict[str, tuple[str, ...]] = {"identity": _IDENTITIES}
    if feed_type is FeedType.EVENT:
        wanted |= {"evtName": _EVENT_NAMES}
    if names is None:
        return {property_: property_ for property_ in wanted}
    for header in chosen:
        if header not in names:
            hint = f"it has: {', '.join(names[:20])}"
            raise ConfigurationError("map", str(file), f"it has no column '{header}'", hint=hint)
    left = [name for name in names if name not in chosen]
    columns = dict(chosen)
    for property_, usual in wanted.items():
        if property_ not in chosen.values():
            columns[_find(file, left, usual, property_)] = property_
    if feed_type is FeedType.EVENT and "ts" not in chosen.values():
        columns |= {name: "ts" for name in left if name in _TIMES}
    return columns


def make_safe_name(name: str) -> str:
    """Return a file name that is no pattern, is never ignored in staging, and can stand in YAML. Pure."""
    safe = re.sub(r"[^\w. -]", "_", name).lstrip(".")
    return safe if safe.lower().endswith(".csv") else f"{safe or 'file'}.csv"


def _find(file: Path, header: Sequence[str], names: tuple[str, ...], wanted_as: str) -> str:
    for name in names:
        if name in header:
            return name
    raise ConfigurationError(
        "map",
        str(file),
        f"no column looks like {wanted_as}",
        hint=f"one of {', '.join(names)} is looked for; --map HEADER={wanted_as} names another; profiles need"
        " --feed-type profile",
    )


def _count(path: Path) -> int | None:
    """Return the number of rows after the header; None where that cannot be told."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            next(reader, None)
            return sum(1 for row in reader if row)
    except (UnicodeDecodeError, csv.Error):
        return None


def _write_events(
    path: Path, size: int, first_ts: int, chance: random.Random, progress: Callable[[int], None]
) -> tuple[Path, int]:
    def rows() -> Iterator[list[str]]:
        number = 0
        while True:
            number += 1
            user, amount = f"user{chance.randrange(100_000)}", f"{chance.random() * 500:.2f}"
            yield ["Purchase", str(first_ts + number), user, amount, chance.choice(_NOTES)]

    return path, _write(path, ["event_name", "time_stamp", "user_id", "amount", "note"], rows(), size, progress)


def _write_profiles(path: Path, size: int, chance: random.Random, progress: Callable[[int], None]) -> tuple[Path, int]:
    def rows() -> Iterator[list[str]]:
        number = 0
        while True:
            number += 1
            yield [
                f"user{number}",
                chance.choice(("Zoë Ångström", "山田 太郎", 'Ann "Annie" Lee')),
                chance.choice(_NOTES),
            ]

    return path, _write(path, ["user_id", "full_name", "note"], rows(), size, progress)


def _write(path: Path, header: list[str], rows: Iterator[list[str]], size: int, progress: Callable[[int], None]) -> int:
    count = written = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        while not count or written < size:
            writer.writerow(next(rows))
            count += 1
            # tell() of a text stream is slow: every hundredth row is exact enough.
            if count % 100 == 0:
                before, written = written, stream.tell()
                progress(written - before)
    return count
