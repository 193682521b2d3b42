"""Bad input of every sort: a clear refusal with its rule and line, in bounded time and memory; what is good passes."""

from __future__ import annotations

import csv
import datetime
import io
import json
import random
from pathlib import Path

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.progress import Board
from tests.support.configuration import FEEDS
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HEADER = b"event_name,time_stamp,user_id,note\n"
ROW = b"Sold,1700000000,user1,x\n"
FEED = Feed.model_validate(FEEDS["purchases"])
MEGABYTE = 1_000_000


def _inspect(folder: Path, content: bytes) -> Inspection:
    (folder / "source.csv").write_bytes(content)
    return inspect(folder / "source.csv", FEED, now=NOW, outlet=folder)


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        pytest.param(b"\x7fELF\x02\x01\x01" + bytes(1000), "text.nul", 1, id="a program"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "text.nul", 3, id="a picture"),
        pytest.param(random.Random(1).randbytes(3 * MEGABYTE), None, None, id="noise"),  # noqa: S311 - seeded
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "format.broken", None, id="a PDF"),
        pytest.param(b"\xff\xfe" + HEADER.decode().encode("utf-16-le"), "text.utf16", 1, id="UTF-16"),
        pytest.param(b"x" * 100 * MEGABYTE, "header.too_long", 1, id="one line of 100 MB"),
        pytest.param(HEADER + ROW + b"y" * 100 * MEGABYTE + b"\n" + ROW, "record.too_long", 3, id="a row of 100 MB"),
        pytest.param(
            b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"," * 19_999 + b"\n",
            "header.too_many_columns",
            1,
            id="20,000 columns",
        ),
        pytest.param(
            HEADER + ROW * 200_000 + b'Sold,1700000000,"user1,x\n' + ROW * 100_000,
            "quote.unterminated",
            200_002,
            id="a quote that never ends, in the middle",
        ),
        pytest.param(HEADER + ROW + b"\xed\xa0\x80,1,u,x\n", "text.not_utf8", 3, id="a surrogate"),
        pytest.param(b"\xef\xbb\xbf", "file.no_rows", 1, id="a mark alone"),
        pytest.param(b"\n\n\n", "header.empty", 1, id="blank lines alone"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, rule: str | None, line: int | None) -> None:
    """Whatever a file called .csv holds, the refusal names what it breaks and where; nothing else is left behind."""
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, content)
    first = caught.value.findings[0]
    if rule is not None:
        assert (first.rule, first.line) == (rule, line)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


def test_odd_files_that_are_right_pass_unchanged(tmp_path: Path) -> None:
    """A header in another order, formula-like cells, SQL, marks and joiners within text: none of our business."""
    cells = [
        "=1+1",
        "@SUM(A1)",
        "+49",
        "-1",
        "'; DROP TABLE source;--",
        "a\ufeffb",
        "\u200dx",
        "\u0301",
        "%s{0}$c0",
        "NULL",
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["note", "user_id", "time_stamp", "event_name", "c0", "number", "SELECT"])
    for number, cell in enumerate(cells):
        writer.writerow([cell, f"user{number}", 1700000000, "Sold", cell, cell, cell])
    found = _inspect(tmp_path, out.getvalue().encode())
    assert (found.records, found.is_rewritten, found.earliest_ts) == (len(cells), False, 1700000000)


async def test_what_is_refused_waits_beside_its_report_and_stops_nobody(tmp_path: Path) -> None:
    """All bad files of one pass are quarantined, each with its report; the good one is delivered."""
    bad = {
        "purchases_binary.csv": bytes(1000),
        "purchases_empty.csv": b"",
        "purchases_quote.csv": HEADER + b'Sold,1,"user\n',
        "purchases_wide.csv": b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"," * 19_999 + b"\n",
    }
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = configure(tmp_path, sandbox).configuration
        for name, content in {**bad, "purchases_good.csv": HEADER + ROW}.items():
            (configuration.staging / name).write_bytes(content)
        with open_daemon(configuration, Board()) as daemon:
            verdict = await daemon.run_once()
        await sandbox.wait_until_idle()
    assert (verdict.exit_code, verdict.delivered) == (ExitCode.NOT_ALL_DELIVERED, 1)
    kept = {}
    for report in (configuration.workspace / "quarantine").rglob("report.json"):
        told = json.loads(report.read_text(encoding="utf-8"))
        kept[told["file"]] = (report.parent / told["file"]).read_bytes()
        assert told["findings"]
    assert kept == bad
