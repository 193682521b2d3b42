"""What is shown of refused rows: the first ones, of a file of any size and in any shape."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sftp_orchestrator.prepare.refusals import showing
from sftp_orchestrator.prepare.refusals.showing import SHOWN_ROWS, parse_rows, show_rows

HEADER = b"user_id,note,Failure Description\n"


def test_rows_are_cells_with_line_breaks_and_delimiters_in_them() -> None:
    """As the file means them; what is no UTF-8 is shown as such."""
    content = HEADER + b'u1,"a,b\nc",ts: not\nu2,\xff,why\n'
    shown = parse_rows(content, size=len(content))
    assert shown.header == ("user_id", "note", "Failure Description")
    assert shown.rows == (("u1", "a,b\nc", "ts: not"), ("u2", "\ufffd", "why"))
    assert not shown.has_more


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(delimiter: str) -> None:
    """Whatever the feed's is."""
    content = HEADER.replace(b",", delimiter.encode()) + f"u1{delimiter}a,b{delimiter}why\n".encode()
    assert parse_rows(content, size=len(content)).rows == (("u1", "a,b", "why"),)


def test_the_first_ones_are_shown_and_it_is_told_that_there_are_more() -> None:
    """Also where a row is cut by the end of what was looked at: half a row is none."""
    rows = b"".join(b"u%d,x,why\n" % number for number in range(SHOWN_ROWS + 1))
    shown = parse_rows(HEADER + rows, size=len(HEADER + rows))
    assert (len(shown.rows), shown.has_more) == (SHOWN_ROWS, True)
    cut = parse_rows(HEADER + b"u1,x,why\nu2,", size=10_000)
    assert (cut.rows, cut.has_more, cut.size) == ((("u1", "x", "why"),), True, 10_000)


def test_what_is_no_csv_any_more_breaks_nothing() -> None:
    """A cell beyond what the reader takes ends the list; a long one is shortened."""
    content = HEADER + b"u1,x,why\nu2," + b"y" * (csv.field_size_limit() + 1) + b",why\n"
    shown = parse_rows(content, size=len(content))
    assert (shown.rows, shown.has_more) == ((("u1", "x", "why"),), True)
    assert len(parse_rows(HEADER + b"u1," + b"y" * 999, size=0).rows[0][1]) < 300


def test_no_more_is_read_than_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of gigabytes costs what a small one does; one that is not there is none."""
    monkeypatch.setattr(showing, "LOOKED_AT_BYTES", len(HEADER) + 12)
    path = tmp_path / "failed_rows.csv"
    assert show_rows(path) is None
    path.write_bytes(HEADER + b"u1,x,why\n" * 1000)
    shown = show_rows(path)
    assert shown is not None
    assert (len(shown.rows), shown.has_more, shown.size) == (1, True, len(HEADER) + 9000)
