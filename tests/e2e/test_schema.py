"""``schema show`` and ``schema accept``, and what ``plan`` tells of types, as a person calls them."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import FEEDS
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure, get_status


async def _configure(folder: Path, sandbox: Sandbox, type_: str) -> Path:
    """Write a configuration whose feed makes the column ``amount`` the property ``Amount`` of this type."""
    amount = {"amount": {"ct_name": "Amount", "type": type_}}
    feeds = {"purchases": {"columns": {**FEEDS["purchases"]["columns"], **amount}}}
    return (await asyncio.to_thread(configure, folder, sandbox, {"feeds": feeds})).path


def _drop(folder: Path, name: str, amount: str = "9.5") -> str:
    """Drop a file with an event that no other file has; return its path."""
    path = folder / "staging" / f"{name}.csv"
    header = "event_name,time_stamp,user_id,amount,note\n"
    path.write_text(f"{header}Sold,1700000000,{name},{amount},x\n", encoding="utf-8")
    return str(path)


async def _call(config: Path, *arguments: str, code: int = 0) -> Answer:
    answer = await call(config, *arguments)
    assert answer.code == code, answer
    return answer


def _read_all(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


async def test_a_changed_type_is_held_with_both_places_until_a_person_accepts_it(tmp_path: Path) -> None:
    """The reason names both places and what to type; accepted, the file goes, and ``schema show`` says who did it."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, "FLOAT")
        _drop(tmp_path, "purchases_1")
        await _call(config, "run", "--once")
        (known, _) = (await _call(config, "schema", "show", "--json")).json["properties"]
        config = await _configure(tmp_path, sandbox, "STRING")
        _drop(tmp_path, "purchases_2")
        await _call(config, "run", "--once", code=1)
        held = (await get_status(config))["purchases_2.csv"]
        accepted = await _call(config, "schema", "accept", held["id"])
        await _call(config, "run", "--once")
    assert (known["type"], known["file"], known["accepted_by"]) == ("FLOAT", "purchases_1.csv", None)
    assert held["state"] == "held"
    assert "'Amount' is STRING here (column 'amount' of feed purchases), and was delivered on 20" in held["reason"]
    there = f"as FLOAT (column 'amount' of feed purchases, in purchases_1.csv, source {known['source_id']})"
    assert there in held["reason"]
    assert "sftp-orchestrator" not in held["reason"]
    assert f"sftp-orchestrator schema accept {held['id']}" in held["next"]
    assert accepted.out.splitlines() == [
        "production: 'Amount' is STRING instead of FLOAT from now on.",
        f"{held['id']} (purchases_2.csv) is claimed and is tried again with the next run; no daemon runs.",
    ]
    await _tell_of_the_accepted(config, held["id"], known["source_id"])


async def _tell_of_the_accepted(config: Path, source_id: str, first_id: str) -> None:
    person = getpass.getuser()
    shown, elsewhere, again, unknown, history = await asyncio.gather(
        call(config, "schema", "show", "--destination", "production"),
        call(config, "schema", "show", "--destination", "elsewhere"),
        call(config, "schema", "accept", source_id),
        call(config, "schema", "accept", "nosuch"),
        call(config, "history", source_id, "--json"),
    )
    amount, note = shown.out.splitlines()
    assert amount.startswith("production  event  STRING  Amount  (since 20")
    assert amount.endswith(f", accepted by {person}, 'amount' of purchases, source {source_id})")
    assert note.startswith("production  event  STRING  note  (since 20")
    assert note.endswith(f", 'note' of purchases, source {first_id})")
    for answer, name in ((elsewhere, "elsewhere"), (again, source_id), (unknown, "nosuch")):
        assert (answer.code, answer.out, answer.errors.count("\n")) == (2, "", 1), answer
        assert name in answer.errors
    (move,) = [move for move in history.json["moves"] if move["by"] == person]
    assert (move["before"], move["after"]) == ("held", "claimed")
    assert move["reason"] == "types accepted by a person: 'Amount' is STRING instead of FLOAT"


async def test_a_plan_tells_what_would_be_held_and_writes_nothing(tmp_path: Path) -> None:
    """Exit code 1 and both places, from a ledger that is left byte for byte as it was; none is made where none is."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, "FLOAT")
        file = _drop(tmp_path, "purchases_1")
        early: list[dict[str, Any]] = json.loads((await _call(config, "plan", "--json", file)).out)
        assert not list((tmp_path / "workspace").iterdir())
        await _call(config, "run", "--once")
        config = await _configure(tmp_path, sandbox, "STRING")
    file = _drop(tmp_path, "purchases_2")
    before = await asyncio.to_thread(_read_all, tmp_path / "workspace")
    told, shown = await asyncio.gather(call(config, "plan", "--json", file), call(config, "plan", file))
    assert await asyncio.to_thread(_read_all, tmp_path / "workspace") == before
    assert [(plan["verdict"], plan["types_compared"], plan["held_for"]) for plan in early] == [
        ("delivered", False, None)
    ]
    assert (told.code, told.errors, shown.code, shown.errors) == (1, "", 1, "")
    (plan,) = json.loads(told.out)
    assert (plan["verdict"], plan["types_compared"], len(plan["parts"])) == ("held", True, 1)
    assert "as FLOAT (column 'amount' of feed purchases, in purchases_1.csv" in plan["held_for"]
    assert shown.out.endswith(f"  It would be held: {plan['held_for']}\n")


async def test_a_column_that_changes_its_type_is_told_before_and_after_the_drop(tmp_path: Path) -> None:
    """Reason, plan and check name column, both types and what was delivered; the page's way leads to delivery."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, "INTEGER")
        _drop(tmp_path, "purchases_1", "9")
        await _call(config, "run", "--once")
        file = _drop(tmp_path, "purchases_2", "9.5")
        planned = await _call(config, "plan", file, code=1)
        await _call(config, "run", "--once", code=1)
        refused = (await get_status(config))["purchases_2.csv"]
        shown = await _call(config, "status")
        config = await _configure(tmp_path, sandbox, "FLOAT")
        checked = await _call(config, "check")
        await _call(config, "retry", refused["id"])
        await _call(config, "run", "--once", code=1)
        assert (await get_status(config))["purchases_2.csv"]["state"] == "held"
        accepted = await _call(config, "schema", "accept", refused["id"])
        await _call(config, "run", "--once")
        assert not await get_status(config)
    said = "all cells of column 'amount' (1 of 1) are no INTEGER, and look like FLOAT"
    before = "'Amount' was INTEGER in what was delivered before (purchases_1.csv, source "
    for text in (refused["reason"], planned.out):
        assert said in text
        assert before in text
    assert "no row of it sent: 1 of 1 rows (100 %) break a rule, so none is left to send; " in planned.out
    advice = (
        f"{refused['id']}/purchases_2.csv; or change its feed, where the column is what it is from now on: see docs"
    )
    assert f"{advice}/how-to/change-a-type.md, and reload the daemon; then:" in shown.out
    (warned,) = (line for line in checked.out.splitlines() if "feed purchases: " in line)
    assert warned.startswith("warning")
    assert "'Amount' is FLOAT here (column 'amount' of feed purchases), and was delivered on 20" in warned
    assert "as INTEGER (column 'amount' of feed purchases, in purchases_1.csv, source " in warned
    assert accepted.out.endswith(" and is tried again with the next run; no daemon runs.\n")


async def test_a_plan_is_told_beside_a_ledger_that_cannot_be_read(tmp_path: Path) -> None:
    """The answer is whole but for the types, and the log says why these were not compared."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        config = await _configure(tmp_path, sandbox, "FLOAT")
    (tmp_path / "workspace" / "ledger.db").write_bytes(b"no database" * 500)
    answer = await _call(config, "plan", "--json", _drop(tmp_path, "purchases"))
    (plan,) = json.loads(answer.out)
    assert (plan["verdict"], plan["types_compared"]) == ("delivered", False)
    assert "types_not_compared" in answer.errors
