"""What is proposed for a clean file loads, and lets the file pass: from any headers and values to an inspection."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.intake.matching import list_matching_feeds
from sftp_orchestrator.prepare.checks import terms
from sftp_orchestrator.prepare.inspect import inspect
from tests.support.inferring import get_column, paste, propose, write_rows

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
ROWS = 20
FILES = ("purchases_2026-01-02.csv", "2026.csv", "yes.csv", "Käufe [neu] #1.csv", "null_2.csv", "1e5.csv")
HEADERS = (
    *("yes", "on", "null", "~", "2024", "1e5", "a: b", "# no", "- a", "<<", "=", "a.b", "a_b", "price ($)", "%", " x "),
    *("名前", "line\nbreak", 'say "hi"', "x" * 130, "y" * 1100, "ts", "id", "email", "phone", "created_at", "is_new"),
    *("zip", "a\u2028b", "a\x07", "\ufeff\u200bb", "won't", "count", "amount", "dob", "age", "Married", "MSG-push"),
    "order_no",
)
DATES = strategies.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2060, 1, 1))  # noqa: DTZ001 - a wall clock
CALENDAR = [written for written in clevertap.DATE_FORMATS if written != "UNIX"]


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What one column is filled with, and the type that it must be proposed as where its name leaves the choice."""

    type: DataType
    date_format: str | None
    cells: tuple[str, ...]


def _generate_cells(type_: DataType, date_format: str | None) -> strategies.SearchStrategy[str]:
    if date_format is not None:
        return DATES.map(lambda moment: moment.strftime(terms.get_strptime(date_format)))
    return {
        DataType.STRING: strategies.text(max_size=20).filter(lambda text: not set("\0\r$") & set(text)),
        DataType.INTEGER: strategies.integers(-(10**8), 10**8).map(str),
        DataType.LONG: strategies.integers(10**17, 10**18).map(str),
        DataType.FLOAT: strategies.integers(1, 10**6).map(lambda number: f"{number / 1000:.3f}"),
        DataType.BOOLEAN: strategies.sampled_from(["true", "false", "TRUE"]),
    }[type_]


@strategies.composite
def generate_fillings(draw: strategies.DrawFn) -> Filling:
    """Generate a column of one type, some cells of which may be empty."""
    type_ = draw(strategies.sampled_from(DataType))
    date_format = draw(strategies.sampled_from(CALENDAR)) if type_ is DataType.DATE else None
    some = draw(strategies.lists(_generate_cells(type_, date_format), min_size=1, max_size=8))
    some += [""] if draw(strategies.booleans()) else []
    return Filling(type=type_, date_format=date_format, cells=tuple(some[number % len(some)] for number in range(ROWS)))


def _make_rows(kind: str, columns: list[Filling]) -> tuple[list[str], list[list[str]]]:
    """Return the columns that make a clean file of the kind, and its rows with those of ``columns`` behind."""
    header = ["event_name", "time_stamp", "user_id"] if kind == "event" else ["user_id"]
    rows = []
    for number in range(ROWS):
        own = ["Sold", str(1_700_000_000 + number)] if kind == "event" else []
        rows.append([*own, f"u{number}", *(column.cells[number] for column in columns)])
    return header, rows


@pytest.mark.parametrize("kind", ["event", "profile"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(
    name=strategies.sampled_from(FILES),
    columns=strategies.dictionaries(strategies.sampled_from(HEADERS), generate_fillings(), max_size=12),
)
def test_a_clean_file_passes_by_the_feed_that_is_proposed_for_it(
    kind: str, name: str, columns: dict[str, Filling]
) -> None:
    """The entry loads where it is pasted, fits the file, maps every column, and its inspection finds no error."""
    with tempfile.TemporaryDirectory() as folder:
        header, rows = _make_rows(kind, list(columns.values()))
        path = write_rows(Path(folder) / name, [*header, *columns], rows)
        entry = propose(path)
        configuration = paste(Path(folder), entry)
        ((feed_name, feed),) = configuration.feeds.items()
        assert feed.type == kind, entry
        assert list(feed.columns) == [*header, *columns]
        assert list_matching_feeds(name.encode(), configuration.feeds) == (feed_name,)
        found = inspect(path, feed, now=NOW, outlet=Path(folder))
        assert [tally for tally in found.tallies if tally.severity is Severity.ERROR] == [], entry
        assert (found.records, found.refused_rows) == (ROWS, 0)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(columns=strategies.lists(generate_fillings(), min_size=1, max_size=10))
def test_each_type_is_found_again(columns: list[Filling]) -> None:
    """Under names that say nothing every column is of the type it was made of, or of one that its cells are, too."""
    with tempfile.TemporaryDirectory() as folder:
        header, rows = _make_rows("profile", columns)
        names = [f"plain{'x' * number}" for number in range(len(columns))]
        entry = propose(write_rows(Path(folder) / "a.csv", [*header, *names], rows))
        (feed,) = paste(Path(folder), entry).feeds.values()
    for name, made in zip(names, columns, strict=True):
        found = feed.columns[name]
        if made.type is DataType.DATE:
            assert found.type is DataType.DATE, entry
            assert found.date_format == made.date_format or "doubtful" in get_column(entry, name), entry
        elif made.type is not DataType.STRING:
            assert found.type is made.type, entry
