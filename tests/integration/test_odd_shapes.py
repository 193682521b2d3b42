"""Shapes of rows that parsers take for others: every row is sent as it was written, or refused for what it is."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import measuring
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.inference.evidence import gather
from sftp_orchestrator.inference.samples import Sample, Workshop
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.row_checks import list_checks
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION, FAILED_ROWS_NAME
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.tables import duck, duplicates
from sftp_orchestrator.prepare.tables.examine import Examination
from sftp_orchestrator.prepare.tables.reading import explain_memory, open_reading
from sftp_orchestrator.progress import Board
from tests.support.configuration import BY_IDENTITY_ALONE
from tests.support.inspecting import NOW, count_refused, rewrite

HEADER = ("evtName", "ts", "identity", "note")
TEXT = 'dear customer, thank you for your "order"; it was shipped today, and should arrive on monday, regards'
MULTI_LINE_BYTES = 12_000_000
"""More than one buffer of DuckDB's: within one, nothing is guessed."""
BAD_EVERY = 1000


def _make_feed(**changes: Any) -> Feed:
    whole = {"ts": {"type": "INTEGER"}}
    return Feed.model_validate({"type": "event", "files": ["*"], "columns": whole, "max_bad_rows": 0.5, **changes})


def _make_profile_feed(**changes: Any) -> Feed:
    return Feed.model_validate(
        {"type": "profile", "files": ["*"], "max_bad_rows": 0.5, "rules": BY_IDENTITY_ALONE, **changes}
    )


def _write(path: Path, rows: Sequence[Sequence[str]], *, delimiter: str = ",", newline: str = "\n") -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        # Only what may end a line is quoted by csv: so all is.
        csv.writer(stream, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(rows)


def _read(path: Path, *, delimiter: str = ",") -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream, delimiter=delimiter, strict=True))


def _inspect(folder: Path, content: bytes, feed: Feed) -> Inspection:
    (folder / "source.csv").write_bytes(content)
    return inspect(folder / "source.csv", feed, now=NOW, outlet=folder)


def _make_notes(seed: int) -> list[list[str]]:
    """Return rows with notes of several lines, commas and quotes; one of ``BAD_EVERY`` has no identity."""
    chosen = random.Random(seed)  # noqa: S311 - seeded
    words, rows, size = TEXT.split(), list[list[str]](), 0
    while size < MULTI_LINE_BYTES:
        lines = (" ".join(chosen.choices(words, k=chosen.randrange(3, 8))) for _ in range(chosen.randrange(3, 9)))
        note = "\n".join(lines)[:500]
        number = len(rows)
        identity = "" if number % BAD_EVERY == 7 else f"u{number}"
        rows.append(["Sold", str(1_700_000_000 + number % 1000), identity, note])
        size += len(note) + 30
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_notes_of_several_lines_are_sent_as_they_were_written(tmp_path: Path, seed: int) -> None:
    """A large file of quoted line breaks, commas and quotes: each good row is sent, each bad one refused, no other."""
    rows = _make_notes(seed)
    _write(tmp_path / "source.csv", [HEADER, *rows])
    found = inspect(tmp_path / "source.csv", _make_feed(), now=NOW, outlet=tmp_path)
    bad = [row for row in rows if not row[2]]
    assert (found.original.records, found.refused_rows) == (len(rows), len(bad))
    assert _read(found.path) == [list(HEADER), *(row for row in rows if row[2])]
    assert [row[:-1] for row in _read(tmp_path / FAILED_ROWS_NAME)[1:]] == bad


@pytest.mark.parametrize(("delimiter", "newline"), [(",", "\n"), (";", "\r\n")])
def test_notes_of_several_lines_are_transformed_row_by_row(tmp_path: Path, delimiter: str, newline: str) -> None:
    """The same where the file is written anew: what is left out are the refused rows and the repeated ones."""
    rows = _make_notes(3)
    rows[100] = rows[90]
    rows[-1] = rows[5]
    _write(tmp_path / "source.csv", [HEADER, *rows], delimiter=delimiter, newline=newline)
    feed = _make_feed(
        delimiter=delimiter,
        rename={"note": "remark"},
        deduplicate={"columns": ["identity", "remark"]},
    )
    found = inspect(tmp_path / "source.csv", feed, now=NOW, outlet=tmp_path)
    kept = [row for number, row in enumerate(rows) if row[2] and number not in {100, len(rows) - 1}]
    assert _read(found.path) == [[*HEADER[:-1], "remark"], *kept]
    assert (found.duplicate_rows, found.refused_rows) == (2, sum(not row[2] for row in rows))


def test_notes_of_several_lines_are_counted(tmp_path: Path) -> None:
    """What is proposed from such a file rests on its rows, and the first row that breaks a rule is the right one."""
    rows = _make_notes(4)
    path = tmp_path / "source.csv"
    _write(path, [HEADER, *rows])
    workshop, sample = Workshop(scratch=tmp_path, board=Board()), Sample(path=path, name="source.csv")
    found = gather(sample, workshop.unpack(sample, Dialect()), workshop)
    assert [(column.rows, column.filled) for column in found.columns] == [
        (len(rows), sum(bool(row[place]) for row in rows)) for place in range(4)
    ]
    feed = _make_feed()
    checks = list_checks(list_columns(HEADER, feed), feed, now=NOW, retention_days=None)
    with open_reading(path, outlet=tmp_path, watch=Watch()) as reading:
        stopped_by = reading.read(checks=checks, puts_aside=False).stopped_by
        table = reading.table
        counts = table.find_first([check for check in checks if check.screen in stopped_by])
    bad = [number for number, row in enumerate(rows, start=1) if not row[2]]
    assert [(count.check.rule.id, count.rows, count.first) for count in counts] == [
        ("identity.missing", len(bad), (bad[0],))
    ]


@pytest.mark.parametrize("extra", [b",", b",,", b',""', b",x"])
@pytest.mark.parametrize("is_every", [False, True])
def test_extra_fields_are_refused_even_where_they_are_empty(tmp_path: Path, extra: bytes, *, is_every: bool) -> None:
    """A delimiter at a line's end is a field more: the receiver refuses the row, so it does not leave."""
    rows = [b"u1,x" + (extra if is_every else b""), b"u2,y" + extra]
    with pytest.raises(Refused) as caught:
        _inspect(tmp_path, b"\n".join([b"identity,a", *rows]) + b"\n", _make_profile_feed())
    ragged = [(finding.rule, finding.line) for finding in caught.value.findings]
    assert ragged == [("row.ragged", line) for line in ((2, 3) if is_every else (3,))]


def test_a_file_that_lacks_a_column_takes_no_more_memory(tmp_path: Path) -> None:
    """40 MB of rows that all lack a field: every one is counted, and the process stays below 300 MB."""
    path = tmp_path / "source.csv"
    row, rows = b"Sold,1700000000,user1,chess and football\n", 975_000
    path.write_bytes(b"evtName,ts,identity,note,other\n" + row * rows)
    assert path.stat().st_size > 39_000_000
    found = measuring.call(count_refused, path=str(path), rule="row.ragged")
    assert found.facts == {"rows": rows}
    assert found.peak_bytes < 300_000_000


def test_a_file_is_written_anew_in_order_and_in_little_memory(tmp_path: Path) -> None:
    """60 MB of small rows keep their order, and are not kept in memory."""
    path, rows = tmp_path / "source.csv", 1_200_000
    with path.open("wb") as stream:
        stream.write(b"evtName,ts,identity,note\n")
        stream.writelines(b"Sold,%d,user%07d,chess and football\n" % (1_700_000_000 + n // 7, n) for n in range(rows))
    found = measuring.call(rewrite, path=str(path), sort_by_time=False)
    assert found.facts == {"rows": rows}
    assert found.peak_bytes < 300_000_000
    written = (tmp_path / "good_rows.csv").read_bytes()
    assert written.partition(b"\n") == (b"evtName,ts,identity,remark", b"\n", path.read_bytes().partition(b"\n")[2])


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n\n\n", ""])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "changes", [{}, {"rename": {"user": "identity"}}, {"deduplicate": {"columns": ["user"]}}], ids=lambda _: ""
)
def test_one_column_may_end_with_blank_lines(tmp_path: Path, end: str, newline: str, changes: dict[str, Any]) -> None:
    """Blank lines at the end are no rows, however many columns there are and whatever is asked for."""
    columns = {} if "rename" in changes else {"user": {"ct_name": "identity"}}
    text = "user\nu1\nu2" + end
    feed = _make_profile_feed(columns=columns, **changes)
    found = _inspect(tmp_path, text.replace("\n", newline).encode(), feed)
    assert [row for row in _read(found.path)[1:] if row] == [["u1"], ["u2"]]
    assert (found.records, found.refused_rows, found.duplicate_rows) == (2, 0, 0)


def test_one_column_may_come_back_with_an_empty_value(tmp_path: Path) -> None:
    """A returned row whose only value is empty is a row still: it is judged, not taken for a blank line."""
    content = f'user,{DESCRIPTION}\n"",why\nu1,why\n'.encode()
    found = _inspect(tmp_path, content, _make_profile_feed(columns={"user": {"ct_name": "identity"}}))
    assert (found.original.records, found.refused_rows) == (2, 1)
    assert [tally.rule for tally in found.tallies] == ["identity.missing"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("inner", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_header_may_hold_any_line_break(tmp_path: Path, newline: str, inner: str, delimiter: str) -> None:
    """A quoted line break in a header says nothing of those that end rows, whether or not the file is written anew."""
    rows = [["u1", f"x{inner}y"], ["u2", ""], ["u3", "z"]]
    _write(tmp_path / "source.csv", [["identity", f"a{inner}b"], *rows], delimiter=delimiter, newline=newline)
    found = inspect(tmp_path / "source.csv", _make_profile_feed(delimiter=delimiter), now=NOW, outlet=tmp_path)
    assert _read(found.path) == [["identity", f"a{inner}b"], *rows]
    assert found.is_rewritten == (delimiter != ",")


FAT_COLUMNS = 95


def _write_fat(path: Path, time: str, *, rows: int) -> None:
    """Write rows of nearly 50 kB: of DuckDB's 2048 at a time, no more than its memory."""
    header = [*HEADER[:3], *(f"key{number}" for number in range(FAT_COLUMNS))]
    _write(path, [header, *(["Sold", time, f"u{n}", *["x" * 500] * FAT_COLUMNS] for n in range(rows))])


def test_rows_too_large_for_the_memory_hold_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows do not fit, trying again would not help: a person is told how large they are."""
    monkeypatch.setattr(duck, "REWRITING_MEMORY", "24MB")
    _write_fat(tmp_path / "source.csv", "1700000000", rows=1000)
    with pytest.raises(DecisionNeeded, match="bytes on average") as caught:
        inspect(tmp_path / "source.csv", _make_feed(rename={"key0": "first"}), now=NOW, outlet=tmp_path)
    assert caught.value.hint is not None
    assert "its rows have 47" in caught.value.hint


def test_rows_of_some_thousand_bytes_are_written_anew(tmp_path: Path) -> None:
    """Of many columns and values of ordinary length, in the memory that there is."""
    columns, value = 95, 120
    path = tmp_path / "source.csv"
    header = [*HEADER[:3], *(f"key{number}" for number in range(columns - 1)), "note"]
    rows = 60_000_000 // (columns * value)
    _write(path, [header, *(["Sold", "1700000000", f"u{n}", *["x" * value] * columns] for n in range(rows))])
    found = measuring.call(rewrite, path=str(path), sort_by_time=False)
    assert found.facts == {"rows": rows}
    assert found.peak_bytes < 300_000_000


def test_the_longest_rows_are_told_of_where_most_are_short() -> None:
    """Where a few thousand large rows stand together, the average says nothing."""
    hint = explain_memory(records=1_000_000, body_bytes=200_000_000, longest=60_000)
    assert "1,000,000 rows, of 200 bytes on average, but the longest 60000" in hint


def test_too_many_small_rows_are_not_called_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is their number that does not fit, the reason says so, and what helps."""
    monkeypatch.setattr(duplicates, "COMPARING_MEMORY", "6MB")
    _write(tmp_path / "source.csv", [HEADER, *(["Sold", "1700000000", f"u{n}", ""] for n in range(400_000))])
    feed = _make_feed(deduplicate={"columns": ["identity"]})
    with pytest.raises(DecisionNeeded) as caught:
        inspect(tmp_path / "source.csv", feed, now=NOW, outlet=tmp_path)
    assert caught.value.hint is not None
    assert "rows are not large, 32 bytes on average, but 400,000 are too many" in caught.value.hint
    assert "several files" in caught.value.hint


@pytest.mark.parametrize("name", ["source.csv", "source.csv.gz", f"{DESCRIPTION}.csv"])
def test_nothing_is_left_of_a_file_that_cannot_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whoever decides may take days: what was made of it on the way would fill the disk meanwhile."""
    path = tmp_path / name
    end = [DESCRIPTION] if name.startswith(DESCRIPTION) else []
    rows = (["Sold", "1700000000", f"u{n}", "", *(["x"] if end else [])] for n in range(400_000))
    _write(path, [[*HEADER, *end], *rows])
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    monkeypatch.setattr(duplicates, "COMPARING_MEMORY", "6MB")
    with pytest.raises(DecisionNeeded):
        inspect(path, _make_feed(deduplicate={"columns": ["identity"]}), now=NOW, outlet=tmp_path)
    assert [made.name for made in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("question", ["count", "count_by_rule", "count_refused", "list_refused"])
def test_too_many_refused_rows_for_the_memory_hold_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """Whichever question about them runs out of it: trying again would not help."""

    def run_out(_: Examination) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate")

    monkeypatch.setattr(Examination, question, run_out)
    _write(tmp_path / "source.csv", [HEADER, ["Sold", "soon", "u1", ""], ["Sold", "1700000000", "u2", ""]])
    with pytest.raises(DecisionNeeded, match="DuckDB's memory ran out"):
        inspect(tmp_path / "source.csv", _make_feed(), now=NOW, outlet=tmp_path)


def test_large_rows_are_looked_at_a_few_at_a_time(tmp_path: Path) -> None:
    """A file of rows each of which has a bad time and 95 long values is judged, whatever its size, in little memory."""
    path = tmp_path / "source.csv"
    _write_fat(path, "soon", rows=2200)
    found = measuring.call(count_refused, path=str(path), rule="ts.form")
    assert found.facts == {"rows": 2200}
    assert found.peak_bytes < 300_000_000
