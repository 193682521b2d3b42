"""``infer`` over real files: what is counted, what the second look adds, and what it refuses."""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.errors import ConfigurationError, InputRefused
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.report import Refused, RowsRefused
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.tables.reading import open_reading
from tests.support.inferring import get_column, paste, propose, unwrap, write_rows

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "map-a-file.md"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
FIRST = 1_700_000_000
TOO_MANY = ", more than max_bad_rows (1 %)"
DAY_TIME = "dd/MM/yyyy HH:mm:ss"


def _write_events(path: Path, extra: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """Write events with these columns behind name, time and user."""
    filled = [("Sold", FIRST + number, f"u{number % 7}", *row) for number, row in enumerate(rows)]
    return write_rows(path, ["event_name", "time_stamp", "user_id", *extra], filled)


def test_a_ready_entry_is_proposed(tmp_path: Path) -> None:
    """Kind, pattern, identity, name, time, types and date format, one line a column, doubts above it as comments."""
    rows = [
        (f"{number / 100:.2f}", number, f"{number % 28 + 1:02}/11/2025 10:00:00", "true", f"{number:05}")
        for number in range(400)
    ]
    extra = ["amount", "pieces", "delivered", "gift", "branch"]
    entry = propose(_write_events(tmp_path / "purchases_2026-01-02.csv", extra, rows))
    assert entry == (
        "  # Inferred from purchases_2026-01-02.csv: 400 rows, 8 columns.\n"
        "  purchases:\n"
        "    # 'event_name' looks like an event's name, 'time_stamp' its time\n"
        "    type: event\n"
        '    files: ["purchases*.csv"]\n'
        "    # doubtful: no column looks like objectId, which the receiver's FAQ calls\n"
        "    #   mandatory; map one if there is one\n"
        '    rules: {object_id.no_column: "off"}\n'
        "    columns:\n"
        "      event_name: {ct_name: evtName}\n"
        "      time_stamp: {ct_name: ts, type: INTEGER}\n"
        "      user_id:    {ct_name: identity}\n"
        "      amount:     {type: FLOAT}\n"
        "      pieces:     {type: INTEGER}\n"
        '      delivered:  {type: DATE, date_format: "dd/MM/yyyy HH:mm:ss"}\n'
        "      gift:       {type: BOOLEAN}\n"
        "      # doubtful: 400 rows with a leading zero, which a number would lose: a\n"
        "      #   code?\n"
        "      branch:     {type: STRING}\n"
    )


def test_the_guide_shows_what_is_printed(tmp_path: Path) -> None:
    """The example in map-a-file.md is what the command makes of the file that the page shows."""
    page = GUIDE.read_text(encoding="utf-8")
    (content,) = re.findall(r"^```csv\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "purchases_2026-01-02.csv"
    path.write_text(content, encoding="utf-8")
    assert propose(path) == shown


def test_shares_are_of_all_rows_with_the_first_that_differs(tmp_path: Path) -> None:
    """The very last row counts as the first does; its physical line is told, line breaks within values included."""
    rows: list[tuple[object, ...]] = [(number, "two\nlines", "") for number in range(20_000)]
    rows[15] = ("n/a", "two\nlines", "")
    rows[-1] = (1, "two\nlines", "late")
    entry = propose(_write_events(tmp_path / "a.csv", ["pieces", "note", "rare"], rows))
    assert get_column(entry, "pieces") == (
        'pieces: {type: INTEGER} # doubtful: 99.9 % of rows are INTEGER; first other: "n/a" in line 32'
    )
    assert get_column(entry, "rare") == "rare: {type: STRING}"


def test_strays_among_epoch_seconds_are_named(tmp_path: Path) -> None:
    """One bad value in 10,000 costs nothing but a comment: the share, and for each kind of stray the first places."""
    times = {5: "abc", 700: "abc", 900: "n/a", 901: "soon", 6: "", 77: str(FIRST * 1000)}
    rows = [("Sold", times.get(number, FIRST + number), f"u{number % 7}") for number in range(10_000)]
    entry = propose(write_rows(tmp_path / "a.csv", ["event_name", "created_at", "user_id"], rows))
    assert get_column(entry, "created_at") == (
        "created_at: {ct_name: ts, type: INTEGER} # doubtful: is this when the event happened?;"
        " 99.9 % of rows are epoch seconds;"
        ' 4 rows refused: ts is no whole number of epoch seconds; first: "abc" in lines 7 and 702, "n/a" in line 902;'
        f' 1 row refused: ts is in milliseconds; first: "{FIRST * 1000}" in line 79;'
        " 1 row: an event without ts counts as of when it is processed (have the producer write one); first: in line 8"
    )


@pytest.mark.parametrize("header", ["event_name", "Event"])
@pytest.mark.parametrize("stray", ["abc", "", str(FIRST * 1000)])
def test_a_small_file_loses_its_time_to_no_stray(tmp_path: Path, header: str, stray: str) -> None:
    """One of twenty is told, with what it does to the file, and the column stays ``ts``."""
    rows = [("Sold", stray if number == 9 else FIRST + number, f"u{number % 7}") for number in range(20)]
    line = get_column(propose(write_rows(tmp_path / "a.csv", [header, "order_date", "user_id"], rows)), "order_date")
    assert line.startswith("order_date: {ct_name: ts, type: INTEGER} # doubtful: ")
    assert "95.0 % of rows are epoch seconds" in line
    assert " in line 11" in line
    assert line.endswith(" in line 11, more than max_bad_rows (1 %)") == bool(stray)


def test_times_without_strays_have_no_share(tmp_path: Path) -> None:
    """Nothing is said of what is as it should be."""
    rows = [("Sold", FIRST + number, f"u{number % 7}") for number in range(20)]
    entry = propose(write_rows(tmp_path / "a.csv", ["event_name", "ts", "user_id"], rows))
    assert get_column(entry, "ts") == "ts: {type: INTEGER}"


def test_a_share_is_of_the_cells_that_are_filled(tmp_path: Path) -> None:
    """Empty cells are of no type, and of no wrong one."""
    rows = [("" if number % 2 else "ten" if number == 100 else "10",) for number in range(400)]
    entry = propose(_write_events(tmp_path / "a.csv", ["pieces"], rows))
    assert get_column(entry, "pieces") == (
        'pieces: {type: INTEGER} # doubtful: 99.5 % of filled cells are INTEGER; first other: "ten" in line 102'
    )


@pytest.mark.parametrize(
    ("header", "good", "bad", "said"),
    [
        ("pieces", "1", "x", 'doubtful: 90.0 % of rows are INTEGER; first other: "x" in line 2'),
        ("sold", "2025-11-30", "x", 'doubtful: 90.0 % of rows are DATE yyyy-MM-dd; first other: "x" in line 2'),
        ("sold", "2025-11-30 10:00:00", "2025-11-30 10:00:01", 'such as "2025-11-30 10:00:01" in line 2'),
        ("note", "x", "x" * 600, f'a value has more than 512 characters; first: "{"x" * 40}…" in line 2{TOO_MANY}'),
        ("note", "x", "$D_soon", f'"$D_soon" in line 2{TOO_MANY}'),
    ],
)
def test_what_most_are_of_is_told_of_text(tmp_path: Path, header: str, good: str, bad: str, said: str) -> None:
    """A type that too few are of is not proposed, and the share with the first other says why."""
    rows = [(good if number % 10 else bad,) for number in range(100)]
    line = get_column(propose(_write_events(tmp_path / "a.csv", [header], rows)), header)
    assert line.startswith(f"{header}: {{type: STRING}} # doubtful: ")
    assert line.endswith(said)


def test_rules_that_rows_break_are_told_on_their_columns(tmp_path: Path) -> None:
    """What ``validate`` would refuse is a doubt already: reserved identities and names, times of the wrong unit."""
    rows = [("Sold", (FIRST + number) * 1000, f"u{number}") for number in range(100)]
    rows[3] = ("App Launched", FIRST * 1000, "null")
    rows[5] = ("Sold", FIRST * 1000, "")
    entry = propose(write_rows(tmp_path / "a.csv", ["event_name", "timestamp", "user_id"], rows))
    identity, name, time = (get_column(entry, header) for header in ("user_id", "event_name", "timestamp"))
    assert 'first: "null" in line 5' in identity
    assert "1 row refused: neither identity, objectId, fbId nor gpId has a value; first: in line 7" in identity
    assert 'the event has the name of a system event; first: "App Launched" in line 5' in name
    assert time == (
        "timestamp: {ct_name: ts, type: INTEGER} # doubtful: it is in milliseconds,"
        " and the receiver takes epoch seconds: the producer must divide by 1,000"
    )


def test_properties_of_profiles_are_looked_at(tmp_path: Path) -> None:
    """Phone, Email, Gender and flags that the receiver would make nothing of are told, and are no errors."""
    rows = [(f"u{number}", "0170 1234", "a@b.example", "female", "x") for number in range(10)]
    header = ["user_id", "mobile", "email", "gender", "MSG-sms"]
    entry = propose(write_rows(tmp_path / "customers.csv", header, rows))
    assert (
        '10 rows: Phone is not + country code and number (write +491701234567); first: "0170 1234" in line 2'
        in get_column(entry, "mobile")
    )
    assert get_column(entry, "email") == "email: {ct_name: Email}"
    assert 'first: "female" in line 2' in get_column(entry, "gender")
    assert 'MSG- flag is neither true nor false (write true or false); first: "x" in line 2' in get_column(
        entry, "MSG-sms"
    )


def test_several_files_are_one_evidence(tmp_path: Path) -> None:
    """A type fits all files or none; columns may stand in another order; the first other is told with its file."""
    header = ["user_id", "joined", "score"]
    first = write_rows(tmp_path / "customers_1.csv", header, [(f"u{n}", "05/11/2025", n) for n in range(300)])
    others = [("n/a" if n == 3 else n, "25/11/2025", f"v{n}") for n in range(300)]
    second = write_rows(tmp_path / "customers_2.csv", header[::-1], others)
    assert "ambiguous: MM/dd/yyyy fits as well" in get_column(propose(first), "joined")
    entry = propose(first, second)
    assert entry.startswith("  # Inferred from customers_1.csv, customers_2.csv: 600 rows, 3 columns.\n")
    assert 'files: ["customers*.csv"]' in entry
    assert get_column(entry, "joined") == "joined: {type: DATE, date_format: dd/MM/yyyy}"
    assert get_column(entry, "score").endswith(
        '99.8 % of rows are INTEGER; first other: "n/a" in "customers_2.csv", line 5'
    )


def test_a_file_whose_name_tells_nothing_is_told_so(tmp_path: Path) -> None:
    """A pattern that fits every file is doubtful; the feed has a name all the same."""
    entry = propose(write_rows(tmp_path / "2026-01-02.csv", ["user_id"], [("u1",), ("u2",)]))
    assert "    type: profile\n" in entry
    assert '    # doubtful: it fits every file\n    files: ["*.csv"]\n' in entry


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["user_id", "town"], "it lacks 'city', and it has 'town' besides"),
        (["user_id"], "it lacks 'city'"),
        (["user_id", "city", *(f"c{number}" for number in range(7))], "it has 'c0', 'c1', 'c2', 'c3', 'c4' and 2 more"),
    ],
)
def test_files_of_different_kinds_are_not_mixed(tmp_path: Path, header: list[str], said: str) -> None:
    """One entry cannot be for both: which columns differ is one line, and it is wrong usage."""
    first = write_rows(tmp_path / "a.csv", ["user_id", "city"], [("u1", "x")])
    second = write_rows(tmp_path / "b.csv", header, [["x"] * len(header)])
    with pytest.raises(ConfigurationError) as caught:
        propose(first, second)
    assert str(caught.value).startswith(f"infer b.csv: it has not the columns of a.csv: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"a,b\n", "line 1: the file has no rows, only a header"),
        (b"a,b\n1,\0\n", "line 2: there is a NUL byte: this is no text"),
        (b"a,b\n1,2\n1\n", "line 3: the row has 1 fields, the header 2"),
        ("a,b\nö,ö\n".encode() + b"1,K\xf6ln\n", "line 3: the text is not UTF-8"),
        (b'a,b\n1,"2\n', "line 2: a quoted field that begins here never ends"),
        (b"sep=;\na;b\n1;2\n", "line 1: the first line is no header: 'sep=;' tells Excel alone"),
        (b"PK\x03\x04\0\0\n", "it is no text, but a ZIP archive"),
        (",".join(f"c{n}" for n in range(1001)).encode() + b"\n1\n", "the header has 1001 columns"),
    ],
)
def test_what_is_no_csv_is_refused_as_the_inspection_does(tmp_path: Path, content: bytes, said: str) -> None:
    """The cause is the inspection's own, with its line; nothing is proposed."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputRefused) as inferred:
        propose(path)
    off = {rule.id: "off" for rule in RULES.values() if not rule.is_fixed}
    feed = Feed.model_validate({"type": "profile", "files": ["*"], "rules": off})
    with pytest.raises(Refused) as inspected:
        inspect(path, feed, now=NOW, outlet=tmp_path)
    assert said in inferred.value.cause
    assert (inferred.value.subject, inferred.value.cause) == ("a.csv", inspected.value.cause)


def test_a_wide_file_is_looked_at_in_little_memory(tmp_path: Path) -> None:
    """A thousand columns of every type, some with a bad cell, in the memory that one file may have."""
    kinds = ("{n}", "{n}.5", "u{n}", "2025-11-30", "true")
    header = ["user_id", *(f"k{number}" for number in range(999))]
    rows = [
        [f"u{n}", *(kinds[number % 5].format(n=n) if n or number % 50 else "bad" for number in range(999))]
        for n in range(120)
    ]
    entry = propose(write_rows(tmp_path / "wide.csv", header, rows))
    assert "  # error: 999 custom keys of a profile, 256 are taken (property.too_many)\n" in entry
    lines = [line for line in entry.splitlines() if re.match(r" +k\d+: ", line)]
    assert len(lines) == 999
    assert sum('99.1 % of rows are INTEGER; first other: "bad" in line 2' in line for line in entry.splitlines()) == 20
    assert sum("{type: DATE, date_format: yyyy-MM-dd}" in line for line in lines) == 200


def test_refused_rows_that_come_back_give_the_feed_of_their_file(tmp_path: Path) -> None:
    """The column of reasons is not mapped, so the file is known as one of refused rows."""
    path = write_rows(tmp_path / "failed_rows.csv", ["user_id", "Failure Description"], [("u1", "why"), ("u2", "why")])
    entry = propose(path)
    assert '# "Failure Description": refused rows have it' in entry
    (feed,) = paste(tmp_path, entry).feeds.values()
    assert list(feed.columns) == ["user_id"]


def test_a_proposed_feed_lets_a_dirty_file_pass_but_for_its_bad_rows(tmp_path: Path) -> None:
    """What is told as doubtful is what the inspection then refuses, and nothing else."""
    rows: list[tuple[object, ...]] = [(number, f"{number % 28 + 1:02}/11/2025 10:00:00") for number in range(1000)]
    rows[7], rows[9] = ("n/a", rows[7][1]), (9, "soon")
    path = _write_events(tmp_path / "purchases.csv", ["pieces", "delivered"], rows)
    entry = propose(path)
    ((name, feed),) = paste(tmp_path, entry).feeds.items()
    assert (name, feed.columns["delivered"].date_format) == ("purchases", DAY_TIME)
    found = inspect(path, feed, now=NOW, outlet=tmp_path)
    errors = {tally.rule: tally.rows for tally in found.tallies if tally.severity is Severity.ERROR}
    assert errors == {"type.integer": 1, "type.date": 1}
    assert entry.count("doubtful: 99.") == 2
    assert "# doubtful: 0.2 % of rows (2) are refused by the rules together, no more than" in unwrap(entry)


def test_what_comes_twice_or_out_of_order_is_told_with_the_keys_that_help(tmp_path: Path) -> None:
    """Each as a comment that loads once it is uncommented, and then the file is sent without what was told."""
    rows = [("Sold", FIRST + number, f"u{number % 7}", f"A{number}") for number in range(1000)]
    rows[10], rows[500] = rows[500], rows[10]
    path = write_rows(tmp_path / "a.csv", ["event_name", "ts", "user_id", "Order No"], [*rows, *rows[:50]])
    entry = propose(path)
    assert (
        "    # doubtful: 4.7 % of rows (50) repeat an earlier one in every column, and the receiver takes each for an"
        " event: to leave them out, uncomment this\n"
        '    # deduplicate: {columns: ["event_name", "ts", "user_id", "Order No"]}\n'
    ) in unwrap(entry)
    assert (
        "    # doubtful: 51.4 % of rows (540) are earlier than one before: to have the oldest sent first,"
        " uncomment this\n    # sort_by_time: true\n"
    ) in unwrap(entry)
    uncommented = re.sub(r"# (deduplicate|sort_by_time):", r"\1:", entry)
    (feed,) = paste(tmp_path, uncommented).feeds.values()
    found = inspect(path, feed, now=NOW, outlet=tmp_path)
    assert (found.duplicate_rows, found.records) == (50, 1000)
    times = [line.split(",")[1] for line in found.path.read_text().splitlines()[1:]]
    assert times == sorted(times)


def test_what_differs_in_any_column_comes_not_twice(tmp_path: Path) -> None:
    """The key is proposed where it finds what is equal throughout, and no more; of what is in order nothing is said."""
    rows = [("Sold", FIRST + number, f"u{number % 7}", f"article {number}") for number in range(100)]
    header = ["event_name", "ts", "user_id", "name"]
    split = [*rows, (*rows[-1][:3], "another article")]
    assert "# deduplicate" not in propose(write_rows(tmp_path / "a.csv", header, split))
    entry = propose(write_rows(tmp_path / "b.csv", header, [*split, split[-1]]))
    assert '    # deduplicate: {columns: ["event_name", "ts", "user_id", "name"]}\n' in entry
    assert "sort_by_time" not in entry


def test_times_that_are_no_ts_yet_are_compared_as_well(tmp_path: Path) -> None:
    """The order of dates is told; that it takes a ``ts`` to sort them, too."""
    rows = [("Sold", f"{30 - number:02}/11/2025 10:00:00", f"u{number % 7}") for number in range(25)]
    entry = propose(write_rows(tmp_path / "a.csv", ["event_name", "Bestelldatum", "Kundennr"], rows))
    assert (
        "96.0 % of rows (24) are earlier than one before: to have the oldest sent first, once a column is ts,"
        in unwrap(entry)
    )
    assert "a date cannot be ts" in get_column(entry, "Bestelldatum")


def test_of_profiles_neither_is_told(tmp_path: Path) -> None:
    """They are upserted."""
    rows = [(f"u{number}", FIRST - number) for number in range(100)]
    entry = propose(write_rows(tmp_path / "a.csv", ["user_id", "ts"], [*rows, rows[0]]))
    assert "deduplicate" not in entry
    assert "sort_by_time" not in entry


def test_rules_that_each_refuse_few_rows_are_told_together(tmp_path: Path) -> None:
    """Of several files the worst is named: each stands for itself, and of such a file no row is sent."""
    good = [(f"u{number}", number, "2025-11-30", "true") for number in range(1000)]
    bad: list[tuple[object, ...]] = [(f"v{number}", number, "2025-11-30", "true") for number in range(1000)]
    for number in range(4):
        bad[number] = (f"v{number}", "x", "2025-11-30", "true")
        bad[100 + number] = (f"v{100 + number}", 1, "soon", "true")
        bad[200 + number] = (f"v{200 + number}", 1, "2025-11-30", "perhaps")
    header = ["user_id", "score", "joined", "gift"]
    first, second = (write_rows(tmp_path / f"c_{n}.csv", header, rows) for n, rows in ((1, good), (2, bad)))
    told = "(12) are refused by the rules together, more than max_bad_rows (1 %): such a file is not sent at all\n"
    assert f"    # doubtful: 1.2 % of rows {told}" in unwrap(propose(second))
    assert f'    # doubtful: 1.2 % of rows of "c_2.csv" {told}' in unwrap(propose(first, second))
    assert "refused by the rules" not in propose(first)
    (feed,) = paste(tmp_path, propose(second)).feeds.values()
    with pytest.raises(RowsRefused) as caught:
        inspect(second, feed, now=NOW, outlet=tmp_path)
    assert caught.value.refused_rows == 12


def test_an_interrupted_wait_interrupts_the_query(tmp_path: Path) -> None:
    """Ctrl-C while DuckDB works ends its work, too: nobody waits for the end of a big file."""
    path = write_rows(tmp_path / "a.csv", ["a", "b"], [("x" * 10, "y")] * 10)
    threads = threading.active_count()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with open_reading(path, outlet=tmp_path, watch=Watch()) as reading:
        reading.read()
        table = reading.table
        endless = "(SELECT max(sin(range)) FROM range(1000000000000))::INTEGER"
        with pytest.raises(KeyboardInterrupt):
            reading.wait_for(lambda: table.count_cells(endless), look=interrupt)
    assert threading.active_count() == threads


def test_comments_are_no_wider_than_a_terminal(tmp_path: Path) -> None:
    """Whatever is said stands above the line that it is of, in lines of 80 characters."""
    rows = [("x" * 600 if number % 2 else number, f"App Launched {number}", "null") for number in range(60)]
    path = write_rows(tmp_path / f"{'a_very_long_name_' * 4}.csv", ["pieces", "event_name", "user_id"], rows)
    entry = propose(path)
    comments = [line for line in entry.splitlines() if "#" in line]
    assert len(comments) > 6
    assert [line for line in comments if not line.lstrip().startswith("# ")] == []
    assert [line for line in comments if len(line) > 80] == []
