"""Where a source is cut: balanced, at record ends, strictly under the limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator.prepare.parts.split import get_plain_limit, split
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.text.scan import scan

HEADER = b"a,b\n"
ROW = b"1234,6789\n"


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "source.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("rows", "limit", "sizes"),
    [
        pytest.param(10, 105, [104], id="just below the limit is one part"),
        pytest.param(10, 104, [54, 54], id="exactly at the limit is two"),
        pytest.param(51, 504, [254, 264], id="a little over the limit is cut in halves"),
        pytest.param(7, 35, [24, 24, 34], id="the last part is never a crumb"),
    ],
)
def test_parts_are_balanced_and_below_the_limit(tmp_path: Path, rows: int, limit: int, sizes: list[int]) -> None:
    """There are ceil(size / limit) parts of about the same size, header included, strictly below the limit."""
    path = _write(tmp_path, HEADER + ROW * rows)
    parts = split(scan(path), path, max_bytes=limit)
    assert [len(HEADER) + part.end - part.start for part in parts] == sizes
    assert sum(part.records for part in parts) == rows


def test_a_record_too_large_for_a_part_is_named_by_its_line(tmp_path: Path) -> None:
    """The line on which it begins, its size and the limit are told."""
    path = _write(tmp_path, HEADER + b'1,"2\n3"\n' + b"1," + b"x" * 100 + b"\n" + ROW)
    with pytest.raises(Refused, match=r"line 4: .* has 103 bytes .* below 100 bytes") as caught:
        split(scan(path), path, max_bytes=100)
    assert caught.value.findings[0].rule == "record.too_large"


def test_plaintext_is_sized_so_that_armor_stays_below_the_limit() -> None:
    """1 GB encrypted leaves 735 MB of plaintext (armor 1.355 and slack), and a tiny limit never gives none."""
    assert get_plain_limit(1_000_000_000) == 735_293_161
    assert get_plain_limit(1) == 1
