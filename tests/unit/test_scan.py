"""The pass over a file: what it counts, and each refusal with its line, wherever the chunks' borders fall."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.text.scan import Scan, scan

CHUNKS = [1, 2, 3, 5, 1024 * 1024]
H = b"a,b,c\n"
C = b"a,b,c\r\n"
BOM = b"\xef\xbb\xbf"


def scan_bytes(folder: Path, content: bytes, chunk_bytes: int) -> Scan:
    """Write ``content`` and scan it."""
    path = folder / "source.csv"
    path.write_bytes(content)
    return scan(path, chunk_bytes=chunk_bytes)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (H + b'1,5" pipe,3\n', "quote.stray", 2),
        (H + b'1,2,3\n1,"ab"c,3\n', "quote.stray", 3),
        (H + b'1, "a",3\n', "quote.stray", 2),
        (H + b'1,"x\ny",3\n1,a"",3\n', "quote.stray", 4),
        (C + b'1,2,"3"x\r\n', "quote.stray", 2),
        (H + b'1,2,3\n1,"ab,3\n4,5,6\n', "quote.unterminated", 3),
        (H + b'1,"x\ny",3\n1,"a""b\n\n', "quote.unterminated", 4),
        (H + b"1,a\rb,3\n", "row.lone_cr", 2),
        (C + b"1,2,3\r4,5,6\r\n", "row.lone_cr", 2),
        (H + b"1,2,3\r", "row.lone_cr", 2),
        (b"a,b\r1,2\r", "row.lone_cr", 1),
        (b"a,b\r1,2\r3,4\n", "row.lone_cr", 1),
        (b'a,"b"\r1,"2"\r\n', "row.lone_cr", 1),
        (H + b"1,2,3\n4,5,6\r\n", "row.mixed_breaks", 3),
        (C + b"1,2,3\r\n4,5,6\n7,8,9\r\n", "row.mixed_breaks", 3),
        (H + b"\n1,2,3\n", "row.blank", 2),
        (H + b"1,2,3\n\n4,5,6\n", "row.blank", 3),
        (C + b"1,2,3\r\n\r\n\r\n4,5,6\r\n", "row.blank", 3),
        (H + b'1,"x\n\ny",3\n\n4,5,6', "row.blank", 5),
        (H + b"1,2,3\n1,a\0b,3\n", "text.nul", 3),
        (H + b"1,2,3\n1,a\xe9b,3\n", "text.not_utf8", 3),
        (H + b"1,2,3\n1,\xe2\x82,3\n", "text.not_utf8", 3),
        (H + b"1,2,\xf0\x9f\x98", "text.not_utf8", 2),
        (H + b"1,\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80,3\n\xed\xa0\x80,2,3\n", "text.not_utf8", 3),
        (b"", "file.empty", None),
        (H, "file.no_rows", 1),
        (H + b"\n\n", "file.no_rows", 1),
        (BOM, "file.no_rows", 1),
        (b"a,b,c", "file.no_rows", 1),
        ("a,b\n1,2\n".encode("utf-16"), "text.utf16", 1),
        (b"\xfe\xff" + "a,b\n1,2\n".encode("utf-16-be"), "text.utf16", 1),
        (b"a,a\n1,2\n", "header.duplicate_name", 1),
        (b"a,,c\n1,2,3\n", "header.empty_name", 1),
        (b"a;b\n1;2\n", "header.delimiter", 1),
        (b"a\tb\n1\t2\n", "header.delimiter", 1),
        (b"a|b\n1|2\n", "header.delimiter", 1),
        (b"x" * 1_100_000 + b"\n1\n", "header.too_long", 1),
    ],
)
def test_refusal_names_rule_and_line(
    tmp_path: Path, content: bytes, rule: str, line: int | None, chunk_bytes: int
) -> None:
    """What breaks RFC 4180 or UTF-8 is refused with a stable rule id and the physical line."""
    with pytest.raises(Refused) as caught:
        scan_bytes(tmp_path, content, chunk_bytes)
    assert (caught.value.findings[0].rule, caught.value.findings[0].line) == (rule, line)


@pytest.mark.parametrize("chunk_bytes", CHUNKS)
@pytest.mark.parametrize(
    ("content", "records", "left_out"),
    [
        (H + b"1,2,3", 1, 0),
        (H + b"1,2,3\n4,5,6\n", 2, 0),
        (H + b"1,2,3\n\n\n\n", 1, 3),
        (C + b"1,2,3\r\n\r\n", 1, 2),
        (BOM + b'"a","b\n""x""",c\n1,2,3\n', 1, 0),
        (H + b'"","a""b","""x"""\n"\n","\r\n",","\n', 2, 0),
        (C + b'"1\n",2,"\r"\r\n', 1, 0),
        (H + "é,漢,😀\n".encode() * 3, 3, 0),
    ],
)
def test_good_file_is_counted(tmp_path: Path, content: bytes, records: int, left_out: int, chunk_bytes: int) -> None:
    """Records, their range and the hash of the whole file are right; blank lines at the very end are no data."""
    found = scan_bytes(tmp_path, content, chunk_bytes)
    assert found.records == records
    assert found.body_end == len(content) - left_out
    assert found.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("tail", "rule", "line"),
    [
        (b"x,y\n" * 1_200_000, "quote.unterminated", 3),
        (b"x,\xe6\xbc\xa2\n" * 800_000, "quote.unterminated", 3),
        (b"x,y\n" * 1_200_000 + b'","\n', "record.too_long", 3),
        (b'"x"y' + b"x,y\n" * 1_200_000, "quote.stray", 3),
    ],
    ids=["never closed", "never closed, no ASCII", "closed late", "and a stray one"],
)
def test_quote_that_is_not_closed_for_long(tmp_path: Path, tail: bytes, rule: str, line: int) -> None:
    """A quote that swallows more rows than a record may have is refused where it begins, with no more memory."""
    with pytest.raises(Refused) as caught:
        scan_bytes(tmp_path, H + b'1,2,3\n1,"' + tail, 1024 * 1024)
    assert (caught.value.findings[0].rule, caught.value.findings[0].line) == (rule, line)


def test_file_that_grows_goes_back_to_waiting(tmp_path: Path) -> None:
    """A file written to during the pass is no broken file, even where it looks like one."""
    path = tmp_path / "source.csv"
    path.write_bytes(H + b'1,"2,3\n' * 2)

    def append(_: int) -> None:
        with path.open("ab") as stream:
            stream.write(b'"')

    with pytest.raises(SourceChanged):
        scan(path, chunk_bytes=8, watch=Watch(progress=append))


def test_pass_stops_when_told(tmp_path: Path) -> None:
    """Told to stop, it does at the next chunk."""
    path = tmp_path / "source.csv"
    path.write_bytes(H + b"1,2,3\n" * 100)
    read: list[int] = []
    with pytest.raises(Stopped):
        scan(path, chunk_bytes=10, watch=Watch(cancelled=lambda: len(read) == 3, progress=read.append))
    assert read == [10, 10, 10]


@pytest.mark.parametrize("kind", ["missing", "link", "folder"])
def test_what_is_no_file_is_said(tmp_path: Path, kind: str) -> None:
    """A missing file, a link or a folder is an error of ours."""
    path = tmp_path / "source.csv"
    if kind == "link":
        (tmp_path / "real").write_bytes(H + b"1,2,3\n")
        path.symlink_to(tmp_path / "real")
    elif kind == "folder":
        os.mkfifo(tmp_path / "unused")
        path.mkdir()
    with pytest.raises(LocalFault, match=r"source\.csv"):
        scan(path)
