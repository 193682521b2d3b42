"""What a producer drops that is no UTF-8 text: unpacked once, read as strictly as any other, refused in plain words."""

from __future__ import annotations

import codecs
import csv
import datetime
import gzip
import hashlib
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import measuring
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.errors import DecisionNeeded, SourceChanged
from sftp_orchestrator.prepare.inspect import GOOD_ROWS_NAME, Inspection, inspect
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION, FAILED_ROWS_NAME
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Stopped, Watch
from sftp_orchestrator.prepare.unpack import parquet
from sftp_orchestrator.prepare.unpack.streams import CHUNK_BYTES
from tests.support.configuration import FEEDS
from tests.support.inspecting import take_table

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
Compress = Callable[[bytes], bytes]
TEXT = 'event_name,time_stamp,user_id,note\nSold,1700000000,user1,"zwölf €,\nzwei Zeilen"\nSold,1700000001,user2,\n'
ROWS = [["Sold", "1700000000", "user1", "zwölf €,\nzwei Zeilen"], ["Sold", "1700000001", "user2", ""]]


def _make_feed(**changes: Any) -> Feed:
    return Feed.model_validate({**FEEDS["purchases"], "max_bad_rows": 0.5, **changes})


def _inspect(
    folder: Path, name: str, content: bytes, feed: Feed | None = None, watch: Watch | None = None
) -> Inspection:
    (folder / "source.csv").write_bytes(content)
    return inspect(
        folder / "source.csv", feed or _make_feed(), now=NOW, name=name, outlet=folder, watch=watch or Watch()
    )


def _read(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))


def _require_refused(folder: Path, name: str, content: bytes, rule: str, feed: Feed | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        _inspect(folder, name, content, feed)
    assert [found.rule for found in caught.value.findings] == [rule]
    assert [path.name for path in folder.iterdir()] == ["source.csv"]
    return caught.value


def _compress_zstandard(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout


def _make_parquet(folder: Path, query: str) -> bytes:
    path = folder / "made.parquet"
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    content = path.read_bytes()
    path.unlink()
    return content


# Compression.


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("purchases.csv.gz", gzip.compress),
        ("PURCHASES.CSV.GZ", gzip.compress),
        ("purchases.csv.zst", _compress_zstandard),
    ],
)
def test_a_compressed_file_is_sent_as_the_text_in_it(tmp_path: Path, name: str, compress: Compress) -> None:
    """Byte for byte; what is known of the file is known of the compressed one."""
    content = compress(b"\xef\xbb\xbf" + TEXT.encode())
    found = _inspect(tmp_path, name, content)
    assert (found.records, found.is_rewritten, found.refused_rows) == (2, True, 0)
    assert found.path.read_bytes().removeprefix(b"\xef\xbb\xbf") == TEXT.encode()
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.fingerprint.size == len(content)
    assert {path.name for path in tmp_path.iterdir()} == {"source.csv", "good_rows.csv"}


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    """As gzip(1) has it: concatenated files are the concatenation of their contents."""
    middle = TEXT.index("\nSold,1700000001") + 1
    content = gzip.compress(TEXT[:middle].encode()) + gzip.compress(TEXT[middle:].encode())
    assert _inspect(tmp_path, "a.csv.gz", content).path.read_bytes() == TEXT.encode()


@pytest.mark.parametrize("compress", [gzip.compress, _compress_zstandard], ids=["gzip", "zstandard"])
@pytest.mark.parametrize("lost", [1, 4, 20])
def test_a_broken_tail_is_refused(tmp_path: Path, compress: Compress, lost: int) -> None:
    """A transfer that was cut off is no file with fewer rows."""
    content = compress(TEXT.encode() + os.urandom(3000).hex().encode())[:-lost]
    refused = _require_refused(
        tmp_path, f"a.csv.{'gz' if compress is gzip.compress else 'zst'}", content, "format.broken"
    )
    assert "cut off" in str(refused)


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    """A checksum that does not fit, or bytes that are no gzip."""
    content = bytearray(gzip.compress(TEXT.encode() * 1000))
    content[len(content) // 2] ^= 0xFF
    _require_refused(tmp_path, "a.csv.gz", bytes(content), "format.broken")
    _require_refused(tmp_path, "a.csv.gz", TEXT.encode(), "format.broken")
    _require_refused(tmp_path, "a.csv.zst", TEXT.encode(), "format.broken")


def test_what_is_in_it_is_refused_by_its_own_rules(tmp_path: Path) -> None:
    """Ragged rows of a compressed file are found as those of a plain one, with the line of the text."""
    refused = None
    try:
        _inspect(tmp_path, "a.csv.gz", gzip.compress(TEXT.encode() + b"Sold,1700000002\n"))
    except Refused as error:
        refused = error
    assert refused is not None
    assert [(found.rule, found.line) for found in refused.findings] == [("row.ragged", 5)]


def test_a_compressed_file_that_changes_goes_back_to_waiting(tmp_path: Path) -> None:
    """Written to while it is unpacked, it is not refused."""

    def touch(_: int) -> None:
        os.utime(tmp_path / "source.csv", ns=(1, 1))

    for content in (gzip.compress(TEXT.encode()), gzip.compress(TEXT.encode())[:-5]):
        with pytest.raises(SourceChanged):
            _inspect(tmp_path, "a.csv.gz", content, watch=Watch(progress=touch))


def test_unpacking_stops_when_told(tmp_path: Path) -> None:
    """Told to stop, it leaves nothing behind."""
    with pytest.raises(Stopped):
        _inspect(tmp_path, "a.csv.gz", gzip.compress(TEXT.encode()), watch=Watch(cancelled=lambda: True))
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


def test_refused_rows_of_a_compressed_file_come_back_as_plain_text(tmp_path: Path) -> None:
    """failed_rows.csv is what was in the file, in UTF-8; corrected, it is taken under a name of plain text."""
    content = gzip.compress((TEXT + "Sold,soon,user3,x\n").encode())
    found = _inspect(tmp_path, "a.csv.gz", content)
    assert (found.records, found.refused_rows) == (2, 1)
    assert {path.name for path in tmp_path.iterdir()} == {"source.csv", "good_rows.csv", FAILED_ROWS_NAME}
    corrected = (tmp_path / FAILED_ROWS_NAME).read_bytes().replace(b"soon", b"1700000003")
    again = _inspect(tmp_path, "a.csv", corrected)
    assert _read(again.path)[1:] == [["Sold", "1700000003", "user3", "x"]]


def test_what_is_called_csv_by_mistake_is_told(tmp_path: Path) -> None:
    """The first bytes tell what a file is that is no text, and the refusal how to drop it."""
    parquet = _make_parquet(tmp_path, "SELECT 'Sold' AS event_name")
    for content, hint in (
        (gzip.compress(TEXT.encode()), ".gz"),
        (_compress_zstandard(TEXT.encode()), ".zst"),
        (parquet, ".parquet"),
        (b"PK\x03\x04\x14\x00", "save it as CSV"),
    ):
        assert hint in str(_require_refused(tmp_path, "a.csv", content, "format.broken"))


# Encodings.


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [("latin-1", "iso-8859-1"), ("windows-1252", "cp1252"), ("utf-16", "utf-16"), ("utf-16", "utf-16-be")],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_other_encodings_are_sent_as_utf_8(tmp_path: Path, encoding: str, codec: str, *, compressed: bool) -> None:
    """Character for character, whole or compressed; UTF-16 in either byte order."""
    text = TEXT.replace("€", "§") if encoding == "latin-1" else TEXT
    content = (codecs.BOM_UTF16_BE if codec == "utf-16-be" else b"") + text.encode(codec)
    feed = _make_feed(encoding=encoding)
    if compressed:
        found = _inspect(tmp_path, "a.csv.gz", gzip.compress(content), feed)
    else:
        found = _inspect(tmp_path, "a.csv", content, feed)
    assert found.path.read_bytes() == text.encode()


def test_a_large_file_of_every_encoding_is_cut_nowhere(tmp_path: Path) -> None:
    """Characters of several bytes fall on the borders of what is read at a time."""
    text = TEXT + "".join(f"Sold,{1700000000 + n},user{n},€{'😀' * (n % 7)}\n" for n in range(60_000))
    found = _inspect(tmp_path, "a.csv", text.encode("utf-16"), _make_feed(encoding="utf-16"))
    assert found.path.read_bytes() == text.encode()


@pytest.mark.parametrize(
    ("encoding", "content", "line"),
    [
        ("windows-1252", TEXT.encode("cp1252") + b"Sold,1700000002,user\x81,\n", 5),
        ("latin-1", b"\xef\xbb\xbf" + TEXT.encode(), 1),
        ("utf-16", TEXT.encode("utf-16-le"), 1),
        ("utf-16", TEXT.encode("utf-16") + b"\x00", 5),
        ("utf-16", TEXT.encode("utf-16") + b"\x00\xd8a\x00", 5),
    ],
    ids=["a byte that means nothing", "marked as UTF-8", "no mark", "half a character", "half a pair"],
)
def test_what_is_not_in_the_encoding_is_refused_with_its_line(
    tmp_path: Path, encoding: str, content: bytes, line: int
) -> None:
    """The feed says what it is; what does not fit is not guessed at."""
    refused = _require_refused(tmp_path, "a.csv", content, "text.encoding", _make_feed(encoding=encoding))
    assert refused.findings[0].line == line


@pytest.mark.parametrize(
    ("codec", "hint"), [("cp1252", "windows-1252"), ("iso-8859-1", "latin-1 or windows-1252"), ("utf-16", "encoding")]
)
def test_detection_only_suggests(tmp_path: Path, codec: str, hint: str) -> None:
    """A feed that says nothing takes UTF-8 alone; the refusal says what the file seems to be."""
    text = TEXT if codec != "iso-8859-1" else TEXT.replace("€", "§")
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, "a.csv", text.encode(codec))
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252"])
@pytest.mark.parametrize("compressed", [False, True])
def test_utf_8_is_never_read_as_an_8_bit_encoding(tmp_path: Path, encoding: str, *, compressed: bool) -> None:
    """All of a file is UTF-8 with letters beyond ASCII: it is refused with the first line that has such."""
    content = TEXT.encode()
    name, dropped = ("a.csv.gz", gzip.compress(content)) if compressed else ("a.csv", content)
    refused = _require_refused(tmp_path, name, dropped, "text.is_utf8", _make_feed(encoding=encoding))
    assert refused.findings[0].line == 2
    assert DESCRIPTION in str(refused.hint)


def test_utf_8_is_known_across_the_borders_of_what_is_read(tmp_path: Path) -> None:
    """The only letter beyond ASCII lies on the border of two pieces, or right after it."""
    for before in (CHUNK_BYTES - 1, CHUNK_BYTES):
        start = b"event_name,time_stamp,user_id,note\nSold,1700000000,user1,\n"
        filler = b"Sold,1700000000,user1,x\n" * ((before - len(start)) // 24 - 1)
        row = b"Sold,1700000000,user1,"
        padded = start + filler + row
        content = padded + b"x" * (before - len(padded)) + "ö\n".encode()
        assert content[before:] == "ö\n".encode()
        refused = _require_refused(tmp_path, "a.csv", content, "text.is_utf8", _make_feed(encoding="latin-1"))
        assert refused.findings[0].line == content.count(b"\n")


@pytest.mark.parametrize("cell", [b"zwei", b"h\xc3\xb6, h\xf6", b"\xe9"], ids=["ASCII", "both", "a single byte"])
def test_plain_ascii_and_text_of_the_encoding_are_taken(tmp_path: Path, cell: bytes) -> None:
    """Nothing is garbled where there are no letters beyond ASCII, or where one sequence is no UTF-8."""
    content = b'event_name,time_stamp,user_id,note\nSold,1700000000,user1,"' + cell + b'"\n'
    found = _inspect(tmp_path, "a.csv", content, _make_feed(encoding="latin-1"))
    assert found.path.read_bytes() == content.decode("iso-8859-1").encode()


def test_utf_8_in_an_8_bit_feed_can_be_warned_of_or_taken(tmp_path: Path) -> None:
    """Who means such text says so: as a warning it is told and sent, switched off it is sent."""
    text = TEXT.replace("€", "§")
    for severity, told in (("warning", ["text.is_utf8"]), ("off", [])):
        feed = _make_feed(encoding="latin-1", rules={"text.is_utf8": severity, "column.unmapped": "off"})
        found = _inspect(tmp_path, "a.csv", text.encode(), feed)
        assert [tally.rule for tally in found.tallies if tally.rule != "object_id.no_column"] == told
        assert found.path.read_bytes() == text.encode().decode("iso-8859-1").encode()


def test_a_column_that_is_missing_for_its_encoding_says_so(tmp_path: Path) -> None:
    """A header that differs in letters beyond ASCII alone is named beside the one that is missing."""
    columns = {**FEEDS["purchases"]["columns"], "Stück": {"ct_name": "Pieces"}}
    feed = _make_feed(encoding="latin-1", columns=columns, rules={"text.is_utf8": "off"})
    content = "event_name,time_stamp,user_id,Stück\nSold,1700000000,user1,2\n".encode()
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, "a.csv", content, feed)
    assert caught.value.findings[0].message == (
        "the column 'Stück' of the feed is missing; 'StÃ¼ck' is there: look whether the feed's encoding is that of the"
        " file; the header has: event_name, time_stamp, user_id, StÃ¼ck"
    )


def test_corrected_rows_without_their_last_column_are_not_garbled(tmp_path: Path) -> None:
    """Without it nothing says that they are ours; that they are UTF-8 is seen all the same."""
    feed = _make_feed(encoding="windows-1252")
    content = TEXT + "Sold,soon,user3,drei €\n"
    _inspect(tmp_path, "a.csv", content.encode("cp1252"), feed)
    lines = (tmp_path / FAILED_ROWS_NAME).read_text(encoding="utf-8").replace("soon", "1700000003").splitlines()
    corrected = "".join(line.rpartition(",")[0] + "\n" for line in lines)
    (tmp_path / FAILED_ROWS_NAME).unlink()
    (tmp_path / GOOD_ROWS_NAME).unlink()
    _require_refused(tmp_path, "a.csv", corrected.encode(), "text.is_utf8", feed)


def test_refused_rows_of_another_encoding_come_back_in_either(tmp_path: Path) -> None:
    """Ours is UTF-8; saved again by a person's program it may be the producer's own."""
    feed = _make_feed(encoding="windows-1252", delimiter=";")
    content = TEXT.replace(",\nzwei", ".\nzwei").replace(",", ";") + "Sold;soon;user3;drei €\n"
    _inspect(tmp_path, "a.csv", content.encode("cp1252"), feed)
    failed = (tmp_path / FAILED_ROWS_NAME).read_text(encoding="utf-8").replace("soon", "1700000003")
    assert failed.splitlines()[0] == f"event_name;time_stamp;user_id;note;{DESCRIPTION}"
    for codec in ("utf-8", "cp1252"):
        found = _inspect(tmp_path, "a.csv", failed.encode(codec), feed)
        assert _read(found.path)[1:] == [["Sold", "1700000003", "user3", "drei €"]]


# Parquet.


def test_parquet_becomes_csv(tmp_path: Path) -> None:
    """Numbers, booleans, decimals and text as they are; moments as the feed's columns ask for them; in UTC."""
    content = _make_parquet(
        tmp_path,
        """SELECT 'Sold' AS event_name, TIMESTAMPTZ '2023-11-14 22:13:20.5+00' AS time_stamp, 'u' || range AS user_id,
        range::INTEGER AS whole, 1.50::DECIMAL(10, 2) AS price, 0.1::DOUBLE AS ratio, range = 1 AS flag,
        DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 12:30:00' AS moment, TIMESTAMP '2024-02-29 12:30:00' AS epoch,
        NULL::VARCHAR AS nothing, 'a,"b"' || chr(10) AS note FROM range(2)""",
    )
    columns = {
        **FEEDS["purchases"]["columns"],
        "whole": {"type": "INTEGER"},
        "price": {"type": "FLOAT"},
        "ratio": {"type": "FLOAT"},
        "flag": {"type": "BOOLEAN"},
        "day": {"type": "DATE", "date_format": "dd/MM/yyyy"},
        "moment": {"type": "DATE", "date_format": "dd MMM yyyy HH:mm:ss"},
        "epoch": {"type": "DATE", "date_format": "UNIX"},
    }
    found = _inspect(tmp_path, "purchases.parquet", content, _make_feed(columns=columns))
    assert (found.records, found.refused_rows, found.earliest_ts) == (2, 0, 1700000000)
    rest = ["1.50", "0.1", "29/02/2024", "29 Feb 2024 12:30:00", "1709209800", "", 'a,"b"\n']
    sent = _read(found.path)
    assert sent[0][:3] == ["event_name", "time_stamp", "user_id"]
    assert sent[1:] == [
        ["Sold", "1700000000", f"u{n}", f"{n}", *rest[:2], ("false", "true")[n], *rest[2:]] for n in (0, 1)
    ]


def test_rows_of_a_big_parquet_keep_their_order(tmp_path: Path) -> None:
    """However many row groups it has."""
    query = "SELECT 'Sold' AS event_name, 1700000000 + range AS time_stamp, 'u' || range AS user_id FROM range(400000)"
    found = _inspect(tmp_path, "a.parquet", _make_parquet(tmp_path, query))
    sent = found.path.read_text(encoding="utf-8").splitlines()
    assert sent[1:] == [f"Sold,{1700000000 + n},u{n}" for n in range(400_000)]


@pytest.mark.parametrize(
    ("query", "rule", "said"),
    [
        ("SELECT 'Sold' AS event_name, 1 AS time_stamp", "header.missing_column", "'user_id'"),
        ("SELECT 'Sold' AS event_name, [1] AS list", "format.nested", "the column 'list' is nested"),
        ("SELECT {'k': 1} AS event_name", "format.nested", "the column 'event_name' is nested"),
        ("SELECT 'x'::BLOB AS event_name", "format.nested", "the column 'event_name' is binary"),
    ],
)
def test_parquet_that_csv_cannot_hold_is_refused(tmp_path: Path, query: str, rule: str, said: str) -> None:
    """Without the mapped columns, nested, or binary: nothing of it is sent."""
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, "a.parquet", _make_parquet(tmp_path, query))
    assert rule in {found.rule for found in caught.value.findings}
    assert said in str(caught.value)


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    """A file that was cut off, one that is something else, and one with no bytes at all."""
    content = _make_parquet(tmp_path, "SELECT 'Sold' AS event_name, 1 AS time_stamp, 'u' AS user_id FROM range(5000)")
    for broken in (content[:-6], content[: len(content) // 2], TEXT.encode(), b"PAR1"):
        _require_refused(tmp_path, "a.parquet", broken, "format.broken")


def test_a_folder_called_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    """What is sent of a file is in the file, wherever it lies; also where a folder has the name of a column."""
    folder = tmp_path / "day=2024-01-01"
    folder.mkdir()
    query = "SELECT 'Sold' AS event_name, 1700000000 AS time_stamp, 'u' AS user_id"
    for day in ("", ", 'real' AS day"):
        found = _inspect(folder, "a.parquet", _make_parquet(tmp_path, query + day))
        assert _read(found.path)[1] == ["Sold", "1700000000", "u", *(["real"] if day else [])]


def test_columns_of_parquet_that_differ_in_case_alone_keep_their_names(tmp_path: Path) -> None:
    """Each with its own values: a property's name is for ever, and case counts."""
    query = "SELECT 'Sold' AS event_name, 1700000000 AS time_stamp, 'u' AS user_id, 'a' AS \"Mail\", 'b' AS \"mbil\""
    content = _make_parquet(tmp_path, query).replace(b"mbil", b"mail")
    assert _read(_inspect(tmp_path, "a.parquet", content).path) == [
        ["event_name", "time_stamp", "user_id", "Mail", "mail"],
        ["Sold", "1700000000", "u", "a", "b"],
    ]


def test_decimal_identities_of_parquet_are_warned_of(tmp_path: Path) -> None:
    """A whole number that some tool made a DOUBLE becomes another identity; whole numbers and other columns do not."""
    query = "SELECT 'Sold' AS event_name, 1700000000::DOUBLE AS price, 1700000000 AS time_stamp, 123::{} AS user_id"
    for kind, warned in (("DOUBLE", 1), ("FLOAT", 1), ("BIGINT", 0)):
        found = _inspect(tmp_path, "a.parquet", _make_parquet(tmp_path, query.format(kind)))
        assert sum(tally.rows for tally in found.tallies if tally.rule == "identity.decimal") == warned
    refusing = _make_feed(rules={"identity.decimal": "error"})
    with pytest.raises(Refused, match="the column 'user_id' says who, and is of decimal numbers"):
        _inspect(tmp_path, "a.parquet", _make_parquet(tmp_path, query.format("DOUBLE")), refusing)


@pytest.mark.parametrize("group_rows", [1_000_000, 122_880], ids=["one row group", "DuckDB's row groups"])
def test_a_parquet_of_a_million_rows_takes_little_memory(tmp_path: Path, group_rows: int) -> None:
    """Whoever wrote it, and however large its row groups are."""
    path = tmp_path / "a.parquet"
    query = (
        "SELECT 'user' || range AS \"user\", 'Sold' AS event, 1700000000 + range AS at, (range % 1000) / 10.0 AS price,"
        " 'product ' || (hash(range) % 100000) AS product, md5(range::VARCHAR) AS note FROM range(1000000)"
    )
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group_rows})")
    found = measuring.call(take_table, path=str(path))
    assert found.facts == {"rows": 1_000_000}
    assert found.peak_bytes < 300_000_000


def test_a_parquet_too_large_for_the_memory_holds_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again would not help: a person is told what its producer can do, and nothing is left behind."""
    monkeypatch.setattr(parquet, "PARQUET_MEMORY", "8MB")
    query = "SELECT 'Sold' AS event_name, 1700000000 AS time_stamp, repeat(md5(range::VARCHAR), 10000) AS user_id"
    content = _make_parquet(tmp_path, f"{query} FROM range(100)")
    with pytest.raises(DecisionNeeded, match="DuckDB's memory ran out; have it written in row groups of fewer rows"):
        _inspect(tmp_path, "a.parquet", content)
    assert [path.name for path in tmp_path.iterdir()] == ["source.csv"]


# JSON lines.


def _write_lines(*objects: Any) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz"])
def test_json_lines_become_csv(tmp_path: Path, name: str) -> None:
    """Keys become columns in the order in which they are first seen; what a line lacks, and null, is empty."""
    content = _write_lines(
        {"event_name": "Sold", "time_stamp": 1700000000, "user_id": "u1", "a/b~c": True, "q q": 'x"\n'},
        {
            "user_id": "u2",
            "time_stamp": "1700000001",
            "event_name": "Sold",
            "A/B~C": None,
            "amount": 1.5,
        },  # differs in case alone
    )
    if name.endswith(".gz"):
        content = gzip.compress(content)
    rules = {"column.unmapped": "off"}
    found = _inspect(tmp_path, name, content, _make_feed(rename={"a/b~c": "flag", "A/B~C": "other"}, rules=rules))
    assert _read(found.path) == [
        ["event_name", "time_stamp", "user_id", "flag", "q q", "other", "amount"],
        ["Sold", "1700000000", "u1", "true", 'x"\n', "", ""],
        ["Sold", "1700000001", "u2", "", "", "", "1.5"],
    ]


def test_json_lines_of_a_hundred_keys_take_little_memory(tmp_path: Path) -> None:
    """Nor do long lines, nor many; a key that comes late is in every row."""
    path = tmp_path / "a.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for number in range(20_000):
            out.write(json.dumps({"user": f"u{number}", **{f"k{key}": "v" * 12 for key in range(100)}}) + "\n")
        for number in range(20):
            out.write(json.dumps({"user": f"w{number}", "late": "x" * 500, "k0": " " * 2_000_000}) + "\n")
    found = measuring.call(take_table, path=str(path))
    assert found.facts == {"rows": 20_000}
    assert found.peak_bytes < 300_000_000


def test_numbers_of_json_stay_as_they_are_written(tmp_path: Path) -> None:
    """Digits that no binary number holds are not lost."""
    content = b'{"event_name": "Sold", "time_stamp": 1700000000, "user_id": 123456789012345678901234, "price": 0.10}\n'
    assert _read(_inspect(tmp_path, "a.jsonl", content).path)[1] == [
        *("Sold", "1700000000", "123456789012345678901234", "0.10")
    ]


def test_a_mark_and_blank_lines_are_no_json(tmp_path: Path) -> None:
    """They stand for nothing, at the beginning, between lines and at the end."""
    lines = _write_lines(*({"event_name": "Sold", "time_stamp": 1700000000, "user_id": f"u{n}"} for n in range(2)))
    content = codecs.BOM_UTF8 + lines.replace(b"\n", b"\r\n \r\n")
    assert [row[2] for row in _read(_inspect(tmp_path, "a.jsonl", content).path)[1:]] == ["u0", "u1"]


def test_objects_without_the_only_key_are_rows(tmp_path: Path) -> None:
    """Of one column an empty row is no blank line: it is refused, and not passed over."""
    feed = Feed.model_validate(
        {"type": "profile", "files": ["*"], "columns": {"u": {"ct_name": "identity"}}, "max_bad_rows": 0.9}
    )
    found = _inspect(tmp_path, "a.jsonl", b'{"u": ""}\n{"u": "v"}\n{}\n', feed)
    assert (found.records, found.refused_rows) == (1, 2)


@pytest.mark.parametrize(
    ("content", "rule", "line"),
    [
        (_write_lines({"user_id": "u"}, [1, 2]), "format.broken", 2),
        (_write_lines({"user_id": "u"}, {"user_id": "v", "cart": {"k": 1}}), "format.nested", 2),
        (_write_lines({"user_id": "u", "items": []}), "format.nested", 1),
        (_write_lines({"user_id": "u"}) + b'{"user_id": \n', "format.broken", 2),
        (_write_lines({"user_id": "u"}) + b'{"user_id": "\xe9"}\n', "format.broken", 2),
        (b'\n{"user_id": "u", "user_id": "v"}\n', "format.broken", 2),
        (b'{"user_id": "u"}\n{"user_id": NaN}\n', "format.broken", 2),
        (b'{"user_id": "u\\ud800"}\n', "format.broken", 1),
        (b'{"user_id": ' + b"[" * 100_000 + b"\n", "format.nested", 1),
        (b'{"user_id": "' + b"u" * 4_000_000 + b'"}\n', "format.broken", 1),
        (b"", "header.empty", None),
        (b"not json at all\n", "format.broken", 1),
        (_write_lines({f"k{n}": n for n in range(20_000)}), "header.too_many_columns", None),
    ],
    ids=[
        *("no object", "an object in it", "a list in it", "cut off", "not UTF-8", "a key twice", "no number"),
        *("half a character", "deep", "too long", "empty", "no JSON", "20,000 keys"),
    ],
)
def test_json_that_csv_cannot_hold_is_refused(tmp_path: Path, content: bytes, rule: str, line: int | None) -> None:
    """With the line, where it can be told."""
    refused = _require_refused(tmp_path, "a.jsonl", content, rule)
    assert refused.findings[0].line == line


# Places.


def test_lines_of_json_are_those_of_the_file(tmp_path: Path) -> None:
    """Whatever became of them: blank lines count, and line breaks in values do not; compressed or not."""
    good = {"event_name": "Sold", "time_stamp": 1700000000, "user_id": "u", "note": 'two "\n\n" lines'}
    content = _write_lines(good) + b"\n \n" + _write_lines({**good, "time_stamp": "soon"}, good)
    for name, written in (("a.jsonl", content), ("a.jsonl.gz", gzip.compress(content))):
        found = _inspect(tmp_path, name, written)
        assert {finding.line for tally in found.tallies for finding in tally.first} == {None, 4}
        with pytest.raises(Refused, match="first line 4: time_stamp: ts is no whole number"):
            _inspect(tmp_path, name, written, _make_feed(on_bad_rows="quarantine"))


def test_rows_of_parquet_are_counted_in_the_file(tmp_path: Path) -> None:
    """It has no lines."""
    query = (
        "SELECT 'Sold' AS event_name, CASE WHEN range = 2 THEN 'soon' ELSE '1700000000' END AS time_stamp,"
        " 'u' AS user_id, 'two' || chr(10) || 'lines' AS note FROM range(4)"
    )
    content = _make_parquet(tmp_path, query)
    found = _inspect(tmp_path, "a.parquet", content)
    assert {(finding.line, finding.row) for tally in found.tallies for finding in tally.first} == {
        (None, None),
        (None, 3),
    }
    with pytest.raises(Refused, match="first row 3: time_stamp: ts is no whole number"):
        _inspect(tmp_path, "a.parquet", content, _make_feed(on_bad_rows="quarantine"))


def test_what_the_scan_refuses_of_a_table_has_its_place(tmp_path: Path) -> None:
    """A character that no text has, in a value of the second object."""
    first = {"event_name": "Sold", "time_stamp": 1700000000, "user_id": "u", "note": "\n\n"}
    with pytest.raises(Refused, match=r"line 2: .*NUL"):
        _inspect(tmp_path, "a.jsonl", _write_lines(first, {**first, "note": "\0"}))


def test_nothing_of_our_folders_is_told(tmp_path: Path) -> None:
    """What DuckDB says of a file names it, and not where it lies."""
    refused = _require_refused(tmp_path, "a.parquet", b"PAR1" + b"x" * 100, "format.broken")
    assert str(tmp_path) not in str(refused)
    assert "source.csv" in str(refused)
