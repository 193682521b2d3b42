"""``plan``: what would happen to a file, told to people and to programs; nothing is written, nothing is sent."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator import comparing, rehearsal
from sftp_orchestrator.config import loading
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import write_configuration
from tests.support.sandboxes import make_sandbox
from tests.support.service import call, configure

LIMIT = 2_000
ROWS = 200
HEADER = "event_name,time_stamp,user_id\n"
EVENTS = HEADER + "".join(f"Sold,{1_700_000_000 + number},user{number}\n" for number in range(ROWS))
UNFIT = "no feed's patterns fit it: customers (customers*.csv), purchases (purchases*.csv); see feeds.*.files"
BROKEN = HEADER + "Sold,1700000000\n"


@asynccontextmanager
async def _set_up(folder: Path) -> AsyncIterator[tuple[Path, Sandbox]]:
    """Run a sandbox, and write a configuration for it by which a small file is split."""
    async with make_sandbox(folder / "receiver") as sandbox:
        overrides = {"destinations": {"production": {"limits": {"plain_bytes": LIMIT}}}}
        written = await asyncio.to_thread(configure, folder, sandbox, overrides)
        yield written.path, sandbox


def _list_everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if not path.is_dir()
    }


def _shape(name: str) -> str:
    """Return the form of a remote name: what differs from one sending to the next left out."""
    return re.sub(r"_\d{8}T\d{6}Z_[0-9a-z]{10}_", "_TIME_ID_", name)


async def test_nothing_is_written_and_nothing_is_sent(tmp_path: Path) -> None:
    """A plan of files in staging and elsewhere leaves staging, workspace and receiver as they are."""
    async with _set_up(tmp_path) as (config, sandbox):
        inside, outside = tmp_path / "staging" / "purchases.csv", tmp_path / "purchases_bad.csv"
        inside.write_text(EVENTS)
        outside.write_text(BROKEN)
        before = await asyncio.to_thread(_list_everything, tmp_path)
        answer = await call(config, "plan", str(inside), str(outside))
        assert (answer.code, answer.errors) == (1, ""), answer
        assert await asyncio.to_thread(_list_everything, tmp_path) == before
        assert not [entry for entry in read_activity(sandbox.paths.activity) if entry.event is Event.OPENED]


async def test_a_plan_comes_true_in_parts_rows_sizes_and_the_form_of_names(tmp_path: Path) -> None:
    """``run`` then sends as many parts, with names of the same form, the same rows and the same bytes."""
    async with _set_up(tmp_path) as (config, sandbox):
        file = tmp_path / "staging" / "purchases.csv"
        file.write_text(EVENTS)
        planned = await call(config, "plan", "--json", str(file))
        assert (planned.code, planned.errors) == (0, "")
        (plan,) = json.loads(planned.out)
        done = await call(config, "run", "--once")
        await sandbox.wait_until_idle()
        received = {path.name: path.stat().st_size for path in sandbox.paths.inbox.glob("*.csv")}
    assert done.out == f"1 delivered ({len(plan['parts'])} parts, {len(EVENTS) / 1000:.1f} kB)\n"
    assert (plan["verdict"], plan["rows"], plan["refused_rows"], plan["findings"]) == ("delivered", ROWS, 0, [])
    assert len(plan["parts"]) > 1
    assert [_shape(part["data_name"]) for part in plan["parts"]] == sorted(map(_shape, received))
    assert [part["bytes"] for part in plan["parts"]] == [received[name] for name in sorted(received)]
    assert all(part["manifest_name"] == part["data_name"].replace(".csv", ".manifest") for part in plan["parts"])
    assert sum(part["rows"] for part in plan["parts"]) == ROWS


async def test_a_plan_knows_what_was_sent_before(tmp_path: Path) -> None:
    """What ``run`` holds as a copy is told as held, with what it is a copy of; and is 1, as ``run`` ends with it."""
    async with _set_up(tmp_path) as (config, _):
        (tmp_path / "staging" / "purchases.csv").write_text(EVENTS)
        await call(config, "run", "--once")
        copy = tmp_path / "staging" / "purchases_again.csv"
        copy.write_text(EVENTS)
        shown, told = await asyncio.gather(call(config, "plan", str(copy)), call(config, "plan", "--json", str(copy)))
        done = await call(config, "run", "--once")
    (plan,) = json.loads(told.out)
    assert (shown.code, told.code, done.code) == (1, 1, 1)
    assert (plan["verdict"], bool(plan["parts"])) == ("held", True)
    assert plan["held_for"].startswith("its content is that of purchases.csv, source ")
    assert f"  It would be held: {plan['held_for']}\n" in shown.out


async def test_a_plan_knows_the_rows_that_were_sent_before(tmp_path: Path) -> None:
    """What ``run`` leaves out by ``deduplicate.days`` is planned so; a file with nothing new is told as it ends."""
    async with _set_up(tmp_path) as (config, _):
        known = "type: event\n    deduplicate: {columns: [user_id], days: 30}"
        config.write_text(config.read_text().replace("type: event", known))
        staging, lines = tmp_path / "staging", EVENTS.splitlines(keepends=True)
        for name, rows in (("a", lines[1:101]), ("b", lines[101:181])):
            (staging / f"purchases_{name}.csv").write_text(HEADER + "".join(rows))
        await call(config, "run", "--once")
        before = await asyncio.to_thread(_list_everything, tmp_path)
        for name, rows in (("new", lines[1:]), ("old", lines[60:140]), ("copy", lines[1:101])):
            (tmp_path / f"purchases_{name}.csv").write_text(HEADER + "".join(rows))
        files = [tmp_path / f"purchases_{name}.csv" for name in ("new", "old", "copy")]
        told = await call(config, "plan", "--json", *map(str, files))
        shown = await call(config, "plan", str(files[2]))
        after = await asyncio.to_thread(_list_everything, tmp_path)
        assert {path for path in after if Path(path) not in files} == set(before)
        for file in files:
            file.rename(staging / file.name)
        done = await call(config, "run", "--once")
    new, old, copy = json.loads(told.out)
    assert (new["verdict"], new["duplicate_rows"], sum(part["rows"] for part in new["parts"])) == ("delivered", 180, 20)
    assert (old["verdict"], old["parts"], old["refused_for"]) == (
        "quarantined",
        [],
        "all 80 rows of it were sent before",
    )
    assert (old["rows"], old["refused_rows"], old["duplicate_rows"]) == (80, 0, 80)
    why = "all 100 rows of it were sent before: its content is that of purchases_a.csv, source "
    assert (copy["verdict"], copy["parts"], copy["refused_for"]) == ("held", [], None)
    assert copy["held_for"].startswith(why)
    assert f"  It would be held: {why}" in shown.out
    assert "manifest" not in shown.out
    counted = "1 delivered (1 part, 4.7 kB), 1 quarantined, 1 held, 180 rows left out as duplicates"
    assert done.out.startswith(counted), done.out


async def test_a_plan_knows_the_rows_before_though_a_daemon_forgets_them_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon removes what counts no more while a large file is looked at: no reason to refuse that file."""
    async with _set_up(tmp_path) as (config, _):
        known = "type: event\n    deduplicate: {columns: [user_id], days: 30}"
        config.write_text(config.read_text().replace("type: event", known))
        (tmp_path / "staging" / "purchases.csv").write_text(EVENTS)
        await call(config, "run", "--once")
    configuration = loading.load(config)
    file = tmp_path / "purchases_more.csv"
    file.write_text(EVENTS + "Sold,1700000000,new\n")
    earlier = comparing.list_sent_rows(configuration)
    (kept,) = earlier["purchases"]

    def inspect_late(*arguments: Any, **named: Any) -> Inspection:
        kept.unlink(missing_ok=True)
        return inspect(*arguments, **named)

    monkeypatch.setattr(rehearsal, "inspect", inspect_late)
    plan = rehearsal.rehearse(configuration, file, operation="plan", earlier=earlier)
    assert (plan.verdict, plan.duplicate_rows) == ("delivered", ROWS)
    gone = rehearsal.rehearse(configuration, file, operation="plan", earlier={"purchases": [kept]})
    assert (gone.verdict, gone.duplicate_rows) == ("delivered", 0)


async def test_what_is_done_to_a_file_is_told(tmp_path: Path) -> None:
    """``validate`` says of a file that is not sent as it lies what is done to it, and of others that they are."""
    async with _set_up(tmp_path) as (config, _):
        text = config.read_text().replace("type: event", "type: event\n    encoding: latin-1\n    sort_by_time: true")
        other = config.with_name("other.yml")
        other.write_text(text + "    deduplicate: {columns: [user_id]}\n")
        file = tmp_path / "purchases.csv"
        file.write_text(EVENTS + EVENTS.splitlines()[-1] + "\n")
        plain, changed, told = await asyncio.gather(
            call(config, "validate", str(file)),
            call(other, "validate", str(file)),
            call(other, "validate", "--json", str(file)),
        )
    assert plain.out.endswith("  It keeps to every rule.\n  It would be sent as it is.\n")
    said = ["made UTF-8 of latin-1", "sorted by time", "without duplicates"]
    assert changed.out.endswith(f"  It would be sent with its values as they are, but {', '.join(said)}.\n")
    assert json.loads(told.out)[0]["changes"] == said


async def test_why_no_row_would_be_sent_is_told_with_what_to_do(tmp_path: Path) -> None:
    """As ``status`` tells it afterwards: how many rows of how many, the limit, and the key that lets the others go."""
    async with _set_up(tmp_path) as (config, _):
        file = tmp_path / "purchases.csv"
        file.write_text(EVENTS + "Sold,1700000000,\n" * 5)
        for command in ("plan", "validate"):
            shown, told = await asyncio.gather(
                call(config, command, str(file)), call(config, command, "--json", str(file))
            )
            why = "5 of 205 rows (2.4 %) break a rule, more than max_bad_rows, 1 %"
            todo = "correct these rows; or set max_bad_rows of its feed to 0.025, where the good rows are to be sent"
            assert shown.out.endswith(
                f"  It would be quarantined, and no row of it sent: {why}\n  To do: {todo} without these\n"
            )
            (found,) = json.loads(told.out)
            assert (found["refused_for"].partition(";")[0], found["hint"]) == (why, f"{todo} without these")


async def test_people_read_feed_rows_parts_and_names(tmp_path: Path) -> None:
    """The answer for people has every name whole, one part a line, and no markup of a file's name."""
    async with _set_up(tmp_path) as (config, _):
        file = tmp_path / "purchases_[bold].csv"
        file.write_text(EVENTS)
        answer = await call(config, "plan", str(file))
    lines = answer.out.splitlines()
    assert lines[0] == f"{file}  {len(EVENTS) / 1000:.1f} kB"
    assert lines[1:3] == ["  feed purchases (event) to production, plain", f"  {ROWS} rows, none refused"]
    parts = [line for line in lines if re.search(r"\d/\d  purchases_\d{8}T\d{6}Z_[0-9a-z]{10}_\dof\d\.csv  \(", line)]
    assert len(parts) == len(lines) - 5
    assert lines[-1] == "  goes on arrival, as soon as it is complete"


async def test_when_a_file_would_go_is_told_in_the_words_of_status(tmp_path: Path) -> None:
    """By the schedule of its feed, with a ledger and without one; of what would be held or quarantined it is not."""
    month = (datetime.datetime.now(datetime.UTC).month + 5) % 12 + 1
    feed = {"purchases": {"schedule": {"deliver": f"0 2 15 {month} *", "timezone": "Asia/Kolkata"}}}
    written = await asyncio.to_thread(write_configuration, tmp_path, {"feeds": feed})
    file, bad = tmp_path / "purchases.csv", tmp_path / "purchases_bad.csv"
    file.write_text(EVENTS)
    bad.write_text(BROKEN)
    for has_ledger in (False, True):
        if has_ledger:
            await call(written.path, "status")
        assert (written.configuration.workspace / "ledger.db").exists() is has_ledger
        shown = await call(written.path, "plan", str(file))
        found, refused = json.loads((await call(written.path, "plan", "--json", str(file), str(bad))).out)
        day = found["goes_at"][:10]
        assert re.fullmatch(rf"\d{{4}}-{month:02}-14T20:30:00\+00:00", found["goes_at"])
        said = f"with the schedule, next at {day[:8]}15 02:00 Asia/Kolkata ({day} 20:30 UTC, in "
        assert found["goes"].startswith(said)
        assert shown.out.splitlines()[-1].startswith(f"  goes {said}")
        assert (refused["goes"], refused["goes_at"]) == (None, None)


async def test_a_file_that_breaks_a_rule_is_1_with_line_and_rule(tmp_path: Path) -> None:
    """A refused file has its findings in both forms, no parts, and does not hide the plan of a good one."""
    async with _set_up(tmp_path) as (config, _):
        good, bad = tmp_path / "purchases.csv", tmp_path / "purchases_bad.csv"
        good.write_text(EVENTS)
        bad.write_text(BROKEN)
        shown, told = await asyncio.gather(
            call(config, "plan", str(bad), str(good)), call(config, "plan", "--json", str(bad), str(good))
        )
    assert (shown.code, told.code) == (1, 1)
    assert "  error  row.ragged, once\n    line 2: " in shown.out
    assert "  It would be quarantined." in shown.out
    refused, delivered = json.loads(told.out)
    assert (refused["verdict"], refused["parts"]) == ("quarantined", [])
    assert (refused["findings"][0]["rule"], refused["findings"][0]["line"]) == ("row.ragged", 2)
    assert delivered["verdict"] == "delivered"


@pytest.mark.parametrize("command", ["plan", "validate"])
async def test_a_file_that_is_missing_or_fits_no_feed_is_2_and_one_line(tmp_path: Path, command: str) -> None:
    """Wrong usage is told on stderr with the command and the file's name; stdout stays empty, also with --json."""
    async with _set_up(tmp_path) as (config, _):
        stranger = tmp_path / "stranger.csv"
        stranger.write_text(EVENTS)
        missing = str(tmp_path / "purchases_none.csv")
        answers = await asyncio.gather(
            call(config, command, missing),
            call(config, command, str(tmp_path)),
            call(config, command, str(stranger)),
            call(config, command, "--json", str(stranger)),
        )
    said = (
        f"{missing}: there is no such file",
        f"{tmp_path}: it is a folder; name the files in it",
        f"stranger.csv: {UNFIT}",
        f"stranger.csv: {UNFIT}",
    )
    for answer, cause in zip(answers, said, strict=True):
        assert (answer.code, answer.out) == (2, ""), answer
        assert answer.errors == f"sftp-orchestrator: {command} {cause}\n"


@pytest.mark.parametrize("command", ["plan", "validate"])
async def test_a_named_feed_is_looked_by_whatever_the_file_is_called(tmp_path: Path, command: str) -> None:
    """With a word that staging would not take it so; a name that no feed has is one line with those that there are."""
    async with _set_up(tmp_path) as (config, _):
        stranger, customers = tmp_path / "stranger.csv", tmp_path / "customers.csv"
        for file in (stranger, customers):
            file.write_text(EVENTS)
        shown, other, told, unknown = await asyncio.gather(
            call(config, command, "--feed", "purchases", str(stranger)),
            call(config, command, "--feed", "purchases", str(customers)),
            call(config, command, "--feed", "purchases", "--json", str(stranger)),
            call(config, command, "--feed", "purchase", str(stranger), str(customers)),
        )
    assert (shown.code, shown.errors, told.code) == (0, "", 0), shown
    assert "  feed purchases (event)" in shown.out
    misfit = UNFIT.removesuffix("; see feeds.*.files")
    assert f"  In staging it would not be taken so: {misfit}\n" in shown.out
    assert "  In staging it would not be taken so: it is one of feed customers\n" in other.out
    assert [(one["feed"], one["rows"]) for one in json.loads(told.out)] == [("purchases", ROWS)]
    assert (unknown.code, unknown.out) == (2, "")
    cause = "there is no feed of this name; known are customers, purchases"
    assert unknown.errors == f"sftp-orchestrator: {command} by feed purchase: {cause}\n"


@pytest.mark.parametrize("command", ["plan", "validate"])
async def test_a_file_that_cannot_be_looked_at_hides_no_other(tmp_path: Path, command: str) -> None:
    """Each of the others has its answer, each that cannot be has its line, and the code is the highest."""
    async with _set_up(tmp_path) as (config, _):
        files = [tmp_path / f"{name}.csv" for name in ("purchases", "stranger", "purchases_bad", "purchases_none")]
        for path, content in zip(files, (EVENTS, EVENTS, BROKEN), strict=False):
            path.write_text(content)
        shown, told = await asyncio.gather(
            call(config, command, *map(str, files)), call(config, command, "--json", *map(str, files))
        )
    assert (shown.code, told.code) == (2, 2)
    assert [line.split()[0] for line in shown.out.splitlines() if line[0] != " "] == [str(files[0]), str(files[2])]
    assert [(plan["file"], plan["verdict"]) for plan in json.loads(told.out)] == [
        (str(files[0]), "delivered"),
        (str(files[2]), "quarantined"),
    ]
    assert (
        shown.errors
        == told.errors
        == (
            f"sftp-orchestrator: {command} stranger.csv: {UNFIT}\n"
            f"sftp-orchestrator: {command} {files[3]}: there is no such file\n"
        )
    )


async def test_a_name_that_is_no_utf8_is_2_and_not_called_refused(tmp_path: Path) -> None:
    """What cannot be rehearsed is said to be so: ``run`` would deliver it."""
    async with _set_up(tmp_path) as (config, sandbox):
        file = tmp_path / "staging" / os.fsdecode(b"purchases_K\xf6ln.csv")
        file.write_text(EVENTS)
        planned = await call(config, "plan", str(file))
        done = await call(config, "run", "--once")
        await sandbox.wait_until_idle()
    assert (planned.code, planned.out, planned.errors.count("\n")) == (2, "", 1)
    assert r"purchases_K\xf6ln.csv: its path is no UTF-8" in planned.errors
    assert done.code == 0, done.errors


async def test_validate_tells_every_rule_that_is_broken(tmp_path: Path) -> None:
    """Each rule with its count and its first lines; 1 where rows are refused, 0 where it is only warned of."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        changes = {"feeds": {"purchases": {"max_bad_rows": 0.5}}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, changes)
    header = "event_name,time_stamp,user_id,note\n"
    rows = [f"Sold,{1_700_000_000 + number},user{number},n\n" for number in range(20)]
    good, bad = tmp_path / "purchases_good.csv", tmp_path / "purchases_bad.csv"
    good.write_text(header + "".join(rows))
    bad.write_text(header + "".join(rows) + "Sold,1700000000000,null,n\n" * 5)
    clean = await call(written.path, "validate", str(good))
    assert clean.code == 0, clean
    assert "20 rows, none refused\n  warning  column.unmapped, once" in clean.out
    broken = await call(written.path, "validate", str(bad))
    assert broken.code == 1, broken
    assert "25 rows, 5 refused" in broken.out
    assert (
        '  error  ts.milliseconds, 5 times\n    line 22: time_stamp: ts is in milliseconds (got "1700000000000")\n'
        in broken.out
    )
    assert "The good rows would be sent, the refused ones kept in failed_rows.csv." in broken.out
    (found,) = json.loads((await call(written.path, "validate", "--json", str(bad))).out)
    assert {rule["rule"]: rule["rows"] for rule in found["rules"]} == {
        "column.unmapped": 1,
        "identity.reserved": 5,
        "ts.milliseconds": 5,
    }
    assert not list((tmp_path / "workspace").rglob("*.csv"))


async def test_refused_rows_that_come_back_are_told_as_such(tmp_path: Path) -> None:
    """What is done to the producer's files is not done to them; their last column is not sent."""
    async with _set_up(tmp_path) as (config, _):
        feed = "type: event\n    encoding: latin-1\n    delimiter: ';'"
        config.write_text(config.read_text().replace("type: event", feed))
        file = tmp_path / "purchases.csv"
        lines = [HEADER.rstrip("\n") + ",Failure Description", "Sold,1700000000,J\u00f6rg,because"]
        file.write_text("\n".join(lines).replace(",", ";") + "\n", encoding="utf-8")
        shown = await call(config, "validate", str(file))
    assert shown.out.endswith("sent with its values as they are, but without its column 'Failure Description'.\n")
