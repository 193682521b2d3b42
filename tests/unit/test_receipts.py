"""The checker of crashes finds what it is there for: each breach of the promise in a history made by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.drops import Drop, make_batch
from tests.support.receipts import History, check_receiver, list_leftovers

Entry = dict[str, Any]
PROFILES, NEW, OLD, VISITS, BROKEN = make_batch(1, rows=6)
GOOD = (PROFILES, OLD, NEW, VISITS)
"""In the order in which they are to be taken."""


class Receiver:
    """Writes the log of a receiver, and what it took."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kept = root / "kept"
        self.kept.mkdir()
        (root / "keys" / "gnupg").mkdir(parents=True)
        self.entries: list[Entry] = []

    def note(self, event: str, **details: Any) -> int:
        """Add an entry; return its number."""
        self.entries.append({"sequence": len(self.entries) + 1, "event": event, **details})
        return len(self.entries)

    def upload(self, name: str, *, complete: bool = True) -> int:
        """Have a file come; return the number of the entry with which it was there."""
        self.note("opened", name=name)
        return self.note("closed", name=name, complete=complete)

    def take(self, data: str, drop: Drop, *, arrival: int, rows: slice = slice(None)) -> None:
        """Take a data file with some of the rows of ``drop``."""
        lines = [",".join(f'"{cell}"' for cell in row) for row in drop.rows[rows]]
        (self.kept / f"{arrival}_{data}").write_text("\n".join(["header", *lines]) + "\n", encoding="utf-8")
        self.note("taken", data=data, arrival=arrival, failed_rows=0, violations=[])

    def deliver(self, drop: Drop, *, rows: slice = slice(None), label: str = "") -> None:
        """Have data and manifest come, and take them."""
        stem = f"{drop.name.removesuffix('.csv')}{label}"
        self.upload(f"{stem}.csv")
        self.take(f"{stem}.csv", drop, arrival=self.upload(f"{stem}.manifest"), rows=rows)

    def check(self, **settings: Any) -> History:
        """Return what the checker finds."""
        text = "".join(json.dumps(entry) + "\n" for entry in self.entries)
        (self.root / "activity.jsonl").write_text(text, encoding="utf-8")
        return check_receiver([*GOOD, BROKEN], root=self.root, kept=self.kept, **settings)


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    """A receiver to which nothing came yet."""
    return Receiver(tmp_path)


def _deliver(receiver: Receiver, *drops: Drop) -> None:
    for drop in drops:
        receiver.deliver(drop)


def test_a_promise_that_was_kept_is_found_kept(receiver: Receiver) -> None:
    """Everything once, in order, in parts: nothing is found."""
    _deliver(receiver, PROFILES)
    receiver.deliver(OLD, rows=slice(0, 4), label="_1")
    receiver.deliver(OLD, rows=slice(4, None), label="_2")
    _deliver(receiver, NEW, VISITS)
    found = receiver.check()
    assert found.violations == []
    assert (found.rows, found.manifests) == (sum(len(drop.rows) for drop in GOOD), 5)


def _lose_a_row(receiver: Receiver) -> None:
    _deliver(receiver, PROFILES, OLD, NEW)
    receiver.deliver(VISITS, rows=slice(1, None))


def _double_events(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.deliver(OLD, rows=slice(0, 1), label="_again")


def _double_profiles(receiver: Receiver) -> None:
    receiver.deliver(PROFILES, label="_before")
    _deliver(receiver, *GOOD)


def _send_a_bad_row(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.deliver(dataclasses.replace(OLD, rows=(("Sold", "1", "", "0", "nobody"),)), label="_bad")


def _publish_too_early(receiver: Receiver) -> None:
    receiver.upload("customers_0001.manifest")
    _deliver(receiver, *GOOD)


def _publish_over_a_cut_file(receiver: Receiver) -> None:
    receiver.upload("customers_0001.csv", complete=False)
    receiver.upload("customers_0001.manifest", complete=False)
    _deliver(receiver, *GOOD)


def _publish_twice(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.upload("customers_0001.manifest")


def _write_after_the_manifest(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.upload("customers_0001.csv")


def _shuffle_files(receiver: Receiver) -> None:
    _deliver(receiver, PROFILES, NEW, OLD, VISITS)


def _shuffle_parts(receiver: Receiver) -> None:
    _deliver(receiver, PROFILES)
    receiver.deliver(OLD, rows=slice(4, None), label="_2")
    receiver.deliver(OLD, rows=slice(0, 4), label="_1")
    _deliver(receiver, NEW, VISITS)


def _events_before_profiles(receiver: Receiver) -> None:
    _deliver(receiver, OLD, PROFILES, NEW, VISITS)


def _bytes_of_events_before_profiles(receiver: Receiver) -> None:
    receiver.upload(f"{OLD.name}")
    _deliver(receiver, PROFILES)
    receiver.take(OLD.name, OLD, arrival=receiver.upload(OLD.name.replace(".csv", ".manifest")))
    _deliver(receiver, NEW, VISITS)


def _refused(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.note("refused", manifest="x.manifest", data="x.csv", arrival=1)


def _ignored(receiver: Receiver) -> None:
    _deliver(receiver, *GOOD)
    receiver.note("manifest_ignored", manifest="x.manifest", arrival=receiver.upload("customers_0001.manifest"))


@pytest.mark.parametrize(
    ("breach", "said"),
    [
        (_lose_a_row, "visits_0001_c.csv: 1 of 2 rows are lost"),
        (_double_events, "purchases_0001_b_old.csv: 1 rows came twice"),
        (_double_profiles, "customers_0001.csv: 6 rows came twice"),
        (_send_a_bad_row, "a row that nobody may send: ('Sold', '1', '', '0', 'nobody')"),
        (_publish_too_early, "manifest before its data: "),
        (_publish_over_a_cut_file, "manifest before its data: "),
        (_publish_twice, "manifest customers_0001.manifest came 2 times"),
        (_write_after_the_manifest, "data written after its manifest: "),
        (_shuffle_files, "purchases_0001_a_new.csv overtook purchases_0001_b_old.csv"),
        (_shuffle_parts, "purchases_0001_b_old.csv: its rows came in another order"),
        (_events_before_profiles, "purchases_0001_b_old.csv overtook customers_0001.csv"),
        (
            _bytes_of_events_before_profiles,
            "purchases_0001_b_old.csv: bytes of purchases_0001_b_old.csv went up before",
        ),
        (_refused, "refused: "),
        (_ignored, "a whole manifest was met with silence: "),
    ],
)
def test_each_breach_of_the_promise_is_found(receiver: Receiver, breach: Callable[[Receiver], None], said: str) -> None:
    """One thing is wrong, and it is told."""
    breach(receiver)
    found = receiver.check().violations
    assert any(text.startswith(said) for text in found), found


def test_profiles_may_come_again_where_nobody_can_tell(receiver: Receiver) -> None:
    """An upsert that comes twice does no harm: allowed where it is said so, and counted."""
    _double_profiles(receiver)
    found = receiver.check(may_repeat_profiles=True)
    assert (found.violations, found.repeated_profiles, found.doubled_rows) == ([], 6, 0)


def test_what_a_person_had_sent_again_comes_when_he_says_so(receiver: Receiver) -> None:
    """A file that waited for a person is in no order any more; its rows are still counted."""
    _deliver(receiver, PROFILES, NEW, VISITS)
    receiver.deliver(OLD)
    assert receiver.check().violations != []
    assert receiver.check(awaited={OLD.name}).violations == []


def _make_machine(folder: Path) -> Path:
    """Lay everything where it belongs; return the workspace."""
    workspace = folder / "workspace"
    for drop in (*GOOD, BROKEN):
        place = workspace / ("quarantine" if drop.is_refused else "archive") / drop.name.removesuffix(".csv")
        place.mkdir(parents=True)
        (place / drop.name).write_bytes(drop.content)
        if drop.is_refused:
            (place / "report.json").touch()
    for name in ("staging", "workspace/work/one"):
        (folder / name).mkdir(parents=True)
    (workspace / "work" / "one").rmdir()
    return workspace


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "staging" / "left.csv").touch(), "left in staging: left.csv"),
        (lambda folder: (folder / "workspace" / "work" / "one").mkdir(), "left in the work folder: "),
        (
            lambda folder: (folder / "workspace" / "ledger.db").write_bytes(b"a canary"),
            "plaintext is left in ledger.db",
        ),
        (lambda folder: next(folder.rglob(OLD.name)).unlink(), f"{OLD.name}: 0 originals in archive"),
        (lambda folder: next(folder.rglob(OLD.name)).write_bytes(b""), f"{OLD.name}: 0 originals in archive"),
        (lambda folder: next(folder.rglob("report.json")).unlink(), f"{BROKEN.name}: no report"),
        (
            lambda folder: (folder / "workspace" / "quarantine" / "other").mkdir(),
            "findings of a file that is not refused: ",
        ),
        (
            lambda folder: next(folder.rglob("report.json")).with_name(".x.unfinished").touch(),
            "half of a file is left: ",
        ),
    ],
)
def test_what_is_left_on_the_machine_is_found(tmp_path: Path, change: Callable[[Path], object], said: str) -> None:
    """Whatever is not in its place once everything is done is told; nothing is where all is well."""
    workspace = _make_machine(tmp_path)
    drops = [*GOOD, BROKEN]
    assert list_leftovers(drops, staging=tmp_path / "staging", workspace=workspace) == []
    change(tmp_path)
    found = list_leftovers(drops, staging=tmp_path / "staging", workspace=workspace)
    assert any(text.startswith(said) for text in found), found
