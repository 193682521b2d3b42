"""``infer`` of all that a feed can take: how a file is written is found, and by the entry ``validate`` lets it pass."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from sftp_orchestrator.config.model import DELIMITERS, Encoding
from sftp_orchestrator.errors import ConfigurationError, InputRefused
from sftp_orchestrator.inference.dialect import find_delimiter
from tests.support.inferring import get_column, paste, propose, unwrap, write_rows
from tests.support.service import call

FIRST = 1_700_000_000
HEADER = ["event_name", "time_stamp", "user_id", "city", "price", "delivered", "gift", "note"]
Write = Callable[[Path], None]


def _make_rows(city: str = "Köln") -> list[list[str]]:
    return [
        [
            "Sold",
            str(FIRST + number),
            f"u{number % 7}",
            city,
            f"{number}.50",
            f"{number % 28 + 1:02}/11/2025",
            "true",
            'with "quotes", commas; and\nlines | too',
        ]
        for number in range(60)
    ]


def _make_text(delimiter: str = ",", *, city: str = "Köln") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([HEADER, *_make_rows(city)])
    return text.getvalue()


def _encode(encoding: str, delimiter: str = ",", *, city: str = "Köln") -> Write:
    def write(path: Path) -> None:
        path.write_bytes(_make_text(delimiter, city=city).encode(encoding))

    return write


def _compress_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(_make_text(";").encode("cp1252")))


def _compress_zstandard(path: Path) -> None:
    content = _make_text().encode()
    path.write_bytes(subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout)


def _write_json_lines(path: Path) -> None:
    rows = [dict(zip(HEADER, row, strict=True)) for row in _make_rows()]
    path.write_text("".join(json.dumps({**row, "price": 1.5, "gift": True}) + "\n" for row in rows))


def _copy(path: Path, query: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def _write_parquet(path: Path) -> None:
    _copy(
        path,
        """SELECT 'Sold' AS event_name, TIMESTAMPTZ '2023-11-14 22:13:20+00' + to_seconds(range) AS time_stamp,
        'u' || range % 7 AS user_id, 'Köln' AS city, 1.5::DOUBLE AS price,
        DATE '2025-11-01' + range::INTEGER AS delivered,
        true AS gift, TIMESTAMP '2025-11-01 10:00:00' AS noted FROM range(60)""",
    )


CASES: list[tuple[str, Write, str, str, str, bool]] = [
    ("sales_1.csv", _encode("utf-8"), "sales*.csv", ",", "utf-8", False),
    ("sales_1.csv", _encode("utf-8-sig", ";"), "sales*.csv", ";", "utf-8", False),
    ("sales_1.csv", _encode("ascii", "\t", city="Bonn"), "sales*.csv", "\t", "utf-8", False),
    ("sales_1.txt", _encode("utf-8", "|"), "sales*.txt", "|", "utf-8", False),
    ("sales_1.csv", _encode("cp1252", ";", city="Köln €"), "sales*.csv", ";", "windows-1252", True),
    ("sales_1.csv", _encode("iso-8859-1"), "sales*.csv", ",", "windows-1252", True),
    ("sales_1.csv", _encode("iso-8859-1", city="Köln\x81"), "sales*.csv", ",", "latin-1", True),
    ("sales_1.csv", _encode("utf-16", "\t"), "sales*.csv", "\t", "utf-16", False),
    ("sales_1.csv.gz", _compress_gzip, "sales*.csv.gz sales*.csv", ";", "windows-1252", True),
    ("sales_1.csv.zst", _compress_zstandard, "sales*.csv.zst sales*.csv", ",", "utf-8", False),
    ("sales_1.jsonl", _write_json_lines, "sales*.jsonl sales*.csv", ",", "utf-8", False),
    ("sales_1.parquet", _write_parquet, "sales*.parquet sales*.csv", ",", "utf-8", False),
]


@pytest.mark.parametrize(("name", "write", "pattern", "delimiter", "encoding", "is_guess"), CASES)
async def test_the_entry_lets_the_same_file_pass(
    tmp_path: Path, name: str, write: Write, pattern: str, delimiter: str, encoding: str, *, is_guess: bool
) -> None:
    """From a file of any format to an entry, into a configuration, and ``validate`` ends with 0."""
    path = tmp_path / name
    await asyncio.to_thread(write, path)
    entry = await asyncio.to_thread(propose, path)
    configuration = await asyncio.to_thread(paste, tmp_path, entry)
    ((feed_name, feed),) = configuration.feeds.items()
    assert (feed_name, feed.type, list(feed.files)) == ("sales", "event", pattern.split()), entry
    assert (feed.delimiter, feed.encoding) == (delimiter, encoding), entry
    assert ("a guess" in entry) == is_guess, entry
    assert {feed.columns[name].ct_name for name in HEADER[:3]} == {"evtName", "ts", "identity"}
    assert {name: feed.columns[name].type for name in ("price", "delivered", "gift")} == {
        "price": "FLOAT",
        "delivered": "DATE",
        "gift": "BOOLEAN",
    }
    validated = await call(tmp_path / "config.yml", "validate", str(path))
    assert validated.code == 0, validated
    assert "It keeps to every rule." in validated.out


def test_keys_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    """An entry for plain UTF-8 with commas has neither delimiter nor encoding; another has each on a line."""
    plain, other = tmp_path / "a.csv", tmp_path / "b.csv"
    _encode("utf-8")(plain)
    _encode("cp1252", "\t")(other)
    assert not re.search("^ +(delimiter|encoding):", propose(plain), re.MULTILINE)
    assert (
        '    files: ["b*.csv"]\n'
        '    delimiter: "\\t"\n'
        '    # doubtful: a guess, for it is not UTF-8; line 2 then has "Köln"\n'
        "    encoding: windows-1252\n"
    ) in propose(other)


def test_moments_of_a_table_become_ts_or_dates(tmp_path: Path) -> None:
    """What is a time in Parquet is written as the feed asks: epoch seconds for ``ts``, else a date that keeps most."""
    path = tmp_path / "sales.parquet"
    _write_parquet(path)
    entry = propose(path)
    assert "      time_stamp: {ct_name: ts, type: INTEGER}\n" in entry
    assert "      delivered:  {type: DATE, date_format: yyyy-MM-dd}\n" in entry
    assert "      noted:      {type: DATE, date_format: \"yyyy-MM-dd'T'HH:mm:ss\"}\n" in entry


NUMBERS = {"page_no": 7, "order_no": 70, "zip": 4109, "user_id": 5}


@pytest.mark.parametrize("name", ["visits.parquet", "visits.jsonl", "visits.jsonl.gz"])
def test_the_type_of_a_table_is_evidence(tmp_path: Path, name: str) -> None:
    """A number that may count is one, whatever its name says; a code that no one reckons with stays text."""
    path = tmp_path / name
    if name.endswith("parquet"):
        values = ", ".join(f"{value} + range AS {key}" for key, value in NUMBERS.items())
        _copy(path, f"SELECT {values}, '12' AS house_no FROM range(30)")  # noqa: S608 - numbers of ours
    else:
        rows = [{**{key: value + n for key, value in NUMBERS.items()}, "house_no": "12"} for n in range(30)]
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    entry = propose(path)
    assert get_column(entry, "page_no") == (
        "page_no: {type: INTEGER} # doubtful: a number by its type in the file, perhaps a code by its name:"
        " STRING if it is one"
    )
    assert get_column(entry, "user_id") == "user_id: {ct_name: identity}"
    for header in ("order_no", "zip", "house_no"):
        assert get_column(entry, header).startswith(f"{header}: {{type: STRING}} # doubtful: numbers alone, but by")


def test_whole_numbers_in_one_file_and_fractions_in_another_are_told(tmp_path: Path) -> None:
    """A type fits all files; which file has which is told by name."""
    _copy(tmp_path / "sales_1.parquet", "SELECT 'u' || range AS user_id, range AS price FROM range(30)")
    _copy(tmp_path / "sales_2.parquet", "SELECT 'v' || range AS user_id, range + 0.5 AS price FROM range(30)")
    entry = propose(tmp_path / "sales_1.parquet", tmp_path / "sales_2.parquet")
    assert get_column(entry, "price") == (
        'price: {type: FLOAT} # doubtful: whole numbers in "sales_1.parquet", with a decimal point in'
        ' "sales_2.parquet": FLOAT takes both'
    )
    assert get_column(propose(tmp_path / "sales_2.parquet"), "price") == "price: {type: FLOAT}"


def test_a_day_of_a_table_as_time_is_told(tmp_path: Path) -> None:
    """A day may be ``ts``, at midnight; rows without one are told with their share."""
    path = tmp_path / "sales.parquet"
    _copy(
        path,
        """SELECT 'Sold' AS event_name, 'u' || range AS user_id,
        CASE WHEN range <> 5 THEN DATE '2025-11-01' END AS order_date FROM range(20)""",
    )
    entry = propose(path)
    assert unwrap(entry).endswith(
        "      # doubtful: is this when the event happened?\n"
        "      # doubtful: a day without a time becomes midnight, UTC\n"
        "      # doubtful: 95.0 % of rows have a time\n"
        "      # doubtful: 1 row: an event without ts counts as of when it is processed (have the producer write one);"
        " first: in line 7\n"
        "      order_date: {ct_name: ts, type: INTEGER}\n"
    )


def test_an_export_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Semicolons, Windows-1252, decimals with a comma, dates with points: each is told on its line."""
    path = tmp_path / "Kundenliste.csv"
    rows = [f"u{number};Jörg;{number},50;{number % 28 + 1:02}.12.1980;nein" for number in range(40)]
    path.write_bytes("\r\n".join(["user_id;Name;Umsatz;Geburtstag;Newsletter", *rows, ""]).encode("cp1252"))
    entry = unwrap(propose(path))
    for said in (
        '    delimiter: ";"\n',
        '40 rows with a comma in a number: FLOAT takes a point, and nothing else, such as "0,50" in line 2\n',
        "yyyy-MM-dd'T'HH:mm:ss is one that it does, such as \"01.12.1980\" in line 2\n",
        "yes or no in words",
    ):
        assert said in entry, entry


def test_an_export_of_a_shop_says_what_it_lacks(tmp_path: Path) -> None:
    """Events that no column names are told where the key belongs, and those without time by their rule."""
    rows = [(f"A{number}", f"u{number % 5}", f"{number % 28 + 1:02}/11/2025") for number in range(60)]
    entry = propose(write_rows(tmp_path / "orders.csv", ["Order No.", "Customer ID", "Order Date"], rows))
    assert "  # error: no column becomes evtName (event_name.no_column)\n  # warning: no column becomes ts: " in unwrap(
        entry
    )
    assert '    files: ["orders*.csv"]\n    # doubtful: no column names the events; ' in entry
    assert "    # event_name: …\n" in entry
    filled = entry.replace("# event_name: …", 'event_name: "Ordered"')
    (feed,) = paste(tmp_path, filled).feeds.values()
    assert feed.event_name == "Ordered"


def test_few_strays_in_utf8_are_no_other_encoding(tmp_path: Path) -> None:
    """One letter of Latin-1 in a file of UTF-8 is its producer's mistake: the line is told, and nothing is proposed."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"user_id,city\n" + "u1,Köln\n".encode() * 50 + b"u2,K\xf6ln\n" + "u1,Köln\n".encode() * 50)
    with pytest.raises(InputRefused, match=r"a\.csv: line 52: the text is not UTF-8"):
        propose(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", gzip.compress(b"user_id\nu1\n" * 99), "it is no text, but gzip"),
        ("a.csv.gz", b"user_id\nu1\n", "it is not what its name says, or damaged"),
        ("a.csv.gz", gzip.compress(b"user_id\nu1\n" * 99)[:-9], "cut off"),
        ("a.csv", "user_id\nu1\n".encode("utf-16-le"), "there is a NUL byte"),
        ("a.jsonl", b"[1]\n", "a line is no JSON object"),
        ("a.jsonl", b'{"user_id": {"a": 1}}\n', "the value of 'user_id' is nested"),
        ("a.parquet", b"user_id\nu1\n", ""),
    ],
    ids=["gzip as CSV", "CSV as gzip", "cut gzip", "UTF-16", "no object", "nested", "CSV as Parquet"],
)
def test_what_is_not_as_its_name_says_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """One line with the file's own name and the cause; never a guess at what it might be."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputRefused) as caught:
        propose(path)
    assert caught.value.subject == name
    assert said in caught.value.cause


def test_files_that_are_written_alike_in_effect_are_one_feed(tmp_path: Path) -> None:
    """ASCII goes with any encoding, a table with any delimiter; each ending has its pattern."""
    (tmp_path / "sales_1.csv").write_bytes(b"user_id;city\nu1;Bonn\nu2;Bonn\n")
    (tmp_path / "sales_2.csv.gz").write_bytes(gzip.compress("user_id;city\nu1;Köln\nu2;Köln\n".encode("cp1252")))
    (tmp_path / "sales_3.jsonl").write_text('{"user_id": "u3", "city": "K\\u00f6ln"}\n')
    entry = propose(*(tmp_path / name for name in ("sales_1.csv", "sales_2.csv.gz", "sales_3.jsonl")))
    assert '    files: ["sales*.csv", "sales*.csv.gz", "sales*.jsonl"]\n    delimiter: ";"\n' in entry
    assert 'a guess, for it is not UTF-8; "sales_2.csv.gz", line 2 then has "Köln"' in unwrap(entry)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (b"a,b\n1,2\n", b"a;b\n1;2\n", r"b\.csv: it has columns separated by semicolons, and a\.csv commas"),
        ("a,b\n1,ö\n".encode(), b"a,b\n1,\xf6\n", r"b\.csv: it has text in windows-1252, and a\.csv utf-8"),
        (b"a,b\n1,2\n", "a,b\n1,2\n".encode("utf-16"), r"b\.csv: it has text in utf-16, and a\.csv utf-8"),
    ],
)
def test_files_that_are_written_otherwise_are_told_apart(
    tmp_path: Path, first: bytes, second: bytes, said: str
) -> None:
    """A feed has one delimiter and one encoding: which file has which other is one line."""
    (tmp_path / "a.csv").write_bytes(first)
    (tmp_path / "b.csv").write_bytes(second)
    with pytest.raises(ConfigurationError, match=said):
        propose(tmp_path / "a.csv", tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("name;price\nA;1,50\nB;2,50\n", ";"),
        ("Name, first;price;city\nA, B;1,50;x\n", ";"),
        ('a,"b;c;d"\n1,2\n', ","),
        ('"a";"b"\n"1,2,3";"x"\n', ";"),
        ("user_id\na;b\nc|d\n", None),
        ("a\tb,c\td\n1\t2\t3\n4\t5\t6\n", "\t"),
        ("", None),
        ("\n\n", None),
        ("a,b", ","),
    ],
)
def test_the_delimiter_is_the_one_by_which_rows_are_as_wide_as_the_header(text: str, delimiter: str | None) -> None:
    """What stands in values, or in quotes, decides nothing."""
    assert find_delimiter(text) == delimiter


def test_every_value_that_a_feed_may_have_is_proposed_somewhere() -> None:
    """No delimiter and no encoding of the configuration is one that ``infer`` does not know."""
    assert {case[4] for case in CASES} == set(Encoding)
    assert {case[3] for case in CASES} == set(DELIMITERS)
