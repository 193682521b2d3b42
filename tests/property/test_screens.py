"""No row that breaks a rule gets by the rule's screen; and the usual good rows do, or a file would be read twice."""

from __future__ import annotations

import csv
import datetime
import io
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.rules import RULES
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.row_checks import Check, list_checks
from sftp_orchestrator.prepare.rows._native import find_record_ends
from sftp_orchestrator.prepare.tables.duck import open_duckdb
from sftp_orchestrator.prepare.tables.examine import Examination
from sftp_orchestrator.prepare.tables.table import Table
from sftp_orchestrator.prepare.text.header import Header, parse_header
from sftp_orchestrator.prepare.text.pieces import PADDING, Piece, look
from sftp_orchestrator.prepare.text.screening import Screening
from sftp_orchestrator.prepare.text.stopped import StoppedRows
from tests.support.nasty_cells import CELLS, LISTED

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

_TYPED = {
    "whole": {"type": "INTEGER"},
    "long": {"type": "LONG"},
    "decimal": {"type": "FLOAT"},
    "flag": {"type": "BOOLEAN"},
    **{
        f"day{number}": {"type": "DATE", "date_format": date_format}
        for number, date_format in enumerate(clevertap.DATE_FORMATS)
    },
}
COLUMNS: dict[str, dict[str, dict[str, str]]] = {
    "event": {
        "name": {"ct_name": "evtName"},
        "time": {"ct_name": "ts", "type": "INTEGER"},
        "user": {"ct_name": "identity"},
        "device": {"ct_name": "objectId"},
        **_TYPED,
        "Items": {},
    },
    "profile": {
        "user": {"ct_name": "identity"},
        "google": {"ct_name": "gpId"},
        **{name: {} for name in ("Email", "Phone", "Gender", "Married", "Education", "MSG-sms", "hobby")},
        **_TYPED,
    },
}
GOOD = {
    "name": ("Product viewed", "Bewertung ü", "東京", "x" * 64, "y" * 65, "Charge"),
    "time": ("1700000000", "1699999999"),
    "user": ("user1", "a@example.com", "4711", "Zoë-Ångström1", "testimony", "nullable", "00"),
    "device": ("d1", "0b0c8c0e-8a34-4c5e-9b66-9c1d2a3f4b5c", "(A:z)!@$_-", "x" * 64),
    "google": ("g1", ""),
    "Items": ("",),
    "whole": ("0", "-1", "007", "2147483647", "-2147483648", ""),
    "long": ("0", "-1", "000000000012", "9223372036854775807", "-9223372036854775807", ""),
    "decimal": ("0", "-1.5", "12.50", "0.30000000000000004", "-123456789012345.12345", ""),
    "flag": ("true", "FALSE", "True", "1", "0", ""),
    "Email": ("a@b.de", "first.last+tag@mail.example.com", "x" * 40 + "@example.org", ""),
    "Phone": ("+491701234567", "+1234567", "+123456789012345", ""),
    "Gender": ("M", "f", ""),
    "Married": ("Y", "n", "true", "0"),
    "Education": ("Graduate", "college", "SCHOOL"),
    "MSG-sms": ("true", "0"),
    "hobby": ("chess", "Fußball, draußen", 'say "hi"', "two\nlines", "$5", "$D_1700000000", "$D_-5", "x" * 512),
    "hobby.operation": ("$add", "$remove", "$set", "$delete", ""),
}
_MOMENTS = ("28/02/2024", "31/12/2024", "30/04/1999", "31/01/1900", "01/10/2099")
for number, format_ in enumerate(clevertap.DATE_FORMATS):
    days = [datetime.datetime.strptime(f"{day} 23:59:09", "%d/%m/%Y %H:%M:%S") for day in _MOMENTS]  # noqa: DTZ007 - a date of no zone
    letters = {"dd": "%d", "MMM": "%b", "MM": "%m", "yyyy": "%Y", "HH": "%H", "mm": "%M", "ss": "%S", "'T'": "T"}
    pattern = format_
    for ours, theirs in letters.items():
        pattern = pattern.replace(ours, theirs)
    GOOD[f"day{number}"] = (
        ("0", "1700000000", "-2208988800", "") if format_ == "UNIX" else (*(day.strftime(pattern) for day in days), "")
    )


def make_feed(kind: str) -> Feed:
    """Return a feed in which every rule that can be is on, and an error: so each row that breaks any is listed."""
    rules = {rule.id: "error" for rule in RULES.values() if not rule.is_fixed}
    return Feed.model_validate({"type": kind, "files": ["*"], "columns": COLUMNS[kind], "rules": rules})


def list_header(kind: str) -> list[str]:
    """Return the columns of a file."""
    return [*COLUMNS[kind], *(["hobby.operation"] if kind == "profile" else [])]


def write_rows(kind: str, rows: Sequence[dict[str, str]], newline: str) -> bytes:
    """Return rows as CSV, without a header; what is not given is good."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline)
    for row in rows:
        writer.writerow([row.get(name, GOOD[name][0]) for name in list_header(kind)])
    return text.getvalue().encode()


def make_checks(kind: str) -> list[Check]:
    """Return all checks of rows."""
    feed = make_feed(kind)
    return list_checks(list_columns(list_header(kind), feed), feed, now=NOW, retention_days=3650)


def _parse_header(kind: str, newline: str) -> Header:
    return parse_header((",".join(list_header(kind)) + newline).encode())


def find_stopped(kind: str, checks: Sequence[Check], body: bytes, newline: str) -> list[set[int]]:
    """Return the rows that the screen of each check stops, counted from 1."""
    header, piece = _parse_header(kind, newline), Piece(offset=0, content=body + PADDING)
    found = []
    for check in checks:
        screening = Screening([check.screen])
        seen = look(piece, screening.make_reader(header), header)
        assert screening.name(seen.stopped_by) == (frozenset({check.screen}) if seen.stopped else frozenset())
        found.append({row + 1 for row in memoryview(seen.stopped).cast("I")[::3]})
    return found


def find_broken(kind: str, checks: Sequence[Check], body: bytes, newline: str) -> list[set[int]]:
    """Return the rows that break each check, as DuckDB finds them in all rows."""
    header = _parse_header(kind, newline)
    starts = [0, *memoryview(find_record_ends(body, 0)).cast("q").tolist()]
    with tempfile.TemporaryDirectory() as name, StoppedRows(Path(name), header) as rows:
        ends = itertools.pairwise(starts)
        rows.add(
            b"".join(b"%d,%b" % (number, body[start:end]) for number, (start, end) in enumerate(ends, 1)),
            len(starts) - 1,
        )
        with open_duckdb(Path("rows"), "reader.failed", folder=Path(name), cancelled=lambda: False) as connection:
            examination = Examination(connection, checks)
            for path, count in rows.list_batches():
                Table(connection, path, header, rows=count, is_numbered=True).examine(examination)
            found = list(examination.list_refused())
    return [{row.number for row in found if check in row.checks} for check in checks]


def require_all_stopped(kind: str, rows: Sequence[dict[str, str]], newline: str = "\n") -> None:
    """Fail where a row breaks a rule and its screen does not stop it."""
    checks = make_checks(kind)
    body = write_rows(kind, rows, newline)
    stopped = find_stopped(kind, checks, body, newline)
    broken = find_broken(kind, checks, body, newline)
    for check, by_screen, by_rule in zip(checks, stopped, broken, strict=True):
        missed = by_rule - by_screen
        assert not missed, (check.rule.id, check.column, [rows[number - 1] for number in missed])


_ODD = (
    *("a@b", "@b.c", "a@.b", "a@b.", "a@b..c", "a@@b.c", "a b@c.d", "a@b.c ", "ä@b.de", "x" * 70 + "@b.de", "a@b.c@d"),
    *("+0123456789", "+49 170 1234567", "0049170123", "+123456", "+1234567890123456", "+", "+-123456789", "+1234a678"),
    *("truE", "tru\x11", "\x11", "trueX", "falseX", "Graduate!", "graduates", "$addX", "$delete ", "\x91"),
    *(
        "nu\u2002ll",
        "\u2002null",
        "null\u2003",
        "blan\u212a",
        "te\u017ft",
        "NaN\u0085",
        "\u1680empty\t",
        "0 ",
        "00",
        "-01",
    ),
    *(
        "1-2",
        "--5",
        "-",
        "1.2.3",
        ".",
        "-.5",
        "5.",
        "1" * 24,
        "1" * 25,
        "1." + "0" * 30,
        "0x",
        "1:2",
        "1/2",
        "9;",
        "9\u0660",
    ),
    *("2147483646", "-2147483649", "+2147483647", "1767312000", "1767312001", "1e2", "12e2", "0000000001700000000"),
    *(
        "29/02/2024 00:00:00",
        "31/04/2024 00:00:00",
        "00/01/2024 00:00:00",
        "01/13/2024 00:00:00",
        "31/12/1899 00:00:00",
    ),
    *("31 Feb 2024", "31 Xyz 2024", "30 Feb 2024", "31 JAN 2024", "2024-02-30T00:00:00", "2024-12-31T29:00:00"),
    *("9999999999", "5000000001", "5000000000", "-2208988801", "2100-01-01", "1899-12-31", "2024:12:31", "2024-1/-31"),
    *(
        "App Launched",
        "APP LAUNCHED",
        " app launched",
        "app  launched",
        "Charged",
        "charged\u3000",
        'q"q',
        "a'b",
        "a#b",
        "a:b",
    ),
    *("$D_x", "$D_", "x$D_1", '"$D_1"', "é" * 513, "é" * 512, "x" * 513, "東" * 512, '"' * 300, "\ufeff", "\u200b"),
)


@strategies.composite
def generate_rows(draw: strategies.DrawFn, kind: str) -> list[dict[str, str]]:
    """Generate rows with one or two odd cells in each."""
    cells = strategies.one_of(CELLS, strategies.sampled_from(_ODD))
    row = strategies.dictionaries(strategies.sampled_from(list_header(kind)), cells, min_size=1, max_size=2)
    return draw(strategies.lists(row, min_size=1, max_size=40))


def make_every_case(kind: str) -> list[dict[str, str]]:
    """Every listed value in every column."""
    return [{name: value} for name in list_header(kind) for value in (*LISTED, *_ODD)]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(rows=generate_rows("event"), newline=strategies.sampled_from(["\n", "\r\n"]))
@example(rows=make_every_case("event"), newline="\n")
def test_no_bad_event_gets_by_the_screens(rows: list[dict[str, str]], newline: str) -> None:
    """Whatever breaks a rule for events is stopped by the screen of that very rule."""
    require_all_stopped("event", rows, newline)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(rows=generate_rows("profile"), newline=strategies.sampled_from(["\n", "\r\n"]))
@example(rows=make_every_case("profile"), newline="\r\n")
def test_no_bad_profile_gets_by_the_screens(rows: list[dict[str, str]], newline: str) -> None:
    """The same for profiles."""
    require_all_stopped("profile", rows, newline)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", list(COLUMNS))
def test_usual_rows_get_by(kind: str, newline: str) -> None:
    """Every usual way to write a good value passes: a screen that stopped it would cost a second look at each row."""
    longest = max(len(values) for values in GOOD.values())
    rows = [{name: values[number % len(values)] for name, values in GOOD.items()} for number in range(longest)]
    checks = make_checks(kind)
    stopped = find_stopped(kind, checks, write_rows(kind, rows, newline), newline)
    found = {check.describe(): by_screen for check, by_screen in zip(checks, stopped, strict=True) if by_screen}
    assert found == {}
