"""An independent checker: what the receiver saw against what was dropped. It uses no code of the product.

It reads three things: the receiver's log (JSON lines), a copy of each data file as it was when it was taken, and the
folders of the machine that sent.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.drops import CANARY, Drop, Row

Entry = dict[str, Any]
_MANIFEST = ".manifest"
_PLAIN_PLACES = frozenset({"archive", "quarantine", "rejected"})
"""Folders of the workspace in which rows may lie once everything is done."""


@dataclass(kw_only=True)
class History:
    """What was found."""

    violations: list[str] = field(default_factory=list)
    """empty where the promise was kept"""
    files: int = 0
    rows: int = 0
    """that arrived, each counted once"""
    manifests: int = 0
    """that were taken"""
    lost_rows: int = 0
    doubled_rows: int = 0
    """of events: never allowed"""
    repeated_profiles: int = 0
    """rows of profiles that came again under a new name: allowed where nobody could tell whether they were taken"""
    out_of_order: int = 0


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One data file that was taken."""

    sequence: int
    data: str
    rows: tuple[Row, ...]


def check_receiver(
    drops: Sequence[Drop],
    *,
    root: Path,
    kept: Path,
    after: int = 0,
    may_repeat_profiles: bool = False,
    awaited: Collection[str] = (),
) -> History:
    """Check everything the receiver at ``root`` noted ``after`` a sequence of its log; ``kept`` has what it took.

    ``awaited`` are names of files of events that waited for a person's word: others may pass them.
    """
    entries = [entry for entry in read_log(root / "activity.jsonl") if entry["sequence"] > after]
    receipts = read_receipts(entries, kept, root / "keys" / "gnupg")
    history = History(files=len(drops), manifests=len(receipts))
    _check_verdicts(entries, history)
    _check_manifests(entries, history)
    _check_rows(drops, receipts, history, may_repeat_profiles=may_repeat_profiles)
    _check_order(drops, receipts, entries, history, awaited=awaited)
    return history


def read_log(path: Path) -> list[Entry]:
    """Return the entries of a receiver's log."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def read_receipts(entries: Iterable[Entry], kept: Path, keys: Path) -> list[Receipt]:
    """Return what was taken, in order, with its rows; the receiver, whose gpg-agent has the ``keys``, still runs."""
    with tempfile.TemporaryDirectory(prefix="gpg-") as short:
        # A socket's path must fit into the 108 bytes of sun_path (unix(7)).
        home = Path(short, "home")
        home.symlink_to(keys)
        return [
            Receipt(
                sequence=entry["sequence"],
                data=entry["data"],
                rows=_read_rows(kept / f"{entry['arrival']}_{entry['data']}", home),
            )
            for entry in entries
            if entry["event"] == "taken"
        ]


def _read_rows(path: Path, home: Path) -> tuple[Row, ...]:
    content = path.read_bytes()
    if path.name.endswith(".asc"):
        command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--decrypt", str(path)]
        content = subprocess.run(command, check=True, capture_output=True).stdout
    return tuple(tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""), strict=True))[1:]


# The receiver's own word.


def _check_verdicts(entries: Iterable[Entry], history: History) -> None:
    arrivals = {entry["sequence"]: entry for entry in entries if entry["event"] in {"closed", "renamed"}}
    for entry in entries:
        if entry["event"] == "refused":
            history.violations.append(f"refused: {entry}")
        elif entry["event"] == "manifest_ignored" and arrivals.get(entry["arrival"], {}).get("complete", True):
            history.violations.append(f"a whole manifest was met with silence: {entry}")
        elif entry["event"] == "taken" and (entry["failed_rows"] or entry["violations"]):
            history.violations.append(f"taken with violations: {entry}")


def _check_manifests(entries: Iterable[Entry], history: History) -> None:
    """No manifest before its data is there in full, none twice, and no data touched after its manifest."""
    whole: set[str] = set()
    published: Counter[str] = Counter()
    for entry in entries:
        name = str(entry.get("name", ""))
        base = name.removesuffix(".uploading")
        is_arrival = entry["event"] in {"closed", "renamed"}
        if entry["event"] in {"opened", "renamed"} and base.endswith(_MANIFEST):
            stem = base.removesuffix(_MANIFEST)
            if not {f"{stem}.csv", f"{stem}.csv.asc"} & whole:
                history.violations.append(f"manifest before its data: {entry}")
        if entry["event"] == "opened" and not base.endswith(_MANIFEST):
            whole.discard(name)
            if published[f"{base.removesuffix('.asc').removesuffix('.csv')}{_MANIFEST}"]:
                history.violations.append(f"data written after its manifest: {entry}")
        if is_arrival and entry["complete"]:
            whole.add(name)
            if name.endswith(_MANIFEST):
                published[name] += 1
    history.violations += [f"manifest {name} came {count} times" for name, count in published.items() if count > 1]
    taken = Counter(str(entry["data"]) for entry in entries if entry["event"] == "taken")
    history.violations += [f"data {name} was taken {count} times" for name, count in taken.items() if count > 1]


# Rows.


def _check_rows(
    drops: Sequence[Drop], receipts: Sequence[Receipt], history: History, *, may_repeat_profiles: bool
) -> None:
    owners = {row: drop for drop in drops for row in drop.rows}
    arrived = Counter(row for receipt in receipts for row in receipt.rows)
    strange = [row for row in arrived if row not in owners]
    history.violations += [f"a row that nobody may send: {row}" for row in strange[:3]]
    for drop in drops:
        lost = [row for row in drop.rows if not arrived[row]]
        more = sum(arrived[row] - 1 for row in drop.rows if arrived[row])
        history.rows += len(drop.rows) - len(lost)
        history.lost_rows += len(lost)
        if lost:
            history.violations.append(f"{drop.name}: {len(lost)} of {len(drop.rows)} rows are lost, such as {lost[0]}")
        if more and drop.is_profile and may_repeat_profiles:
            history.repeated_profiles += more
        elif more:
            history.doubled_rows += more
            history.violations.append(f"{drop.name}: {more} rows came twice")


def _check_order(
    drops: Sequence[Drop],
    receipts: Sequence[Receipt],
    entries: Sequence[Entry],
    history: History,
    *,
    awaited: Collection[str],
) -> None:
    owners = {row: drop for drop in drops for row in drop.rows}
    arrivals: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    data_of: dict[str, set[str]] = defaultdict(set)
    for receipt in receipts:
        for row in receipt.rows:
            if row in owners:
                arrivals[owners[row].name].append((receipt.sequence, row))
                data_of[owners[row].name].add(receipt.data)
    in_line = [drop for drop in drops if arrivals[drop.name] and drop.name not in awaited]
    found = [
        *_list_disorder(drops, arrivals),
        *_list_overtaking(in_line, arrivals),
        *_list_early_bytes(drops, data_of, entries),
    ]
    history.out_of_order += len(found)
    history.violations += found


def _list_disorder(drops: Sequence[Drop], arrivals: dict[str, list[tuple[int, Row]]]) -> Iterable[str]:
    """Yield where rows of a file were taken in another order than that of the file."""
    for drop in drops:
        first = list(dict.fromkeys(row for _, row in arrivals[drop.name]))
        if first != [row for row in drop.rows if row in set(first)]:
            yield f"{drop.name}: its rows came in another order"


def _list_overtaking(drops: Sequence[Drop], arrivals: dict[str, list[tuple[int, Row]]]) -> Iterable[str]:
    """Yield where files of a batch, of which all have arrived, were taken in another order than the wanted one."""
    for batch in {drop.batch for drop in drops}:
        ordered = sorted((drop for drop in drops if drop.batch == batch), key=lambda drop: drop.rank)
        for before, after in itertools.pairwise(ordered):
            if _get_complete(arrivals[before.name]) > min(sequence for sequence, _ in arrivals[after.name]):
                yield f"{after.name} overtook {before.name}"


def _get_complete(arrivals: Sequence[tuple[int, Row]]) -> int:
    """Return the sequence at which every row had come, be it that some came again later."""
    first: dict[Row, int] = {}
    for sequence, row in arrivals:
        first.setdefault(row, sequence)
    return max(first.values())


def _list_early_bytes(drops: Sequence[Drop], data_of: dict[str, set[str]], entries: Sequence[Entry]) -> Iterable[str]:
    """Yield where bytes of events went up before the last manifest of the profiles of their batch was there."""
    opened: dict[str, int] = {}
    closed: dict[str, int] = {}
    for entry in entries:
        name = str(entry.get("name", "")).removesuffix(".uploading")
        if entry["event"] == "opened":
            opened.setdefault(name, entry["sequence"])
        elif entry["event"] in {"closed", "renamed"} and entry["complete"]:
            closed.setdefault(name, entry["sequence"])
    for batch in {drop.batch for drop in drops}:
        manifests = [
            _name_manifest(data) for d in drops if d.batch == batch and d.is_profile for data in data_of[d.name]
        ]
        last = max((closed[name] for name in manifests if name in closed), default=0)
        for drop in drops:
            if drop.batch == batch and not drop.is_profile:
                early = [data for data in data_of[drop.name] if opened.get(data, last) < last]
                yield from (
                    f"{drop.name}: bytes of {data} went up before the profiles were published" for data in early
                )


def _name_manifest(data: str) -> str:
    return data.removesuffix(".asc").removesuffix(".csv") + _MANIFEST


# The machine that sent.


def list_leftovers(drops: Sequence[Drop], *, staging: Path, workspace: Path) -> list[str]:
    """Return what is not as it must be on this machine once everything is done."""
    found = [f"left in staging: {path.name}" for path in staging.rglob("*") if path.is_file()]
    found += [f"left in the work folder: {path}" for path in (workspace / "work").rglob("*")]
    for drop in drops:
        place = workspace / ("quarantine" if drop.is_refused else "archive")
        copies = [path for path in place.rglob(drop.name) if path.read_bytes() == drop.content]
        if len(copies) != 1:
            found.append(f"{drop.name}: {len(copies)} originals in {place.name}")
        elif drop.is_refused and not (copies[0].parent / "report.json").is_file():
            found.append(f"{drop.name}: no report")
    refused = {drop.name for drop in drops if drop.is_refused}
    for folder in (workspace / "quarantine").iterdir():
        if not refused & {path.name for path in folder.iterdir()}:
            found.append(f"findings of a file that is not refused: {folder}")
    for path in workspace.rglob("*"):
        is_plain = path.relative_to(workspace).parts[0] in _PLAIN_PLACES
        if path.is_file() and not is_plain and CANARY.encode() in path.read_bytes():
            found.append(f"plaintext is left in {path.relative_to(workspace)}")
        if path.name.endswith((".unfinished", ".writing", ".copying", ".tmp")):
            found.append(f"half of a file is left: {path.relative_to(workspace)}")
    return found
