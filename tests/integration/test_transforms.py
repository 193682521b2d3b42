"""What a feed may ask for besides checks: other delimiters, names, a constant event name, order, no row twice."""

from __future__ import annotations

import asyncio
import csv
import datetime
import gzip
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION, FAILED_ROWS_NAME
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.progress import Board
from sftp_orchestrator.sandbox.activity import Event, read_activity
from tests.support.configuration import FEEDS
from tests.support.sandboxes import make_sandbox
from tests.support.service import call, configure

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HEADER = ["event_name", "time_stamp", "user_id", "note"]
NASTY = (
    "",
    "a,b",
    "a;b|c\td",
    'say "hi"',
    "two\nlines",
    "K\u00f6ln \U0001f600",
    " spaced ",
    "=1+1",
    "'; DROP TABLE source",
)


_TIMED = {"user_id": {"ct_name": "identity"}, "time_stamp": {"ct_name": "ts"}}


def _make_feed(**changes: Any) -> Feed:
    return Feed.model_validate({**FEEDS["purchases"], "max_bad_rows": 0.9, **changes})


def _render(rows: list[list[str]], delimiter: str = ",", newline: str = "\n") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows(rows)
    return out.getvalue().encode()


def _inspect(folder: Path, content: bytes, feed: Feed, earlier: list[Path] | None = None) -> Inspection:
    (folder / "source.csv").write_bytes(content)
    return inspect(folder / "source.csv", feed, now=NOW, outlet=folder, earlier=earlier or [])


def _read(path: Path, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""), delimiter=delimiter))


def _make_rows(count: int) -> list[list[str]]:
    return [["Sold", str(1700000000 + n), f"user{n}", NASTY[n % len(NASTY)]] for n in range(count)]


# Delimiters and names.


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_another_delimiter_is_sent_as_commas(tmp_path: Path, delimiter: str, newline: str) -> None:
    """Values stay what they are, rows keep their order, the failed ones their producer's form."""
    bad = ["Sold", "soon", "user", f"x{delimiter}y"]
    rows = [bad, *_make_rows(30), bad]
    found = _inspect(tmp_path, _render([HEADER, *rows], delimiter, newline), _make_feed(delimiter=delimiter))
    assert (found.records, found.refused_rows, found.is_rewritten) == (30, 2, True)
    assert _read(found.path) == [HEADER, *rows[1:-1]]
    assert b"\r" not in found.path.read_bytes()
    failed = _read(tmp_path / FAILED_ROWS_NAME, delimiter)
    assert [row[:-1] for row in failed] == [HEADER, bad, bad]
    assert failed[0][-1] == DESCRIPTION


@pytest.mark.parametrize(
    ("content", "delimiter", "rule"),
    [
        (b"a;b\n1;2\n", ",", "header.delimiter"),
        (b"a,b\n1,2\n", ";", "header.delimiter"),
        (b'evtName;identity\n1;x"y\n', ";", "quote.stray"),
        (b'evtName;identity\n1;"x",y\n', ";", "quote.stray"),
        (b"evtName;identity\n1;2;3\n", ";", "row.ragged"),
    ],
)
def test_a_delimiter_is_checked_as_strictly_as_commas(
    tmp_path: Path, content: bytes, delimiter: str, rule: str
) -> None:
    """The wrong one is named, and quotes and fields are counted by it."""
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, content, _make_feed(delimiter=delimiter, columns={}))
    assert {found.rule for found in caught.value.findings} == {rule}


def test_columns_are_renamed_and_mapped_by_their_new_names(tmp_path: Path) -> None:
    """Also where two exchange their names; a header that is not there is missed by its old one."""
    rename = {"wann": "time_stamp", "wer": "user_id", "note": "event_name", "event_name": "note"}
    rows = [[NASTY[n % len(NASTY)], str(1700000000 + n), f"user{n}", "Sold"] for n in range(20)]
    feed = _make_feed(rename=rename)
    found = _inspect(tmp_path, _render([["event_name", "wann", "wer", "note"], *rows]), feed)
    assert (found.header.names, found.earliest_ts) == (("note", "time_stamp", "user_id", "event_name"), 1700000000)
    assert _read(found.path)[1:] == rows
    with pytest.raises(Refused, match="'wann', to be renamed to 'time_stamp', is missing"):
        _inspect(tmp_path, _render([["event_name", "wer", "note"], ["x", "u", "Sold"]]), feed)


def test_the_constant_event_name_is_written_into_every_row(tmp_path: Path) -> None:
    """Files without a column for it get one, called as the receiver calls it; a quote in it is kept."""
    columns = {header: column for header, column in FEEDS["purchases"]["columns"].items() if header != "event_name"}
    feed = _make_feed(event_name="Order placed, twice", columns=columns)
    rows = [row[1:] for row in _make_rows(12)]
    found = _inspect(tmp_path, _render([HEADER[1:], *rows]), feed)
    assert _read(found.path) == [[*HEADER[1:], "evtName"], *([*row, "Order placed, twice"] for row in rows)]
    with pytest.raises(Refused, match="becomes evtName, and event_name is set"):
        _inspect(tmp_path, _render([[*HEADER[1:], "evtName"], [*rows[0], "x"]]), feed)


# Order.


def test_events_are_sorted_by_time(tmp_path: Path) -> None:
    """Over several chunks and threads; equal times keep their order, refused rows are kept aside, none is lost."""
    chance = random.Random(20260101)  # noqa: S311 - seeded, so that a failure can be repeated
    rows = [["Sold", str(1_600_000_000 + chance.randrange(50_000)), f"user{n}", NASTY[n % 9]] for n in range(200_000)]
    for n in range(0, 200_000, 1000):
        rows[n][2] = "null"
    found = _inspect(tmp_path, _render([HEADER, *rows]), _make_feed(sort_by_time=True))
    good = [row for row in rows if row[2] != "null"]
    assert _read(found.path)[1:] == sorted(good, key=lambda row: int(row[1]))
    assert (found.records, found.refused_rows, found.earliest_ts) == (199_800, 200, min(int(row[1]) for row in good))


def test_events_without_a_time_come_last(tmp_path: Path) -> None:
    """An empty ts means "when processed" (CleverTap)."""
    rows = [["Sold", time, f"user{n}", ""] for n, time in enumerate(["", "1700000002", "", "1700000001"])]
    found = _inspect(tmp_path, _render([HEADER, *rows]), _make_feed(sort_by_time=True))
    assert [row[2] for row in _read(found.path)[1:]] == ["user3", "user1", "user0", "user2"]
    feed = _make_feed(
        sort_by_time=True, columns={"user_id": {"ct_name": "identity"}, "event_name": {"ct_name": "evtName"}}
    )
    with pytest.raises(Refused, match="no column becomes ts"):
        _inspect(tmp_path, _render([["event_name", "user_id"], ["Sold", "u"]]), feed)


# Duplicates.


def test_a_row_that_was_there_before_is_left_out(tmp_path: Path) -> None:
    """The first of equal rows is sent; cells that only look equal when run together are different rows."""
    feed = _make_feed(deduplicate={"columns": ["user_id", "note"]})
    rows = [
        ["Sold", "1700000000", "ab", "c"],
        ["Sold", "1700000001", "a", "bc"],
        ["Bought", "1700000002", "ab", "c"],
        ["Sold", "1700000003", "a", ""],
        ["Sold", "1700000004", "a", ""],
        ["Sold", "soon", "x", "refused, and so not the first"],
        ["Sold", "1700000005", "x", "refused, and so not the first"],
    ]
    found = _inspect(tmp_path, _render([HEADER, *rows]), feed)
    assert _read(found.path)[1:] == [rows[0], rows[1], rows[3], rows[6]]
    assert (found.records, found.refused_rows, found.duplicate_rows) == (4, 1, 2)
    (repeated,) = (tally for tally in found.tallies if tally.rule == "row.duplicate")
    assert (repeated.rows, [finding.line for finding in repeated.first]) == (2, [4, 6])


def test_a_file_without_duplicates_is_not_rewritten(tmp_path: Path) -> None:
    """To be looked at for duplicates costs a clean file nothing but the look."""
    feed = _make_feed(deduplicate={"columns": ["user_id"]})
    found = _inspect(tmp_path, _render([HEADER, *_make_rows(50)]), feed)
    assert (found.is_rewritten, found.duplicate_rows) == (False, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"source.csv", "fingerprints.parquet"}


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_failures_that_the_receiver_tells_of_come_back(tmp_path: Path, encoding: str) -> None:
    """They have the form that was sent: commas, UTF-8, the names and the constant that the feed adds."""
    feed = _make_feed(
        delimiter=";", encoding=encoding, rename={"wer": "user_id"}, event_name="Sold \u2013 out", columns=_TIMED
    )
    rows = [["time_stamp", "wer", "note"], *[["1700000000", f"u{n}", "zw\u00f6lf, 12"] for n in range(3)]]
    sent = _read(_inspect(tmp_path, _render(rows, ";").decode().encode(encoding), feed).path)
    failures = [[*sent[0], DESCRIPTION], *[[*row, "because"] for row in sent[1:]]]
    found = _inspect(tmp_path, _render(failures), feed)
    assert _read(found.path) == sent


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_refused_rows_come_back_as_a_spreadsheet_program_saves_them(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    """With the delimiter of its country, a mark or the feed's encoding: their last column tells what they are."""
    feed = _make_feed(encoding=encoding)
    rows = [[*HEADER, DESCRIPTION], *[[*row[:-1], "zw\u00f6lf, 12; 13", "because"] for row in _make_rows(3)]]
    as_utf8 = b"\xef\xbb\xbf" + _render(rows, delimiter)
    for saved in (as_utf8, _render(rows, delimiter).decode().encode(encoding)):
        assert _read(_inspect(tmp_path, saved, feed).path) == [row[:-1] for row in rows]


def _remember(folder: Path, content: bytes, feed: Feed) -> Path:
    _inspect(folder, content, feed)
    return (folder / "fingerprints.parquet").rename(folder / "earlier.parquet")


def test_earlier_rows_are_known_whatever_the_order_of_columns(tmp_path: Path) -> None:
    """A row is the same where its cells are under the same headers, and another where they have changed places."""
    feed = _make_feed(deduplicate={"columns": ["user_id", "note"], "days": 7})
    earlier = _remember(tmp_path, _render([HEADER, ["Sold", "1700000000", "a", "b"]]), feed)
    swapped = ["note", "time_stamp", "user_id", "event_name"]
    rows = [["b", "1700000000", "a", "Sold"], ["a", "1700000000", "b", "Sold"]]
    found = _inspect(tmp_path, _render([swapped, *rows]), feed, [earlier])
    assert (found.records, found.duplicate_rows) == (1, 1)
    assert _read(found.path)[1:] == rows[1:]


def test_rows_that_another_setting_told_apart_are_not_known(tmp_path: Path) -> None:
    """A value that was in one column before is no duplicate in another; the order of the setting means nothing."""
    rows = [HEADER, ["Sold", "1700000000", "a", "b"]]
    earlier = _remember(tmp_path, _render(rows), _make_feed(deduplicate={"columns": ["user_id", "note"], "days": 7}))
    turned = _make_feed(deduplicate={"columns": ["note", "user_id"], "days": 7})
    with pytest.raises(Refused, match="was sent before"):
        _inspect(tmp_path, _render(rows), turned, [earlier])
    earlier = _remember(tmp_path, _render(rows), _make_feed(deduplicate={"columns": ["user_id"], "days": 7}))
    changed = _make_feed(deduplicate={"columns": ["note"], "days": 7})
    found = _inspect(tmp_path, _render([HEADER, ["Sold", "1700000000", "b", "a"]]), changed, [earlier])
    assert (found.records, found.duplicate_rows) == (1, 0)


def test_a_folder_called_like_a_column_changes_no_cell(tmp_path: Path) -> None:
    """A file is written anew from what is in it, wherever it lies."""
    folder = tmp_path / "c2=everybody"
    folder.mkdir()
    rows = _make_rows(3)
    found = _inspect(folder, _render([HEADER, *rows], ";"), _make_feed(delimiter=";"))
    assert _read(found.path)[1:] == rows


def test_rows_of_earlier_files_are_known(tmp_path: Path) -> None:
    """By their fingerprints; where nothing new is left, the file is refused."""
    feed = _make_feed(deduplicate={"columns": ["user_id"]})
    rows = _make_rows(100)
    _inspect(tmp_path, _render([HEADER, *rows[:60]]), feed)
    earlier = tmp_path / "fingerprints.parquet"
    earlier = earlier.rename(tmp_path / "earlier.parquet")
    found = _inspect(tmp_path, _render([HEADER, *rows[30:], *rows[90:]]), feed, [earlier])
    assert (found.records, found.duplicate_rows) == (40, 40)
    assert _read(found.path)[1:] == rows[60:]
    with pytest.raises(Refused, match="all 60 rows of it were sent before"):
        _inspect(tmp_path, _render([HEADER, *rows[:60]]), feed, [earlier])
    with pytest.raises(Refused, match="'user_id', by which rows are told apart, is missing"):
        _inspect(
            tmp_path, _render([HEADER[:2], rows[0][:2]]), _make_feed(deduplicate={"columns": ["user_id"]}, columns={})
        )


def test_everything_at_once(tmp_path: Path) -> None:
    """Another delimiter, names, order, duplicates and refused rows in one file, written once."""
    feed = _make_feed(
        delimiter=";", rename={"wer": "user_id"}, sort_by_time=True, deduplicate={"columns": ["user_id", "time_stamp"]}
    )
    rows = _make_rows(500)
    dropped = [*reversed(rows), *rows[:50], ["Sold", "soon", "user", "x"]]
    found = _inspect(tmp_path, _render([[*HEADER[:2], "wer", "note"], *dropped], ";"), feed)
    assert (found.records, found.refused_rows, found.duplicate_rows) == (500, 1, 50)
    assert _read(found.path) == [HEADER, *rows]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"source.csv", "good_rows.csv", "fingerprints.parquet", FAILED_ROWS_NAME}


# Through to the receiver.


async def _deliver(configuration: Configuration) -> tuple[ExitCode, list[Source]]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        return verdict.exit_code, ledger.sources.list_in(set(SourceState))


async def test_rows_sent_in_earlier_runs_are_not_sent_again(tmp_path: Path) -> None:
    """Over two runs: the receiver sees each row once; ledger and report tell how many were left out."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        asked = {"deduplicate": {"columns": ["user_id", "time_stamp"], "days": 3}}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": asked}}).configuration
        rows = _make_rows(100)
        (configuration.staging / "purchases_1.csv").write_bytes(_render([HEADER, *rows[:70]]))
        assert (await _deliver(configuration))[0] is ExitCode.DONE
        (configuration.staging / "purchases_2.csv").write_bytes(_render([HEADER, *rows[40:]]))
        code, sources = await _deliver(configuration)
        await sandbox.wait_until_idle()
    second = sources[-1]
    assert (code, second.records, second.duplicate_rows, second.state) == (ExitCode.DONE, 30, 30, SourceState.ARCHIVED)
    taken = [entry.details["rows"] for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert taken == [70, 30]
    report = json.loads((configuration.workspace / "rejected" / second.id / "report.json").read_text(encoding="utf-8"))
    assert (report["duplicate_rows"], report["sent_rows"], report["rules"]["row.duplicate"]) == (30, 30, 30)
    kept = {path.stem for path in (configuration.workspace / "fingerprints" / "purchases").iterdir()}
    assert kept == {source.id for source in sources}


async def test_a_file_of_which_nothing_is_new_says_so(tmp_path: Path) -> None:
    """A copy is held with its first named, and sent whole once released; rows of several files are never released."""
    asked = {"deduplicate": {"columns": ["user_id", "time_stamp"], "days": 3}, "on_bad_rows": "reject"}
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(
            configure, tmp_path, sandbox, {"feeds": {"purchases": {**asked, "max_bad_rows": 0.5}}}
        )
        rows, bad = _make_rows(20), ["Sold", "1700000000", "", ""]
        contents = {"1": rows[:10], "2": rows[10:], "3": rows[:10], "4": rows, "5": [*rows[5:15], bad]}
        sources = []
        for name, content in contents.items():
            (written.configuration.staging / f"purchases_{name}.csv").write_bytes(_render([HEADER, *content]))
            sources = (await _deliver(written.configuration))[1]
        first, _, copy, mix, broken = sources
        assert (copy.state, mix.state, broken.state) == (SourceState.HELD, *[SourceState.QUARANTINED] * 2)
        said = (
            f"all 10 rows of it were sent before: its content is that of purchases_1.csv, source {first.id}, archived "
        )
        assert said in str(copy.reason)
        assert mix.reason == "all 20 rows of it were sent before"
        assert broken.reason == ("no row of it is new: 10 of 11 were sent before, and the others break a rule")
        shown = await call(written.path, "status")
        commands = re.findall(r"next: sftp-orchestrator --config \S+ (.+)", shown.out)
        released, refused = await asyncio.gather(
            call(written.path, "release", copy.id), call(written.path, "release", mix.id)
        )
        _, sources = await _deliver(written.configuration)
        await sandbox.wait_until_idle()
    assert sorted(commands) == sorted(
        [f"discard {source.id}" for source in (copy, mix, broken)] + [f"release {copy.id}"]
    )
    assert (released.code, refused.code, refused.errors.count("\n")) == (0, 2, 1)
    assert "its rows were sent before, in other files, and are not sent twice" in refused.errors
    assert [source.state for source in sources] == [SourceState.ARCHIVED] * 3 + [SourceState.QUARANTINED] * 2
    taken = [entry.details["rows"] for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert taken == [10, 10, 10]


async def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    """Beyond max_rows the oldest files are forgotten, and their fingerprints removed."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        asked = {"deduplicate": {"columns": ["user_id"], "days": 3, "max_rows": 25}, "same_file": "send"}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": asked}}).configuration
        rows = _make_rows(30)
        for number, first in enumerate((0, 10, 20, 0)):
            (configuration.staging / f"purchases_{number}.csv").write_bytes(
                _render([HEADER, *rows[first : first + 10]])
            )
            assert (await _deliver(configuration))[0] is ExitCode.DONE
        with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
            sources = ledger.sources.list_in(set(SourceState))
    assert [source.duplicate_rows for source in sources] == [0, 0, 0, 0]
    kept = {path.stem for path in (configuration.workspace / "fingerprints" / "purchases").iterdir()}
    assert kept == {source.id for source in sources[1:]}


async def test_a_compressed_file_goes_all_the_way(tmp_path: Path) -> None:
    """Claimed, unpacked, split, delivered, archived as it came."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        overrides = {
            "feeds": {"purchases": {"files": ["purchases*.csv.gz"]}},
            "destinations": {"production": {"limits": {"plain_bytes": 3000}}},
        }
        configuration = configure(tmp_path, sandbox, overrides).configuration
        content = gzip.compress(_render([HEADER, *_make_rows(300)]))
        (configuration.staging / "purchases.csv.gz").write_bytes(content)
        code, (source,) = await _deliver(configuration)
        await sandbox.wait_until_idle()
    assert (code, source.state, source.records, source.size) == (ExitCode.DONE, SourceState.ARCHIVED, 300, len(content))
    taken = [entry.details["rows"] for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert len(taken) > 3
    assert sum(taken) == 300
    (archived,) = (configuration.workspace / "archive").rglob("purchases.csv.gz")
    assert archived.read_bytes() == content
    assert list((configuration.workspace / "work").iterdir()) == []
