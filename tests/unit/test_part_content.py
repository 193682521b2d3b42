"""The bytes of a part as a stream."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sftp_orchestrator.errors import LocalFault, SourceChanged
from sftp_orchestrator.prepare.parts.part_content import BytesContent, FileContent, PartContent

HEADER = b"a,b\n"
SOURCE = b"\xef\xbb\xbf" + HEADER + b"1,2\n3,4\n5,6\n"


@pytest.fixture
def content(tmp_path: Path) -> PartContent:
    """The second record, after a header that stands behind a BOM."""
    path = tmp_path / "source.csv"
    path.write_bytes(SOURCE)
    status = path.stat()
    return PartContent(
        path=path,
        header_bytes=HEADER,
        start=11,
        end=15,
        expected_size=status.st_size,
        expected_mtime_ns=status.st_mtime_ns,
    )


@pytest.mark.parametrize("step", [1, 3, 5, 100, -1])
def test_part_is_header_and_range(content: PartContent, step: int) -> None:
    """However it is read, a part is the header and its range, as often as wanted."""
    for _ in range(2):
        with content.open() as stream:
            pieces = list(iter(lambda: stream.read(step), b""))
        assert b"".join(pieces) == HEADER + b"3,4\n"
        assert content.size == len(HEADER) + 4


def test_reading_tells_a_change_before_it_ends(content: PartContent) -> None:
    """A source that is written to while it is read never ends as if it were whole."""
    with content.open() as stream:
        stream.read(2)
        with content.path.open("ab") as writer:
            writer.write(b"7,8\n")
        with pytest.raises(SourceChanged):
            list(iter(lambda: stream.read(3), b""))


@pytest.mark.parametrize("size", [0, 13])
def test_cut_source_is_told(content: PartContent, size: int) -> None:
    """A source that is shorter than it was is told at once."""
    os.truncate(content.path, size)
    with pytest.raises(SourceChanged), content.open() as stream:
        stream.read()


def test_rename_is_no_change(content: PartContent) -> None:
    """Renaming the source while it is read changes nothing of its content."""
    with content.open() as stream:
        content.path.rename(content.path.with_name("elsewhere"))
        assert stream.read() == HEADER + b"3,4\n"


def test_missing_source_is_told(content: PartContent) -> None:
    """A source that is gone, or became a link, is an error of ours that names it."""
    content.path.rename(content.path.with_name("elsewhere"))
    content.path.symlink_to(content.path.with_name("elsewhere"))
    with pytest.raises(LocalFault, match=r"source\.csv"):
        content.open()


def test_file_and_bytes_read_from_the_start_each_time(tmp_path: Path) -> None:
    """Encrypted pieces and manifests are read from the start as often as wanted."""
    (tmp_path / "piece").write_bytes(b"piece")
    for content in (FileContent(tmp_path / "piece"), BytesContent(b"piece")):
        for _ in range(2):
            with content.open() as stream:
                assert stream.read() == b"piece"
        assert content.size == 5
