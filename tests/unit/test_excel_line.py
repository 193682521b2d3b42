"""The line ``sep=;`` that Excel writes before the header: named for what it is, and no other line taken for it."""

from __future__ import annotations

import pytest

from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.text.header import parse_header


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (b"sep=;\r\n", 'have the producer leave this line out, and set the feed\'s delimiter: ";"'),
        (b"\xef\xbb\xbfsep=;\n", 'have the producer leave this line out, and set the feed\'s delimiter: ";"'),
        (b'"sep=|"\n', 'have the producer leave this line out, and set the feed\'s delimiter: "|"'),
        (b"SEP=\t\r\n", 'have the producer leave this line out, and set the feed\'s delimiter: "\\t"'),
        (b"sep=,\n", "have the producer leave this line out"),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_line_for_excel_is_named(line: bytes, hint: str, delimiter: str) -> None:
    """Whatever the feed's delimiter is, the cause is the line itself, and what to do about it."""
    with pytest.raises(Refused) as caught:
        parse_header(line + b"a;b\n1;2\n", delimiter)
    assert [tally.rule for tally in caught.value.tallies] == ["header.delimiter"]
    assert "tells Excel alone what separates columns" in caught.value.cause
    assert caught.value.hint == hint


@pytest.mark.parametrize("line", [b"sep\n", b"sep=x\n", b"sep,b\n", b"step=;b,c\n", b"a,sep=;\n"])
def test_a_header_that_begins_alike_is_one(line: bytes) -> None:
    """Only the line as a whole is Excel's."""
    assert parse_header(line + b"1,2\n").header_bytes == line
