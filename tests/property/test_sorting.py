"""A sorted file is what Python's own stable sort makes of its records, whatever they hold and however little memory."""

from __future__ import annotations

import codecs
import re
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings, strategies

from sftp_orchestrator.prepare.sort.sorting import Memory, Unsorted, sort_by_time
from sftp_orchestrator.prepare.text.scan import scan

TIMES = strategies.one_of(
    strategies.integers(-3, 3).map(str),
    strategies.integers(-(10**12), 10**12).map(str),
    strategies.sampled_from(["", "-", "1.5", "soon", " 1", "007", "9" * 18, "9" * 30, "-" + "9" * 30, "0" * 25 + "2"]),
)
VALUES = strategies.text(alphabet='ab,;"\n\r é漢', max_size=40)
RECORDS = strategies.lists(strategies.tuples(TIMES, VALUES, VALUES, strategies.booleans()), min_size=1, max_size=40)
MEMORIES = strategies.builds(
    Memory,
    run_bytes=strategies.integers(1, 400),
    merge_bytes=strategies.integers(1, 900),
    least_block_bytes=strategies.integers(1, 64),
)


def _render(record: tuple[str, str, str, bool], place: int, delimiter: str, newline: str) -> tuple[int, bytes]:
    """Return when a record happened, and its bytes."""
    time, *values, is_quoted = record
    cells = ['"' + value.replace('"', '""') + '"' for value in values]
    cells.insert(place, f'"{time}"' if is_quoted else time)
    when = 1 << 64
    if re.fullmatch("-?[0-9]+", time):
        # Longer numbers are all the same.
        when = max(-(10**18), min(10**18, int(time)))
    return when, (delimiter.join(cells) + newline).encode()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    records=RECORDS,
    place=strategies.integers(0, 2),
    delimiter=strategies.sampled_from(",;"),
    newline=strategies.sampled_from(["\n", "\r\n"]),
    blanks=strategies.integers(-1, 2),
    mark=strategies.sampled_from([b"", codecs.BOM_UTF8]),
    memory=MEMORIES,
)
@example(
    records=[(str(-n // 3), "x", '"\n', False) for n in range(40)],
    place=1,
    delimiter=",",
    newline="\r\n",
    blanks=-1,
    mark=codecs.BOM_UTF8,
    memory=Memory(run_bytes=1, merge_bytes=1, least_block_bytes=1),
)
def test_records_are_in_the_order_of_time(
    records: list[tuple[str, str, str, bool]],
    place: int,
    delimiter: str,
    newline: str,
    blanks: int,
    mark: bytes,
    memory: Memory,
) -> None:
    """Byte for byte, over several rounds of merging; a file that is in order is not written."""
    rendered = [_render(record, place, delimiter, newline) for record in records]
    header = delimiter.join(["one", "two", "three"]) + newline
    body = b"".join(record for _, record in rendered)
    body = body.removesuffix(newline.encode()) if blanks < 0 else body + newline.encode() * blanks
    with tempfile.TemporaryDirectory() as name:
        path, target = Path(name) / "source.csv", Path(name) / "sorted.csv"
        path.write_bytes(mark + header.encode() + body)
        found = scan(path, delimiter=delimiter)
        source = Unsorted(
            path=path,
            header=found.header,
            end=found.body_end,
            records=found.records,
            fingerprint=found.fingerprint,
        )
        was_written = sort_by_time(source, place, target, memory=memory)
        ordered = sorted(rendered, key=lambda record: record[0])
        assert was_written == (ordered != rendered)
        assert {entry.name for entry in Path(name).iterdir()} == (
            {"source.csv", "sorted.csv"} if was_written else {"source.csv"}
        )
        if was_written:
            assert target.read_bytes() == header.encode() + b"".join(record for _, record in ordered)
