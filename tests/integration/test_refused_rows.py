"""Rows that break the receiver's rules: kept with their reasons; the good ones leave byte for byte, or nothing does."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import overview_json
from sftp_orchestrator.config.model import Configuration, Feed
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.destination.rules import RULES
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.figures import get_figures
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import RowsLeftOut, Source
from sftp_orchestrator.ledger.sources import Sources
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import get_overview, list_done
from sftp_orchestrator.prepare import report
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.refusals import quarantine
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION, FAILED_ROWS_NAME
from sftp_orchestrator.prepare.report import Refused, RowsRefused
from sftp_orchestrator.progress import Board
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import BY_IDENTITY_ALONE, FEEDS
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
HEADER = b"event_name,time_stamp,user_id,note"
GOOD = b'Sold,1700000000,user%d,"two\nlines, K\xc3\xb6ln"'


def _make_feed(*, rules: Mapping[str, str] | None = None, **changes: Any) -> Feed:
    rules = {**BY_IDENTITY_ALONE, **(rules or {})}
    return Feed.model_validate({**FEEDS["purchases"], "max_bad_rows": 0.5, **changes, "rules": rules})


def _inspect(folder: Path, content: bytes, feed: Feed) -> Inspection:
    (folder / "source.csv").write_bytes(content)
    return inspect(folder / "source.csv", feed, now=NOW, outlet=folder)


def _read_failed(folder: Path) -> list[dict[str, str]]:
    content = (folder / FAILED_ROWS_NAME).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(content, newline="")))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("ends", [True, False], ids=["with a last break", "without"])
def test_good_rows_are_the_bytes_that_came(tmp_path: Path, newline: bytes, *, ends: bool) -> None:
    """First, middle and last row are refused; what is left is the file without their bytes, in the same form."""
    bad = b'Sold,1700000000000,null,"say ""hi"""'
    rows = [bad, *(GOOD % n for n in range(5)), bad, *(GOOD % n for n in range(5, 9)), bad]
    tail = newline if ends else b""
    content = b"\xef\xbb\xbf" + newline.join([HEADER, *rows]) + tail
    found = _inspect(tmp_path, content, _make_feed())
    assert (found.records, found.refused_rows, found.is_rewritten) == (9, 3, True)
    assert found.path.read_bytes() == newline.join([HEADER, *(row for row in rows if row != bad)]) + newline
    failed = _read_failed(tmp_path)
    assert [row["note"] for row in failed] == ['say "hi"'] * 3
    assert list(failed[0]) == [*HEADER.decode().split(","), DESCRIPTION]
    assert "time_stamp: ts is in milliseconds" in failed[0][DESCRIPTION]
    assert "user_id: an identity is a value such as null" in failed[0][DESCRIPTION]
    first = 1 + 1 * len(rows[:1])
    lines = {found.line for tally in found.tallies if tally.rule == "ts.milliseconds" for found in tally.first}
    assert first in lines
    assert len(lines) == 3


def test_a_clean_file_is_not_rewritten(tmp_path: Path) -> None:
    """Nothing is written where no row is refused, whatever is warned of."""
    found = _inspect(tmp_path, HEADER + b"\n" + GOOD % 1 + b"\n", _make_feed())
    assert (found.is_rewritten, found.refused_rows) == (False, 0)
    assert [tally.rule for tally in found.tallies] == ["column.unmapped"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.csv"]


@pytest.mark.parametrize(
    ("changes", "bad"),
    [
        pytest.param({"max_bad_rows": 0.1}, 2, id="too many"),
        pytest.param({"on_bad_rows": "quarantine"}, 1, id="by policy"),
        pytest.param({"max_bad_rows": 1.0}, 10, id="every row"),
    ],
)
def test_the_whole_file_waits_where_the_feed_says_so(tmp_path: Path, changes: dict[str, Any], bad: int) -> None:
    """Above max_bad_rows, with on_bad_rows quarantine, or where no row is left: refused, with its failed rows."""
    rows = [b"Sold,soon,user,x"] * bad + [GOOD % n for n in range(10 - bad)]
    with pytest.raises(RowsRefused) as caught:
        _inspect(tmp_path, b"\n".join([HEADER, *rows]) + b"\n", _make_feed(**changes))
    assert caught.value.refused_rows == bad
    assert caught.value.findings[-1].rule == "ts.form"
    assert len(_read_failed(tmp_path)) == bad
    assert not (tmp_path / "good_rows.csv").exists()


@pytest.mark.parametrize(
    ("changes", "bad", "hint"),
    [
        ({"max_bad_rows": 0.1}, 2, "set max_bad_rows of its feed to 0.2"),
        ({"max_bad_rows": 0.1, "on_bad_rows": "quarantine"}, 1, "set on_bad_rows of its feed to reject"),
        (
            {"max_bad_rows": 0, "on_bad_rows": "quarantine"},
            1,
            "set max_bad_rows of its feed to 0.1 and set on_bad_rows of its feed to reject",
        ),
    ],
)
def test_what_lets_the_good_rows_go_is_told(tmp_path: Path, changes: dict[str, Any], bad: int, hint: str) -> None:
    """The key of the feed and the value that is enough; with them the same file is sent but for its bad rows."""
    content = b"\n".join([HEADER, *[b"Sold,soon,user,x"] * bad, *(GOOD % n for n in range(10 - bad))]) + b"\n"
    with pytest.raises(RowsRefused) as caught:
        _inspect(tmp_path, content, _make_feed(**changes))
    assert caught.value.hint == f"{hint}, where the good rows are to be sent without these"
    mended = dict(re.findall(r"set (\w+) of its feed to ([\w.]+)", hint))
    assert _inspect(tmp_path, content, _make_feed(**{**changes, **mended})).refused_rows == bad


@pytest.mark.parametrize(
    ("type_", "cells", "looks"),
    [
        ("INTEGER", ["9.5", "1e3"], "FLOAT"),
        ("INTEGER", ["3000000000", "-3000000000"], "LONG"),
        ("FLOAT", ["true", "false"], "BOOLEAN"),
        ("LONG", ["31/12/2025", "01/02/2026"], "DATE dd/MM/yyyy"),
        ("FLOAT", ["a", "9,5"], "STRING"),
    ],
)
def test_a_column_that_changed_its_type_is_told(tmp_path: Path, type_: str, cells: list[str], looks: str) -> None:
    """Nearly every cell is no such type: the reason says so, of which column, and what they look like."""
    amount = {"note": {"ct_name": "Amount", "type": type_}}
    feed = _make_feed(columns={**FEEDS["purchases"]["columns"], **amount})
    rows = [f'Sold,1700000000,user,"{cell}"'.encode() for cell in cells * 5]
    with pytest.raises(RowsRefused) as caught:
        _inspect(tmp_path, b"\n".join([HEADER, *rows]) + b"\n", feed)
    said = f"all cells of column 'note' (10 of 10) are no {type_}, and look like {looks}; first line 2: "
    assert caught.value.cause.startswith(f"10 of 10 rows (100 %) break a rule, so none is left to send; {said}")
    assert "docs/how-to/change-a-type.md" in str(caught.value.hint)
    assert not any(cell in caught.value.cause for cell in cells if len(cell) > 1)


def test_the_next_step_names_no_file_that_is_not_there() -> None:
    """Of a file that is refused as a whole there is no failed_rows.csv; what is to be typed works as it stands."""
    refused = report.refuse("row.ragged", "a row has 2 fields", line=2)
    written = report.render_quarantine(
        source_id="s1", file="a.csv", feed="purchases", error=refused, failed_rows=None, command="x --config c.yml"
    )
    assert json.loads(written)["next"] == (
        "correct a.csv here, keep its name, and run `x --config c.yml retry s1`; or drop a corrected file"
    )


@pytest.mark.parametrize(
    ("header", "cell", "said"),
    [
        ("Gender", "divers", "Gender: it is none of the values that mean something"),
        ("Phone", "0170", "Phone: it is not + country code and number"),
        ("Name.operation", "plus", "Name.operation: it is none of $add, $remove, $set, $delete"),
        ("user_id", "", "neither identity, objectId, fbId nor gpId has a value"),
    ],
)
def test_a_mistake_is_told_once(tmp_path: Path, header: str, cell: str, said: str) -> None:
    """The column's name stands before what is wrong, which repeats neither it nor itself in other words."""
    cells = {"user_id": "u", "Name": "Ada", header: cell}
    content = f"{','.join(cells)}\n{','.join(cells.values())}\n".encode()
    feed = Feed.model_validate({**FEEDS["customers"], "rules": {"profile.value": "error", "profile.phone": "error"}})
    with pytest.raises(RowsRefused):
        _inspect(tmp_path, content, feed)
    assert [row[DESCRIPTION] for row in _read_failed(tmp_path)] == [said]


def test_one_mistake_is_told_once_with_what_stands_there(tmp_path: Path) -> None:
    """A time that is none breaks the rule of times alone, though its column is an INTEGER; the value is shown."""
    rows = [b"Sold,1700000000000,u,x", b"Sold,soon,u,x", b"Sold,-5,u,x", b'Sold,1700000000,"%s",x' % (b"y" * 200_000)]
    found = _inspect(tmp_path, b"\n".join([HEADER, *rows, *(GOOD % n for n in range(9))]) + b"\n", _make_feed())
    told = [
        (tally.rule, tally.rows, tally.first[0].value) for tally in found.tallies if tally.rule != "column.unmapped"
    ]
    assert sorted(told) == [
        ("identity.length", 1, "y" * 60 + "…"),
        ("ts.before_1970", 1, "-5"),
        ("ts.form", 1, "soon"),
        ("ts.milliseconds", 1, "1700000000000"),
    ]
    off = {"ts.milliseconds": "off", "ts.future": "off"}
    with pytest.raises(RowsRefused) as caught:
        _inspect(tmp_path, b"\n".join([HEADER, *rows[:1], GOOD % 1]), _make_feed(rules=off, max_bad_rows=0.1))
    assert [tally.rule for tally in caught.value.tallies] == ["type.integer", "column.unmapped"][::-1]
    assert str(caught.value).startswith(
        "inspect the file: 1 of 2 rows (50.0 %) break a rule, more than max_bad_rows, 10 %; first line 2: time_stamp: "
    )
    assert "1700000000000" not in str(caught.value)


def test_rows_are_counted_and_not_cells(tmp_path: Path) -> None:
    """A row that breaks one rule in two columns is one row; each of the two is told in its place."""
    columns = {**FEEDS["purchases"]["columns"], "a": {"type": "INTEGER"}, "b": {"type": "INTEGER"}}
    rows = [b"Sold,1700000000,u,x,y", b"Sold,1700000000,u,x,1", b"Sold,1700000000,u,1,2"]
    content = b"\n".join([b"event_name,time_stamp,user_id,a,b", *rows]) + b"\n"
    found = _inspect(tmp_path, content, _make_feed(columns=columns, max_bad_rows=0.9))
    (tally,) = found.tallies
    assert (tally.rule, tally.rows, found.refused_rows) == ("type.integer", 2, 2)
    assert [(place.line, place.value) for place in tally.first] == [(2, "x"), (2, "y"), (3, "x")]


@pytest.mark.parametrize(("bad", "share", "waits"), [(29, 0.29, False), (30, 0.29, True), (1, 0.01, False)])
def test_the_share_of_bad_rows_is_what_is_written(tmp_path: Path, bad: int, share: float, *, waits: bool) -> None:
    """29 of 100 rows are 29 %, whatever floating point makes of it."""
    rows = [b"Sold,soon,user,x"] * bad + [GOOD % n for n in range(100 - bad)]
    content = b"\n".join([HEADER, *rows]) + b"\n"
    if waits:
        with pytest.raises(RowsRefused):
            _inspect(tmp_path, content, _make_feed(max_bad_rows=share))
    else:
        assert _inspect(tmp_path, content, _make_feed(max_bad_rows=share)).refused_rows == bad


def test_a_file_that_is_bad_throughout_keeps_so_many_copies_and_stops_when_told(tmp_path: Path) -> None:
    """Nothing of it is sent: the copies are for people, and a stop does not wait for them."""
    content = HEADER + b"\n" + b"Sold,1700000000000,u,x\n" * (report.MOST_SHOWN_ROWS + 1000)
    with pytest.raises(RowsRefused) as caught:
        _inspect(tmp_path, content, _make_feed())
    assert caught.value.refused_rows == report.MOST_SHOWN_ROWS + 1000
    assert len(_read_failed(tmp_path)) == report.MOST_SHOWN_ROWS
    written = report.render_quarantine(
        source_id="s1", file="a.csv", feed="purchases", error=caught.value, failed_rows=None, command="x"
    )
    assert f"{report.MOST_SHOWN_ROWS:,} at most" in json.loads(written)["next"]


async def test_rows_that_are_sent_after_all_are_not_kept_as_refused(tmp_path: Path) -> None:
    """Refused under one mapping and planned anew under another: what the first look kept must not be dropped again."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        strict = {**FEEDS["purchases"], "max_bad_rows": 0.9}
        strict["columns"] = {**strict["columns"], "note": {"ct_name": "note", "type": "INTEGER"}}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": strict}}).configuration
        rows = b"Sold,1700000000,user1,12\nSold,1700000001,user2,3000000000\n"
        (configuration.staging / "purchases.csv").write_bytes(HEADER + b"\n" + rows)
        with open_daemon(configuration, Board()) as daemon:
            await daemon._scan()
            (source,) = daemon._ledger.sources.list_in({SourceState.CLAIMED})
            await daemon._stations.preparation.prepare_sources([source])
        folder = configuration.workspace / "rejected" / source.id
        assert len(_read_failed(folder)) == 1
        strict["columns"] = {**strict["columns"], "note": {"ct_name": "note", "type": "LONG"}}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": strict}}).configuration
        code, (source,) = await _deliver(configuration)
        await sandbox.wait_until_idle()
    assert (code, source.records, source.refused_rows) == (ExitCode.DONE, 2, 0)
    assert not folder.exists()


def test_a_rule_can_be_switched_off_or_be_a_warning(tmp_path: Path) -> None:
    """What the feed re-grades is not refused; a warning is told."""
    content = HEADER + b"\nSold,1700000000000,null,x\n" + GOOD % 1 + b"\n"
    rules = {"ts.milliseconds": "off", "type.integer": "off", "identity.reserved": "warning", "column.unmapped": "off"}
    found = _inspect(tmp_path, content, _make_feed(rules=rules))
    assert not found.is_rewritten
    assert [(tally.rule, tally.severity.value, tally.rows) for tally in found.tallies] == [
        ("identity.reserved", "warning", 1)
    ]
    assert found.tallies[0].first[0].line == 2


@pytest.mark.parametrize(("names", "is_told"), [(512, False), (513, True)])
def test_too_many_event_names_are_told(tmp_path: Path, names: int, *, is_told: bool) -> None:
    """More different event names in one file than an account may have are a warning; as an error, the file waits."""
    rows = [b"Sold %d,1700000000,user%d,n" % (n % names, n) for n in range(2000)]
    content = b"\n".join([HEADER, *rows]) + b"\n"
    for rules in (
        {},
        {rule: "off" for rule in RULES if rule.startswith("event_name.") and rule != "event_name.too_many"},
    ):
        found = _inspect(tmp_path, content, _make_feed(rules={"column.unmapped": "off", **rules}))
        assert [str(finding) for tally in found.tallies for finding in tally.first] == (
            ["there are 513 different event names, and an account has 512 at most"] if is_told else []
        )
    if is_told:
        with pytest.raises(Refused, match="513 different event names"):
            _inspect(tmp_path, content, _make_feed(rules={"event_name.too_many": "error"}))


def test_many_refused_rows_over_many_chunks(tmp_path: Path) -> None:
    """Every third row of 300,000 is refused: rows in = rows sent + rows refused, and each is the right one."""
    rows = [b"Sold,%d,user%d,n" % (1_700_000_000 if n % 3 else -1, n) for n in range(300_000)]
    found = _inspect(tmp_path, b"\n".join([HEADER, *rows]) + b"\n", _make_feed())
    assert (found.records, found.refused_rows) == (200_000, 100_000)
    assert found.path.read_bytes() == b"\n".join([HEADER, *(row for n, row in enumerate(rows) if n % 3)]) + b"\n"
    assert [row["user_id"] for row in _read_failed(tmp_path)] == [f"user{n}" for n in range(0, 300_000, 3)]
    (tally,) = (tally for tally in found.tallies if tally.rule == "ts.before_1970")
    assert (tally.rows, [finding.line for finding in tally.first[:3]]) == (100_000, [2, 5, 8])


async def _deliver(configuration: Configuration) -> tuple[ExitCode, list[Source]]:
    with open_daemon(configuration, Board()) as daemon:
        verdict = await daemon.run_once()
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        return verdict.exit_code, ledger.sources.list_in(set(SourceState))


async def test_from_drop_to_report(tmp_path: Path) -> None:
    """The receiver takes the good rows and refuses none; the bad ones wait beside their report."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feeds = {"feeds": {"purchases": {"max_bad_rows": 0.2}}}
        configuration = configure(tmp_path, sandbox, {**feeds}).configuration
        rows = [GOOD % n for n in range(90)] + [b"App Launched,1700000000,u,x"] * 10
        content = b"\n".join([HEADER, *rows]) + b"\n"
        (configuration.staging / "purchases.csv").write_bytes(content)
        code, (source,) = await _deliver(configuration)
        await sandbox.wait_until_idle()
    assert (code, source.state, source.records, source.refused_rows) == (ExitCode.DONE, SourceState.ARCHIVED, 90, 10)
    (taken,) = (entry.details for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN)
    assert (taken["rows"], taken["failed_rows"]) == (90, 0)
    folder = configuration.workspace / "rejected" / source.id
    reason = "event_name: the event has the name of a system event"
    assert [row[DESCRIPTION] for row in _read_failed(folder)] == [reason] * 10
    written = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (written["rules"]["event_name.reserved"], written["sent_rows"], written["refused_rows"]) == (10, 90, 10)
    assert written["findings"][-1]["line"] == 1 + 2 * 90 + 10
    (archived,) = (configuration.workspace / "archive").rglob("purchases.csv")
    assert archived.read_bytes() == content
    assert list((configuration.workspace / "work").iterdir()) == []


async def test_rows_that_were_not_sent_are_seen_until_somebody_fetches_them(tmp_path: Path) -> None:
    """The pass, status, history and the counter tell of them; fetched, they are no open item, and still history."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": {"max_bad_rows": 0.2}}}).configuration
        rows = [GOOD % n for n in range(90)] + [b"Sold,soon,u,x"] * 10
        (configuration.staging / "purchases.csv").write_bytes(b"\n".join([HEADER, *rows]) + b"\n")
        with open_daemon(configuration, Board()) as daemon:
            verdict = await daemon.run_once()
        await sandbox.wait_until_idle()
    assert (verdict.delivered, verdict.refused_rows, verdict.duplicate_rows) == (1, 10, 0)
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        overview = get_overview(configuration, ledger)
        (view,) = overview.with_refused_rows
        failed = configuration.workspace / "rejected" / view.source.id / FAILED_ROWS_NAME
        assert view.notes == (("rows", f"90 of 100 rows sent, 10 refused: {failed}"),)
        assert view.next_steps[-1] == f"sftp-orchestrator discard {view.source.id}"
        assert overview_json.to_json(overview)["with_refused_rows"][0]["refused_folder"] == str(failed.parent)
        assert get_figures(configuration, ledger).rows_left_out == {
            "customers": RowsLeftOut(refused=0, duplicates=0),
            "purchases": RowsLeftOut(refused=10, duplicates=0),
        }
        failed.rename(tmp_path / "mine.csv")
        overview = get_overview(configuration, ledger)
        assert (overview.with_refused_rows, overview.sources) == ((), ())
        assert get_figures(configuration, ledger).rows_left_out["purchases"].refused == 10
        (done,) = list_done(ledger, Workspace(root=configuration.workspace), limit=9)
        assert done.notes == (("rows", "90 of 100 rows sent, 10 refused"),)


async def test_the_same_events_are_not_sent_twice_without_a_word(tmp_path: Path) -> None:
    """Dropped again under another name they are held, with the first named; released they go. Profiles just go."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = configure(tmp_path, sandbox).configuration
        for number in (1, 2):
            (configuration.staging / f"purchases_{number}.csv").write_bytes(HEADER + b"\n" + GOOD % 1 + b"\n")
            (configuration.staging / f"customers_{number}.csv").write_bytes(b"user_id,Name\na,Ada\n")
        code, sources = await _deliver(configuration)
        assert code is ExitCode.NOT_ALL_DELIVERED
        (held,) = (source for source in sources if source.state is not SourceState.ARCHIVED)
        (first,) = (source for source in sources if source.name == "purchases_1.csv")
        assert (held.name, held.state) == ("purchases_2.csv", SourceState.HELD)
        assert f"its content is that of purchases_1.csv, source {first.id}" in str(held.reason)
        with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
            ledger.sources.retry(held.id, by="anna")
        code, _ = await _deliver(configuration)
        assert code is ExitCode.NOT_ALL_DELIVERED
        with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
            ledger.sources.release(held.id, by="anna")
        code, sources = await _deliver(configuration)
        await sandbox.wait_until_idle()
    assert (code, {source.state for source in sources}) == (ExitCode.DONE, {SourceState.ARCHIVED})
    taken = [entry.details for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert [str(details["data"]).split("_")[0] for details in taken] == ["customers"] * 2 + ["purchases"] * 2


@pytest.mark.parametrize("still_bad", [0, 2])
def test_corrected_rows_come_back_without_their_last_column(tmp_path: Path, still_bad: int) -> None:
    """A failed_rows.csv dropped again is known by its last column, which is not sent; what is still bad is refused."""
    rows = [b'Sold,1700000000,user%d,"two\nlines, ""K\xc3\xb6ln""","what was wrong"' % n for n in range(8)]
    rows += [b"Sold,soon,user,x,what was wrong"] * still_bad
    content = b"\n".join([HEADER + b"," + DESCRIPTION.encode(), *rows]) + b"\n"
    found = _inspect(tmp_path, content, _make_feed())
    assert (found.records, found.refused_rows, found.is_rewritten) == (8, still_bad, True)
    assert found.fingerprint.size == len(content)
    sent = list(csv.reader(io.StringIO(found.path.read_text(encoding="utf-8"), newline="")))
    assert sent[0] == HEADER.decode().split(",")
    assert sent[1:] == [["Sold", "1700000000", f"user{n}", 'two\nlines, "Köln"'] for n in range(8)]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"source.csv", "good_rows.csv", *([FAILED_ROWS_NAME] if still_bad else [])}


async def test_what_was_refused_is_kept_once_though_files_are_planned_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A neighbour drops out, so that all of a batch are planned once more: report and log are as if they were not."""
    real, calls = Sources.finish_planning, 0

    def finish_planning(sources: Sources, source_id: str, *arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise IllegalMove("move", f"source {source_id}", "somebody else moved it")
        real(sources, source_id, *arguments, **named)

    monkeypatch.setattr(Sources, "finish_planning", finish_planning)
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feed = {**FEEDS["purchases"], "max_bad_rows": 0.5}
        configuration = configure(tmp_path, sandbox, {"feeds": {"purchases": feed}}).configuration
        (configuration.staging / "purchases_1.csv").write_bytes(HEADER + b"\nSold,1700000000,u1,1\nSold,soon,u2,2\n")
        (configuration.staging / "purchases_2.csv").write_bytes(HEADER + b"\nSold,1700000000,u3,3\n")
        with capture_logs() as logs, open_daemon(configuration, Board()) as daemon:
            await daemon.run_once()
            (source,) = (s for s in daemon._ledger.sources.list_in(set(SourceState)) if s.refused_rows)
    folder = configuration.workspace / "rejected" / source.id
    assert calls == 4
    assert len(_read_failed(folder)) == 1
    quarantine.require_untouched(source, folder)
    assert len([line for line in logs if line["event"] == "rows_refused"]) == 1
