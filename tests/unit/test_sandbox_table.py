from __future__ import annotations

import csv
import hashlib
import threading
from pathlib import Path

import pytest

from sftp_orchestrator.sandbox import refusals
from sftp_orchestrator.sandbox.failures import Breach
from sftp_orchestrator.sandbox.manifest import Column, Manifest
from sftp_orchestrator.sandbox.table import Stopped, Summary, read_table

EVENTS = Manifest(
    file_name="a.csv",
    type="event",
    client_email="data-team@example.com",
    columns={
        "name": Column(property_name="evtName"),
        "time": Column(property_name="ts"),
        "user": Column(property_name="identity"),
    },
)
NOW = 1_800_000_000.0
PROFILES = Manifest(file_name="a.csv", type="profile", client_email="data-team@example.com")


def read(folder: Path, content: bytes, manifest: Manifest = EVENTS) -> Summary:
    """Return what a data file of ``content`` holds; its failed rows go to ``failed.csv``."""
    (folder / "a.csv").write_bytes(content)
    return read_table(folder / "a.csv", manifest, folder / "failed.csv", threading.Event(), now=NOW)


def read_failures(folder: Path) -> list[list[str]]:
    """Return the CSV of failed rows."""
    with (folder / "failed.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def test_summary(tmp_path: Path) -> None:
    """Rows, bytes, hash and times are those of the file; lines may end in CR LF, and cells have lines of their own."""
    content = b'name,time,user\r\nSold,1700000005,"a\r\nb"\r\nSold,1700000001,c\r\nSold,,d\r\n'
    summary = read(tmp_path, content)
    assert (summary.rows, summary.failed_rows, summary.bytes) == (3, 0, len(content))
    assert summary.sha256 == hashlib.sha256(content).hexdigest()
    assert (summary.earliest_ts, summary.latest_ts) == (1700000001, 1700000005)
    assert not (tmp_path / "failed.csv").exists()


def test_header_alone(tmp_path: Path) -> None:
    """A file without rows is no mistake."""
    summary = read(tmp_path, b"identity\n", PROFILES)
    assert (summary.rows, summary.earliest_ts, summary.latest_ts) == (0, None, None)


def test_byte_order_mark(tmp_path: Path) -> None:
    """A UTF-8 BOM is no part of the first header."""
    assert read(tmp_path, b"\xef\xbb\xbfidentity\na\n", PROFILES).layout.header == ("identity",)


def test_failed_rows(tmp_path: Path) -> None:
    """Ragged rows and rows that are nobody's fail alone, and are given back as the vendor does."""
    summary = read(tmp_path, b"name,time,user\nSold,1,a\nSold,2\nSold,3,b,c,d\nSold,4,  \n\nSold,5,e\n")
    assert (summary.rows, summary.failed_rows) == (5, 3)
    assert (summary.earliest_ts, summary.latest_ts) == (1, 5)
    assert summary.breaches == {
        "row_width": Breach(rows=2, first_row=2),
        "identity_missing": Breach(rows=1, first_row=4),
    }
    assert read_failures(tmp_path) == [
        ["name", "time", "user", "Failure Description"],
        ["Sold", "2", "", "Row has 2 columns, the header has 3"],
        ["Sold", "3", "b", "Row has 5 columns, the header has 3; surplus: c, d"],
        ["Sold", "4", "  ", refusals.IDENTITY_MANDATORY],
    ]


def test_all_reasons_of_a_failed_row(tmp_path: Path) -> None:
    """A failed row is given back with its cells as they were and everything that is wrong; it tells no time."""
    content = 'name,time,user,note\r\nStayed,1700000000000,null,"Grüße,\n""東京"""\r\nSold,1,a,ok\r\n'.encode()
    summary = read(tmp_path, content)
    assert (summary.rows, summary.failed_rows, summary.latest_ts) == (2, 1, 1)
    reasons = [
        "Value of user is not allowed as an identity",
        refusals.EVENT_NAME_RESTRICTED,
        "Value of time is a time in milliseconds, not in epoch seconds",
    ]
    assert read_failures(tmp_path) == [
        ["name", "time", "user", "note", "Failure Description"],
        ["Stayed", "1700000000000", "null", 'Grüße,\n"東京"', "; ".join(reasons)],
    ]


def test_a_row_counts_once_for_a_rule(tmp_path: Path) -> None:
    """Where several columns of a row break the same rule, it is one row that failed for it."""
    content = "identity,a,b\nx,{0},{0}\nx,,\nx,{0},\n".format("y" * 513).encode()
    summary = read(tmp_path, content, PROFILES)
    assert (summary.rows, summary.failed_rows) == (3, 2)
    assert summary.breaches == {"value_too_long": Breach(rows=2, first_row=1)}


def test_the_future_is_told_by_the_clock(tmp_path: Path) -> None:
    """A time a day ahead is taken, and a second more is not."""
    summary = read(tmp_path, b"name,time,user\nSold,1800086400,a\nSold,1800086401,a\n")
    assert (summary.rows, summary.failed_rows, summary.latest_ts) == (2, 1, 1_800_086_400)


@pytest.mark.parametrize("header", ["identity", "objectId", "fbId", "gpId"])
def test_any_identity_is_enough(tmp_path: Path, header: str) -> None:
    """One of the four says whose the rows are, under its own header where nothing maps it."""
    assert read(tmp_path, f"{header},Name\na,b\n".encode(), PROFILES).failed_rows == 0


@pytest.mark.parametrize(
    ("content", "manifest", "vendor"),
    [
        (b"", PROFILES, refusals.UNREADABLE),
        (b"\nidentity\n", PROFILES, refusals.UNREADABLE),
        ("identity\nJürgen\n".encode("latin-1"), PROFILES, refusals.UNREADABLE),
        ("identity\na\n".encode("utf-16"), PROFILES, refusals.UNREADABLE),
        (b'identity\n"a\n', PROFILES, refusals.UNREADABLE),
        (b'identity\n"a"b\n', PROFILES, refusals.UNREADABLE),
        (b"Identity\na\n", PROFILES, refusals.IDENTITY_MANDATORY),
        (b"identity;Name\na;b\n", PROFILES, refusals.IDENTITY_MANDATORY),
        (b"time,user\n1,a\n", EVENTS, refusals.EVENT_NAME_MANDATORY),
    ],
)
def test_refused(tmp_path: Path, content: bytes, manifest: Manifest, vendor: str) -> None:
    """What cannot be read, or lacks a column that every file must have, is refused as a whole."""
    with pytest.raises(refusals.Refusal) as caught:
        read(tmp_path, content, manifest)
    assert caught.value.vendor == vendor


def test_a_file_is_refused_for_all_that_is_wrong(tmp_path: Path) -> None:
    """Everything that is wrong with the columns is told at once, in the vendor's words for the first of it."""
    with pytest.raises(refusals.Refusal) as caught:
        read(tmp_path, b"time,user,note,note,a.b,c.d\n1,a,,,,\n")
    refusal = caught.value
    assert refusal.vendor == refusals.EVENT_NAME_MANDATORY
    assert refusal.rules == (
        "event_name_column_missing",
        "column_not_in_data",
        "property_repeated",
        "property_name_characters",
    )
    assert "no column 'name'" in refusal.reason
    assert "'c.d'" in refusal.reason


def test_a_refused_file_has_no_failed_rows(tmp_path: Path) -> None:
    """Where the whole file is refused, no list of rows is left behind."""
    with pytest.raises(refusals.Refusal):
        read(tmp_path, b'identity,Name\na\n"b\n', PROFILES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_stopping(tmp_path: Path) -> None:
    """A sandbox that stops does not read on."""
    (tmp_path / "a.csv").write_bytes(b"identity\na\n")
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Stopped):
        read_table(tmp_path / "a.csv", PROFILES, tmp_path / "failed.csv", stopping, now=NOW)
