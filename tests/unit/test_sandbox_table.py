from __future__ import annotations

import csv
import hashlib
import threading
from pathlib import Path

import pytest

from sftp_orchestrator.sandbox import refusals
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
PROFILES = Manifest(file_name="a.csv", type="profile", client_email="data-team@example.com")


def read(folder: Path, content: bytes, manifest: Manifest = EVENTS) -> Summary:
    """Return what a data file of ``content`` holds; its failed rows go to ``failed.csv``."""
    (folder / "a.csv").write_bytes(content)
    return read_table(folder / "a.csv", manifest, folder / "failed.csv", threading.Event())


def test_summary(tmp_path: Path) -> None:
    """Rows, bytes, hash and times are those of the file."""
    content = b'name,time,user\r\nSold,1700000005,"a\r\nb"\r\nSold,1700000001,c\r\nSold,soon,d\r\n'
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
    assert read(tmp_path, b"\xef\xbb\xbfidentity\na\n", PROFILES).table.header == ("identity",)


def test_failed_rows(tmp_path: Path) -> None:
    """Ragged rows and rows that are nobody's fail alone, and are given back as the vendor does."""
    summary = read(tmp_path, b"name,time,user\nSold,1,a\nSold,2\nSold,3,b,c,d\nSold,4,  \n\nSold,5,e\n")
    assert (summary.rows, summary.failed_rows) == (5, 3)
    assert (summary.earliest_ts, summary.latest_ts) == (1, 5)
    with (tmp_path / "failed.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["name", "time", "user", "Failure Description"],
            ["Sold", "2", "", "Row has 2 columns, the header has 3"],
            ["Sold", "3", "b", "Row has 5 columns, the header has 3; surplus: c, d"],
            ["Sold", "4", "  ", refusals.IDENTITY_MANDATORY],
        ]


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
        read_table(tmp_path / "a.csv", PROFILES, tmp_path / "failed.csv", stopping)
