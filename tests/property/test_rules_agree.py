"""What we let through the receiver takes: our rules against the sandbox's own, over the same generated nasties.

The two share no code: ours are SQL over a whole file, the sandbox's plain Python over single cells.
"""

from __future__ import annotations

import csv
import datetime
import io
import tempfile
import threading
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, reject, settings, strategies
from pydantic import ValidationError

from sftp_orchestrator.config.model import Destination, Feed
from sftp_orchestrator.destination import clevertap, manifest
from sftp_orchestrator.prepare.inspect import inspect
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.prepare.report import Refused, RowsRefused
from sftp_orchestrator.sandbox.manifest import Column, Manifest, parse_document, read_manifest
from sftp_orchestrator.sandbox.refusals import Refusal
from sftp_orchestrator.sandbox.table import read_table
from tests.support.nasty_cells import CELLS, LISTED

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
TAG = "tag"
"""A column that tells rows apart."""

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
FEEDS: dict[str, dict[str, dict[str, str]]] = {
    "event": {
        "name": {"ct_name": "evtName"},
        "time": {"ct_name": "ts"},
        "user": {"ct_name": "identity"},
        "device": {"ct_name": "objectId"},
        **_TYPED,
    },
    "profile": {
        "user": {"ct_name": "identity"},
        "google": {"ct_name": "gpId"},
        "time": {"ct_name": "ts"},
        "Phone": {},
        "Gender": {},
        "hobby": {},
        **_TYPED,
    },
}
GOOD = {"name": "Sold", "time": "1700000000", "user": "user1", "device": "d1", "google": "g1"}


def _make_feed(kind: str) -> Feed:
    return Feed.model_validate({"type": kind, "files": ["*"], "columns": FEEDS[kind], "max_bad_rows": 1.0})


def _make_manifest(kind: str) -> Manifest:
    columns = {
        header: Column(
            property_name=mapped.get("ct_name", header),
            data_type=mapped.get("type", "STRING"),
            date_format=mapped.get("date_format"),
        )
        for header, mapped in FEEDS[kind].items()
    }
    return Manifest(file_name="a.csv", type=kind, client_email="data-team@example.com", columns=columns)


def _write(path: Path, kind: str, rows: list[dict[str, str]]) -> None:
    header = [*FEEDS[kind], *(["hobby.operation"] if kind == "profile" else []), TAG]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for number, row in enumerate(rows):
            writer.writerow([row.get(name, GOOD.get(name, "")) for name in header[:-1]] + [f"r{number}"])


def _read_tags(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with path.open(newline="", encoding="utf-8") as stream:
        return {row[TAG] for row in csv.DictReader(stream)}


def _ask_both(kind: str, rows: list[dict[str, str]]) -> tuple[set[str], set[str]]:
    """Return the rows that we refuse, and those that the sandbox does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "a.csv"
        _write(path, kind, rows)
        try:
            inspection = inspect(path, _make_feed(kind), now=NOW, outlet=folder)
            sent = inspection.path.read_bytes()
        except RowsRefused as refused:
            # Every row is refused: no file of good rows is left.
            sent = b"" if refused.refused_rows == len(rows) else b"unexpected"
        try:
            read_table(path, _make_manifest(kind), folder / "theirs.csv", threading.Event(), now=NOW.timestamp())
        except Refusal as refusal:
            raise AssertionError(str(refusal)) from refusal
        ours, theirs = _read_tags(folder / FAILED_ROWS_NAME), _read_tags(folder / "theirs.csv")
        kept = {row[TAG] for row in csv.DictReader(io.StringIO(sent.decode(), newline=""))}
        assert kept | ours == {f"r{number}" for number in range(len(rows))}
        assert not kept & ours
        return ours, theirs


@strategies.composite
def generate_rows(draw: strategies.DrawFn, kind: str) -> list[dict[str, str]]:
    """Generate rows that are good but for one or two cells, so that each cell decides about its row."""
    header = [*FEEDS[kind], *(["hobby.operation"] if kind == "profile" else [])]
    row: strategies.SearchStrategy[Any] = strategies.dictionaries(
        strategies.sampled_from(header), CELLS, min_size=1, max_size=2
    )
    return draw(strategies.lists(row, min_size=1, max_size=40))


def _make_every_case(kind: str) -> list[dict[str, str]]:
    """Every listed value in every column."""
    header = [*FEEDS[kind], *(["hobby.operation"] if kind == "profile" else [])]
    return [{name: value} for name in header for value in LISTED]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(rows=generate_rows("event"))
@example(rows=_make_every_case("event"))
def test_events_that_we_let_through_are_taken(rows: list[dict[str, str]]) -> None:
    """No row of events that the sandbox refuses passes our rules; and no row is lost between sent and refused."""
    ours, theirs = _ask_both("event", rows)
    assert not theirs - ours, [rows[int(tag[1:])] for tag in theirs - ours]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(rows=generate_rows("profile"))
@example(rows=_make_every_case("profile"))
def test_profiles_that_we_let_through_are_taken(rows: list[dict[str, str]]) -> None:
    """The same for profiles, with operations."""
    ours, theirs = _ask_both("profile", rows)
    assert not theirs - ours, [rows[int(tag[1:])] for tag in theirs - ours]


def test_we_are_stricter_only_where_we_mean_to_be() -> None:
    """Over the listed values both refuse the same rows, but for the few that are told here."""
    stricter = {
        "31 dec 2024",  # formats are case-sensitive, as the vendor says
        "te\u017ft",  # folds to "test", which is no identity
        *(" ", "\t", "\u00a0", "\u3000 "),  # a blank objectId is none of 1-64 allowed characters
    }
    for kind in FEEDS:
        rows = _make_every_case(kind)
        ours, theirs = _ask_both(kind, rows)
        assert {value for tag in ours - theirs for value in rows[int(tag[1:])].values()} <= stricter


HEADERS = (
    "user",
    "a",
    "b",
    "evtName",
    "ts",
    "Phone",
    "Gender",
    "MSG-push",
    "a.operation",
    "evtName.operation",
    "items",
)
PROPERTIES = (*clevertap.IDENTITIES, "evtName", "ts", "Phone", "Gender", "a", "a.operation", "Items")
TYPES = ({}, {"type": "INTEGER"}, {"type": "LONG"}, {"type": "FLOAT"}, {"type": "BOOLEAN"}, *_TYPED.values())
WORDS = ("", "1", "u1", "Sold", "true", "null", "$add", "1700000000", "01/02/2024", "x" * 512, "x" * 513, "x" * 1024)


def _describe_mapping(name: str | None, kind: dict[str, str]) -> dict[str, str]:
    return {**({"ct_name": name} if name is not None else {}), **kind}


@strategies.composite
def generate_file(draw: strategies.DrawFn) -> tuple[dict[str, Any], list[list[str]]]:
    """Generate what a feed says, with any header and mapping, and a file for it."""
    mapping = strategies.builds(
        _describe_mapping, strategies.none() | strategies.sampled_from(PROPERTIES), strategies.sampled_from(TYPES)
    )
    header = ["user", *draw(strategies.lists(strategies.sampled_from(HEADERS[1:]), unique=True, max_size=4))]
    columns = {name: draw(mapping) for name in header[1:] if draw(strategies.booleans())}
    kind = draw(strategies.sampled_from(["event", "profile"]))
    said = {"type": kind, "columns": {"user": {"ct_name": "identity"}, **columns}}
    if kind == "event" and draw(strategies.booleans()):
        said["event_name"] = "Sold"
    row = strategies.tuples(*[strategies.sampled_from(WORDS)] * len(header)).map(list)
    return said, [header, *draw(strategies.lists(row, min_size=1, max_size=20))]


def _send(said: dict[str, Any], rows: list[list[str]]) -> str | None:
    """Return what the sandbox refuses of what we send; None where it takes it, or nothing is sent."""
    try:
        feed = Feed.model_validate({"files": ["*"], "max_bad_rows": 1.0, **said})
    except ValidationError:
        reject()
    destination = Destination.model_construct(client_email="data-team@example.com", encryption=None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "a.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
        try:
            inspection = inspect(folder / "a.csv", feed, now=NOW, outlet=folder)
        except Refused:
            return None
        made = planning.make_manifest("a.csv", feed, destination, inspection.header.names)
        theirs = folder / "theirs.csv"
        try:
            taken = read_manifest(parse_document(manifest.render(made)))
            found = read_table(inspection.path, taken, theirs, threading.Event(), now=NOW.timestamp())
        except Refusal as refusal:
            return str(refusal)
        return theirs.read_text(encoding="utf-8") if found.failed_rows else None


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(file=generate_file())
@example(
    file=(
        {"type": "profile", "columns": {"user": {"ct_name": "identity"}, "a": {"ct_name": "evtName"}}},
        [["user", "a"], ["u1", "x" * 513], ["u2", "y"]],
    )
)
def test_whatever_a_feed_says_what_we_send_is_taken(file: tuple[dict[str, Any], list[list[str]]]) -> None:
    """Properties that mean something to events alone, in profiles; names that look like others; any type of any."""
    said, rows = file
    assert _send(said, rows) is None
