"""The inspection with the real DuckDB: what both readers find together."""

from __future__ import annotations

import datetime
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.rules import RULES
from sftp_orchestrator.errors import Failure, SourceChanged
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.row_checks import list_checks
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.tables.duck import open_duckdb
from sftp_orchestrator.prepare.tables.examine import Examination
from sftp_orchestrator.prepare.tables.table import Table
from sftp_orchestrator.prepare.text.header import MAX_RECORD_BYTES, parse_header

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HEADER = b"event_name,time_stamp,user_id\n"
MAPPED = {"time_stamp": {"ct_name": "ts", "type": "INTEGER"}}


def make_feed(type_: str = "event", columns: dict[str, Any] | None = None) -> Feed:
    """Return a feed of that type, without the rules of the receiver: they have tests of their own."""
    off = {rule.id: "off" for rule in RULES.values() if not rule.is_fixed}
    mapped = MAPPED if columns is None else columns
    return Feed.model_validate({"type": type_, "files": ["*.csv"], "columns": mapped, "rules": off})


def count_descriptors() -> int:
    """Return how many files this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def inspect_bytes(folder: Path, content: bytes, feed: Feed, *, name: str = "source.csv") -> Inspection:
    """Write ``content`` and inspect it; what must not stay behind is checked."""
    path = folder / name
    path.write_bytes(content)
    threads, descriptors = threading.active_count(), count_descriptors()
    try:
        return inspect(path, feed, now=NOW, outlet=folder)
    finally:
        assert [left.name for left in folder.iterdir()] == [path.name]
        assert threading.active_count() == threads
        assert count_descriptors() == descriptors


def test_earliest_event_is_found(tmp_path: Path) -> None:
    """The earliest ``ts`` orders the files; what is no number does not count."""
    body = b'a,1700000300,u\na,1700000100,u\na,,u\na,soon,"u\nv"\n'
    found = inspect_bytes(tmp_path, HEADER + body, make_feed())
    assert (found.earliest_ts, found.records, found.header.names[1]) == (1_700_000_100, 4, "time_stamp")


def test_unmapped_header_named_ts_is_the_time(tmp_path: Path) -> None:
    """A header keeps its own name where it is not mapped: so ``ts`` is the time."""
    assert inspect_bytes(tmp_path, b"ts,b\n20,x\n10,y\n", make_feed(columns={})).earliest_ts == 10


def test_profiles_have_no_time(tmp_path: Path) -> None:
    """Profiles are ordered by arrival."""
    assert inspect_bytes(tmp_path, b"ts,b\n20,x\n", make_feed("profile", {})).earliest_ts is None


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_ragged_rows_are_named_by_physical_line(tmp_path: Path, newline: bytes) -> None:
    """Rows with too few or too many values are refused, each with the line that an editor shows."""
    lines = [b"\xef\xbb\xbfa,b", b'1,"x', b'y"', b"1,2,3", b"4,5", b"6"]
    with pytest.raises(Refused) as caught:
        inspect_bytes(tmp_path, newline.join(lines) + newline, make_feed(columns={}))
    assert [(finding.rule, finding.line) for finding in caught.value.findings] == [("row.ragged", 4), ("row.ragged", 6)]


def test_number_of_ragged_rows_is_told(tmp_path: Path) -> None:
    """All ragged rows are counted, though only the first are listed."""
    with pytest.raises(Refused) as caught:
        inspect_bytes(tmp_path, b"a,b\n" + b"1\n" * 5000 + b"1,2\n", make_feed(columns={}))
    assert [tally.rows for tally in caught.value.tallies] == [5000]
    assert caught.value.findings[0].line == 2


def test_readers_that_count_other_rows_refuse_the_file(tmp_path: Path) -> None:
    """Where DuckDB sees another number of doubtful rows than the scan, nothing is sent on the word of one of them."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b"number,c\n1,x\n2,y\n")
    header = parse_header(b"a\n1\n")
    feed = Feed.model_validate({"type": "profile", "files": ["*.csv"]})
    checks = list_checks(list_columns(header.names, feed), feed, now=NOW, retention_days=None)
    with (
        pytest.raises(Refused) as caught,
        open_duckdb(Path("rows"), "reader.failed", folder=tmp_path, cancelled=lambda: False) as connection,
    ):
        Table(connection, path, header, rows=3, is_numbered=True).examine(Examination(connection, checks))
    assert [finding.rule for finding in caught.value.findings] == ["reader.disagree"]


def test_missing_columns_are_named(tmp_path: Path) -> None:
    """A mapped column that the file lacks is refused by name: its manifest would be invalid."""
    with pytest.raises(Refused, match="'gone'"):
        inspect_bytes(tmp_path, b"a,b\n1,2\n", make_feed(columns={"gone": {}}))


def test_all_missing_columns_are_named_in_one_line_with_what_is_there(tmp_path: Path) -> None:
    """Whoever corrects the one that is told should not meet the next one; a header that was meant is shown as such."""
    columns: dict[str, Any] = {"user_id": {}, "amount": {}, "gone": {}}
    feed = Feed.model_validate({"type": "event", "files": ["*"], "columns": columns, "rename": {"when": "ts"}})
    with pytest.raises(Refused) as caught:
        inspect_bytes(tmp_path, b"User_ID, amount ,x\n1,2,3\n", feed)
    assert caught.value.cause == (
        "line 1: 4 columns of the feed are missing: 'user_id' ('User_ID' is there: upper and lower case count),"
        " 'amount' (' amount ' is there: blanks count), 'gone', 'when' (to be renamed to 'ts');"
        " the header has: User_ID,  amount , x"
    )
    many = ",".join(f"c{number}" for number in range(25)).encode()
    with pytest.raises(Refused, match=r"the header has: c0, c1, .*, c19, … and 5 more"):
        inspect_bytes(tmp_path, many + b"\n" + b"1," * 24 + b"1\n", make_feed(columns={"gone": {}, "c7": {}}))


@pytest.mark.parametrize("wanted", ["user_id", "имя"])
def test_what_may_be_a_row_is_not_shown(tmp_path: Path, wanted: str) -> None:
    """A file without a header begins with somebody's data: it belongs in no reason, log or alert."""
    with pytest.raises(Refused) as caught:
        inspect_bytes(tmp_path, "Ada,Анна,ada@example.com\n1,2,3\n".encode(), make_feed(columns={wanted: {}}))
    assert caught.value.cause == f"line 1: the column '{wanted}' of the feed is missing; is line 1 a header?"


def test_refusal_of_the_pass_wins(tmp_path: Path) -> None:
    """A stray quote is refused as such, whatever a tolerant parser makes of it."""
    with pytest.raises(Refused) as caught:
        inspect_bytes(tmp_path, HEADER + b"a,1,u\n" * 1000 + b'a,5" pipe,u\n', make_feed())
    assert [(finding.rule, finding.line) for finding in caught.value.findings] == [("quote.stray", 1002)]


@pytest.mark.parametrize("name", ["a[1].csv", "*.csv", "with 'quotes'.csv", "source.gz.csv", "-dash.csv"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    """A file's name is never taken for a pattern, and only its ending for a kind of compression."""
    assert inspect_bytes(tmp_path, b"a,b\n1,2\n", make_feed(columns={}), name=name).records == 1


def test_odd_header_names_will_do(tmp_path: Path) -> None:
    """Header names may hold quotes, line breaks and SQL."""
    content = b'"a""b","c\nd","); drop table x; --"\n1,2,3\n'
    found = inspect_bytes(tmp_path, content, make_feed(columns={}))
    assert found.header.names == ('a"b', "c\nd", "); drop table x; --")
    assert found.records == 1


def test_change_during_the_inspection_is_told(tmp_path: Path) -> None:
    """A file written to while it is inspected goes back to waiting."""
    path = tmp_path / "source.csv"
    path.write_bytes(HEADER + b"a,1,u\n" * 10)

    def touch(_: int) -> None:
        os.utime(path, ns=(1, 1))

    with pytest.raises(SourceChanged):
        inspect(path, make_feed(), now=NOW, outlet=tmp_path, watch=Watch(progress=touch))


def test_inspection_stops_when_told(tmp_path: Path) -> None:
    """Told to stop, neither reader goes on."""
    path = tmp_path / "source.csv"
    path.write_bytes(HEADER + b"a,1,u\n" * 1_000_000)
    threads = threading.active_count()
    with pytest.raises((Stopped, Failure)):
        inspect(path, make_feed(), now=NOW, outlet=tmp_path, watch=Watch(cancelled=lambda: True))
    assert threading.active_count() == threads


@pytest.mark.parametrize("last_break", [b"\n", b""], ids=["with a last break", "without"])
def test_the_longest_record_is_read_and_a_longer_one_named(tmp_path: Path, last_break: bytes) -> None:
    """A record of MAX_RECORD_BYTES passes both readers; one byte more is refused with the line on which it begins."""
    before = HEADER + b'a,1,"u\nv"\n'
    shortest = len(b"a,1,") + len(last_break)
    for extra in (0, 1):
        folder = tmp_path / str(extra)
        folder.mkdir()
        content = before + b"a,1," + b"x" * (MAX_RECORD_BYTES - shortest + extra) + last_break
        if not extra:
            assert inspect_bytes(folder, content, make_feed()).records == 2
            continue
        with pytest.raises(Refused) as caught:
            inspect_bytes(folder, content, make_feed())
        (finding,) = caught.value.findings
        assert (finding.rule, finding.line) == ("record.too_long", 4)
