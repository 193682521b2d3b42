"""The inspection: all rules over large files, against Python's csv module reading them and doing nothing."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks import data, measuring
from benchmarks.case import Bench, Case, Contender, Stage
from benchmarks.measuring import Facts, Work
from benchmarks.verdicts import OURS, Budget, Kind
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.parts.part_content import PartContent
from sftp_orchestrator.prepare.parts.split import ByteRange, split
from sftp_orchestrator.prepare.text.scan import Scan, scan

GIB = 1024**3
CSV_MODULE, READ_LOOP = "csv module", "read loop"
READ_BYTES = 1024 * 1024
SPLIT_PARTS = 16


def inspect_file(path: str, feed_type: str, outlet: str, more: Mapping[str, object] | None = None) -> Facts:
    """Inspect a file as ``prepare`` does: every rule that is on by itself, and how long events are kept.

    ``more`` are further keys of the feed.
    """
    type_ = FeedType(feed_type)
    found = inspect(
        Path(path),
        data.make_feed(type_, max_bad_rows=0.5, **(more or {})),
        now=data.NOW,
        outlet=Path(outlet),
        retention_days=data.RETENTION_DAYS if type_ is FeedType.EVENT else None,
    )
    return {"rows": found.original.records, "refused": found.refused_rows, "duplicates": found.duplicate_rows}


def scan_file(path: str) -> Facts:
    """Do the pass over the bytes alone."""
    return {"rows": scan(Path(path)).records}


def split_file(path: str, max_bytes: int) -> Callable[[], Facts]:
    """Return what plans the parts of a file that was scanned, and reads every byte of them as an upload does."""
    file = Path(path)
    scanned = scan(file)

    def read_parts() -> Facts:
        ranges = split(scanned, file, max_bytes=max_bytes)
        for content in make_contents(file, scanned, ranges):
            with content.open() as stream:
                while stream.read(READ_BYTES):
                    pass
        return {"bytes": scanned.header.body_start + sum(part.end - part.start for part in ranges)}

    return read_parts


def make_contents(path: Path, scanned: Scan, ranges: Sequence[ByteRange]) -> list[PartContent]:
    """Return what is sent of a file, part by part."""
    status = path.stat()
    return [
        PartContent(
            path=path,
            header_bytes=scanned.header.header_bytes,
            start=part.start,
            end=part.end,
            expected_size=status.st_size,
            expected_mtime_ns=status.st_mtime_ns,
        )
        for part in ranges
    ]


def read_with_csv(path: str) -> Facts:
    """Read every row with Python's csv module, and do nothing with it."""
    rows = -1
    with Path(path).open(encoding="utf-8", newline="") as stream:
        for _ in csv.reader(stream):
            rows += 1
    return {"rows": rows}


def read_bytes(path: str) -> Facts:
    """Read every byte, as dd does, and do nothing with it."""
    size = 0
    buffer = bytearray(READ_BYTES)
    with Path(path).open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            size += count
    return {"bytes": size}


def _set_up(
    recipe: data.Recipe, *peers: tuple[str, Work], **more: object
) -> Callable[[Bench], AbstractContextManager[Stage]]:
    """Return what sets up an inspection of a file by ``recipe``, beside other ways to read it.

    ``more`` are further keys of the feed.
    """

    @contextmanager
    def set_up(bench: Bench) -> Iterator[Stage]:
        path = bench.make(recipe)
        with tempfile.TemporaryDirectory(dir=bench.work, prefix="inspect-") as outlet:
            ours = Contender(
                name=OURS,
                measure=lambda: measuring.call(
                    inspect_file, path=str(path), feed_type=recipe.type.value, outlet=outlet, more=more
                ),
            )
            yield Stage(bytes=path.stat().st_size, contenders=(ours, *_list_readers(path, peers)))

    return set_up


def _list_readers(path: Path, peers: tuple[tuple[str, Work], ...]) -> list[Contender]:
    def measure_with(work: Work) -> Callable[[], measuring.Measurement]:
        return lambda: measuring.call(work, path=str(path))

    return [Contender(name=name, measure=measure_with(work)) for name, work in peers]


@contextmanager
def _set_up_scan(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=GIB))
    readers = _list_readers(path, ((OURS, scan_file), (READ_LOOP, read_bytes)))
    yield Stage(bytes=path.stat().st_size, contenders=tuple(readers))


@contextmanager
def _set_up_split(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=GIB))
    size = path.stat().st_size
    ours = Contender(
        name=OURS, measure=lambda: measuring.call(split_file, path=str(path), max_bytes=size // SPLIT_PARTS)
    )
    yield Stage(bytes=size, contenders=(ours, *_list_readers(path, ((READ_LOOP, read_bytes),))))


_MEMORY = Budget(kind=Kind.PEAK, limit=300)
_SORTING_MEMORY = Budget(kind=Kind.PEAK, limit=512)
_CSV_PEER = (CSV_MODULE, read_with_csv)

CASES = (
    Case(
        name="inspect",
        rounds=5,
        budgets=(
            Budget(kind=Kind.SPEED, limit=350),
            Budget(kind=Kind.TIMES_FASTER, limit=8, peer=CSV_MODULE),
            _MEMORY,
        ),
        set_up=_set_up(data.Recipe(size=GIB), _CSV_PEER),
    ),
    Case(
        name="inspect-profiles",
        rounds=3,
        budgets=(_MEMORY,),
        is_quick=False,
        set_up=_set_up(data.Recipe(type=FeedType.PROFILE, size=GIB), _CSV_PEER),
    ),
    Case(
        name="inspect-bad",
        rounds=3,
        budgets=(_MEMORY,),
        set_up=_set_up(data.Recipe(size=GIB, bad_share=0.01), _CSV_PEER),
    ),
    Case(
        name="inspect-memory",
        rounds=1,
        budgets=(_MEMORY,),
        is_quick=False,
        set_up=_set_up(data.Recipe(size=5_000_000_000)),
    ),
    Case(
        name="sort",
        rounds=1,
        budgets=(_SORTING_MEMORY,),
        is_quick=False,
        set_up=_set_up(data.Recipe(size=GIB), sort_by_time=True),
    ),
    Case(
        name="deduplicate",
        rounds=1,
        budgets=(_SORTING_MEMORY,),
        is_quick=False,
        set_up=_set_up(data.Recipe(size=GIB), deduplicate={"columns": ["user_id"]}),
    ),
    Case(name="scan", rounds=3, budgets=(), is_quick=False, set_up=_set_up_scan),
    Case(name="split", rounds=3, budgets=(), set_up=_set_up_split),
)
