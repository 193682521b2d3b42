"""A receiver far away: what a round trip of a tenth of a second costs, and how much is under way in it."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import data, line, measuring, peers
from benchmarks.case import Bench, Case, Stage
from benchmarks.delivery import LFTP, MIB, RCLONE, SFTP, make_stage, open_place
from benchmarks.inspection import make_contents
from benchmarks.measuring import Measurement
from benchmarks.verdicts import OURS, Budget, Kind
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare.parts.split import split
from sftp_orchestrator.prepare.text.scan import scan

ROUND_TRIP_SECONDS = 0.1
PARTS, PART_BYTES = 8, 64 * MIB
"""Enough that bytes count beside round trips: a session of OpenSSH's takes three to four seconds for one."""
LINE = "the line itself"


def cut(path: Path, folder: Path) -> tuple[int, list[Path]]:
    """Cut ``path`` into parts as ours does; return the limit that gives them, and the files in ``folder``."""
    scanned = scan(path)
    # Parts are balanced: room for a header and for the end of a row gives as many of them as are wanted.
    limit = path.stat().st_size // PARTS + 64 * 1024
    parts = split(scanned, path, max_bytes=limit)
    if len(parts) != PARTS:
        raise LocalFault("cut", str(path), f"{len(parts)} parts, not {PARTS}")
    files = []
    for number, content in enumerate(make_contents(path, scanned, parts), start=1):
        files.append(folder / f"part_{number}.csv")
        with content.open() as stream, files[-1].open("wb") as out:
            shutil.copyfileobj(stream, out, MIB)
    return limit, files


@contextmanager
def _set_up(bench: Bench) -> Iterator[Stage]:
    path = bench.make(data.Recipe(size=PARTS * PART_BYTES))
    with (
        open_place(bench, lambda _: [path]) as place,
        line.run_line(place.server.port, round_trip_seconds=ROUND_TRIP_SECONDS, folder=place.folder) as far,
        line.run_sink() as sink,
        line.run_line(sink, round_trip_seconds=ROUND_TRIP_SECONDS, folder=place.folder) as alone,
    ):
        parts = place.folder / "parts"
        parts.mkdir()
        limit, files = cut(path, parts)
        place.port = far
        place.settings = {"limits": {"plain_bytes": limit}, "connections": peers.TRANSFERS}
        size = path.stat().st_size
        put = functools.partial(place.measure_peer, peers.put_with_sftp, paths=[str(file) for file in files])
        measures: dict[str, Callable[[], Measurement]] = {
            OURS: place.measure_ours,
            RCLONE: lambda: place.measure_peer(peers.copy_with_rclone, folder=str(parts)),
            LFTP: lambda: place.measure_peer(peers.mirror_with_lftp, folder=str(parts)),
            SFTP: put,
            LINE: lambda: measuring.call(line.send_zeros, port=alone, size=size, connections=PARTS),
        }
        yield make_stage(size, measures)


CASES = (
    Case(
        name="deliver-latency",
        rounds=3,
        is_quick=False,
        budgets=(Budget(kind=Kind.TIMES_FASTER, limit=3, peer=RCLONE), Budget(kind=Kind.PEAK, limit=300)),
        set_up=_set_up,
    ),
)
