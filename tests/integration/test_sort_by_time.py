"""Events sorted by time: through the inspection, with whatever else a feed asks for, and where it cannot be done."""

from __future__ import annotations

import csv
import datetime
import functools
import gzip
import io
import os
import random
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measuring
from sftp_orchestrator import files, space
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.prepare import inspect as inspecting
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION
from sftp_orchestrator.prepare.sort import sorting
from sftp_orchestrator.prepare.sort.sorting import Memory
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.text.scan import read_header
from tests.support.configuration import FEEDS
from tests.support.inspecting import rewrite

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HEADER = ["event_name", "time_stamp", "user_id", "note"]
NOTES = ("", "a,b", 'say "hi"', "two\nlines", "K\u00f6ln", "a;b")
TINY = Memory(run_bytes=300, merge_bytes=600, least_block_bytes=100)
"""So little that runs are many, and merged in several rounds."""


def _make_feed(**changes: Any) -> Feed:
    return Feed.model_validate({**FEEDS["purchases"], "max_bad_rows": 0.9, "sort_by_time": True, **changes})


def _render(rows: list[list[str]], delimiter: str = ",", newline: str = "\n") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return out.getvalue().encode()


def _read(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def _make_rows(chance: random.Random, count: int) -> list[list[str]]:
    return [["Sold", str(1_700_000_000 + chance.randrange(count)), f"u{n}", NOTES[n % 6]] for n in range(count)]


def _inspect(folder: Path, content: bytes, feed: Feed, *, watch: Watch = Watch(), name: str = "") -> Inspection:  # noqa: B008
    (folder / "source.csv").write_bytes(content)
    return inspect(folder / "source.csv", feed, now=NOW, outlet=folder, watch=watch, name=name)


@pytest.fixture
def chance() -> random.Random:
    """A source of chance whose seed is shown where a test fails."""
    seed = random.randrange(1 << 32)  # noqa: S311 - chooses data for a test
    print(f"seed {seed}")
    return random.Random(seed)  # noqa: S311 - the same


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspections sort with little memory."""
    monkeypatch.setattr(inspecting, "sort_by_time", functools.partial(sorting.sort_by_time, memory=TINY))


def _sort_rows(rows: list[list[str]]) -> list[list[str]]:
    return sorted(rows, key=lambda row: int(row[1] or 1 << 40))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("end", [0, 1, 2], ids=["no-break", "break", "blanks"])
def test_rows_stay_byte_for_byte_what_they_are(tmp_path: Path, chance: random.Random, newline: str, end: int) -> None:
    """Where nothing but the order changes; the last row gets the line break that it lacks, a BOM goes."""
    rows = [*_make_rows(chance, 200), ["Sold", "", "last", "x"], ["Sold", "1600000000", "first", "x"]]
    records = [_render([row], newline=newline) for row in rows]
    header = _render([HEADER], newline=newline)
    content = header + b"".join(records).removesuffix(newline.encode()) + newline.encode() * end
    found = _inspect(tmp_path, b"\xef\xbb\xbf" + content, _make_feed())
    ordered = sorted(range(len(rows)), key=lambda place: int(rows[place][1] or 1 << 40))
    assert found.path.read_bytes() == header + b"".join(records[place] for place in ordered)
    assert (found.records, found.is_rewritten, found.earliest_ts) == (202, True, 1600000000)
    assert {path.name for path in tmp_path.iterdir()} == {"source.csv", "good_rows.csv"}
    assert stat.S_IMODE(found.path.stat().st_mode) == files.WORK_MODE


@pytest.mark.parametrize("memory", [Memory(), TINY], ids=["at-once", "in-blocks"])
def test_a_file_that_is_in_order_is_sent_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: Memory
) -> None:
    """Clean files are never rewritten, and to be looked at for their order costs a pass and no space."""
    monkeypatch.setattr(inspecting, "sort_by_time", functools.partial(sorting.sort_by_time, memory=memory))
    monkeypatch.setattr(space, "SPARE_BYTES", 1 << 60)
    rows = [["Sold", str(1_700_000_000 + n // 3), f"u{n}", NOTES[n % 6]] for n in range(100)]
    content = _render([HEADER, *rows, ["Sold", "", "u", ""]]).removesuffix(b"\n")
    found = _inspect(tmp_path, content, _make_feed())
    assert (found.is_rewritten, found.path) == (False, tmp_path / "source.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"source.csv"}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("asked", range(64))
def test_sorting_goes_with_every_other_transform(tmp_path: Path, chance: random.Random, asked: int) -> None:
    """Delimiter, names, event name, duplicates, refused rows, compression: rows are what they are without sorting."""
    delimiter, rename, constant, repeated, refused, packed = (bool(asked >> bit & 1) for bit in range(6))
    changes: dict[str, Any] = {"delimiter": ";" if delimiter else ","}
    header, rows = list(HEADER), _make_rows(chance, 60)
    if refused:
        rows[7:7] = [["Sold", "1700000000", "null", "x"], ["Sold", "soon", "u", 'a "bad" one']]
    if repeated:
        changes["deduplicate"] = {"columns": ["user_id"]}
        rows += [["Sold", "1700000001", f"u{n}", "again"] for n in range(5)]
    if rename:
        changes["rename"] = {"wer": "user_id"}
        header[2] = "wer"
    if constant:
        changes |= {
            "event_name": "Sold",
            "columns": {k: v for k, v in FEEDS["purchases"]["columns"].items() if k != "event_name"},
        }
    first = 1 if constant else 0
    content = _render([row[first:] for row in [header, *rows]], ";" if delimiter else ",")
    name = "source.csv.gz" if packed else ""
    found = _inspect(tmp_path, gzip.compress(content) if packed else content, _make_feed(**changes), name=name)
    good = _sort_rows([row for row in rows if row[1] != "soon" and row[2] != "null" and row[3] != "again"])
    wanted = [HEADER, *good]
    if constant:
        wanted = [[*row[1:], row[0]] for row in wanted]
        wanted[0][-1] = "evtName"
    assert _read(found.path) == wanted
    assert (found.refused_rows, found.duplicate_rows) == (2 if refused else 0, 5 if repeated else 0)


@pytest.mark.usefixtures("tiny")
def test_refused_rows_that_come_back_are_sorted(tmp_path: Path, chance: random.Random) -> None:
    """Their last column, which is ours, is left out before."""
    rows = _make_rows(chance, 60)
    content = _render([[*HEADER, DESCRIPTION], *([*row, "why"] for row in rows)])
    found = _inspect(tmp_path, content, _make_feed())
    assert _read(found.path) == [HEADER, *_sort_rows(rows)]


def test_a_file_is_sorted_in_little_memory(tmp_path: Path, chance: random.Random) -> None:
    """120 MB of small rows in no order, several runs: the process stays below 250 MB."""
    path, rows = tmp_path / "source.csv", 2_400_000
    times = [1_700_000_000 + chance.randrange(1_000_000) for _ in range(rows)]
    with path.open("wb") as stream:
        stream.write(b"evtName,ts,identity,note\n")
        stream.writelines(b"Sold,%d,user%07d,chess and football\n" % (times[n], n) for n in range(rows))
    found = measuring.call(rewrite, path=str(path), sort_by_time=True)
    assert found.facts == {"rows": rows}
    assert found.peak_bytes < 250_000_000
    with (tmp_path / "good_rows.csv").open("rb") as stream:
        assert next(stream) == b"evtName,ts,identity,remark\n"
        order = sorted(range(rows), key=times.__getitem__)
        assert all(line[16:27] == b"user%07d" % n for line, n in zip(stream, order, strict=True))


# Where it cannot be done.


class _Cue:
    """A watch that does something at the n-th look of a sort, and then goes on."""

    def __init__(self, look: int, act: Callable[[], object]) -> None:
        self.looks = 0
        self._look = look
        self._act = act

    def cancelled(self) -> bool:
        self.looks += 1
        if self.looks == self._look:
            self._act()
        return False


def _describe(path: Path, records: int) -> sorting.Unsorted:
    return sorting.Unsorted(
        path=path,
        header=read_header(path),
        end=path.stat().st_size,
        records=records,
        fingerprint=files.get_fingerprint(path),
    )


def _sort(path: Path, watch: Watch = Watch()) -> bool:  # noqa: B008 - frozen
    source = _describe(path, path.read_bytes().count(b"\n") - 1)
    return sorting.sort_by_time(source, 0, path.with_name("sorted.csv"), memory=TINY, watch=watch)


def _write_numbers(folder: Path, count: int = 400) -> Path:
    path = folder / "source.csv"
    path.write_bytes(b"ts,x\n" + b"".join(b"%d,y\n" % (10_000 + n * 7919 % 5003) for n in range(count)))
    return path


def _count_looks(path: Path) -> int:
    cue = _Cue(0, lambda: None)
    assert _sort(path, Watch(cancelled=cue.cancelled))
    path.with_name("sorted.csv").unlink()
    return cue.looks


def test_it_stops_at_every_look(tmp_path: Path) -> None:
    """Told to stop at any time it does, and leaves nothing; what lies about meanwhile is for us alone and nameless."""
    path = _write_numbers(tmp_path)
    seen: set[str] = set()
    for last in range(_count_looks(path)):
        left = iter([False] * last)

        def cancelled(left: Iterator[bool] = left) -> bool:
            seen.update(entry.name for entry in tmp_path.iterdir())
            return next(left, True)

        with pytest.raises(Stopped):
            _sort(path, Watch(cancelled=cancelled))
        assert [entry.name for entry in tmp_path.iterdir()] == ["source.csv"]
    assert seen == {"source.csv", ".sorted.csv.unfinished"}


def test_runs_are_for_us_alone(tmp_path: Path) -> None:
    """They hold people's data: the file that they are in has no name, and no other user may read it."""
    path = _write_numbers(tmp_path)
    found: list[int] = []

    def look() -> None:
        for link in Path("/proc/self/fd").iterdir():
            try:
                status = link.stat()
            except FileNotFoundError:
                continue
            if status.st_nlink == 0 and str(link.readlink()).startswith(str(tmp_path)):
                found.append(stat.S_IMODE(status.st_mode))

    _sort(path, Watch(cancelled=_Cue(20, look).cancelled))
    assert found == [files.WORK_MODE]


def _append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"1,z\n")


def _spoil(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.write(b'ts,"' + b"x" * (size - 4))


@pytest.mark.parametrize(
    "act", [_append, _spoil, lambda path: os.truncate(path, 100)], ids=["grows", "is-spoilt", "ends"]
)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_a_file_that_changes_meanwhile_is_not_sent(tmp_path: Path, act: Callable[[Path], object], part: float) -> None:
    """Whenever it does: it goes back to waiting, and nothing is written of it."""
    path = _write_numbers(tmp_path)
    cue = _Cue(1 + int(part * _count_sorting_looks(path)), lambda: act(path))
    with pytest.raises(SourceChanged):
        _sort(path, Watch(cancelled=cue.cancelled))
    assert [entry.name for entry in tmp_path.iterdir()] == ["source.csv"]


def _count_sorting_looks(path: Path) -> int:
    """Return how often it is asked before the bytes are complete: behind that the file is not looked at any more."""
    return _count_looks(path) - 2


@contextmanager
def _full_beyond(max_bytes: int) -> Iterator[None]:
    """A file may not be larger (setrlimit(2)): writing on fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("is_last_behind", [False, True], ids=["runs", "target"])
def test_a_disk_that_becomes_full_is_a_fault_of_this_machine(
    tmp_path: Path, share: float, *, is_last_behind: bool
) -> None:
    """While runs are written, or the file in order: nothing is left of either, and the file waits."""
    path = tmp_path / "source.csv"
    if is_last_behind:
        # Two runs of the file itself: only the target is written.
        path.write_bytes(b"ts,x\n" + b"".join(b"%d,y\n" % (n % 200) for n in range(100, 300)))
    else:
        _write_numbers(tmp_path)
    with _full_beyond(int(share * path.stat().st_size)), pytest.raises(LocalFault, match="sort"):
        _sort(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source.csv"]
    assert _sort(path)


def test_space_is_asked_for_before_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and what becomes of them need twice the file."""
    path = _write_numbers(tmp_path)
    monkeypatch.setattr(space, "SPARE_BYTES", 1 << 60)
    with pytest.raises(LocalFault, match=f"{2 * (path.stat().st_size - 5):,} and"):
        _sort(path)


def test_what_is_lost_is_noticed(tmp_path: Path) -> None:
    """A file in which other rows are found than the scan found is a defect of ours, and not sent."""
    path = _write_numbers(tmp_path)
    with pytest.raises(LocalFault, match="400 rows were found: a defect of ours"):
        sorting.sort_by_time(_describe(path, 401), 0, tmp_path / "sorted.csv")
