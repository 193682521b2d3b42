"""Events without ``ts`` are told of wherever a person looks, and nowhere where people say that they mean it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.header_checks import check_header
from tests.support.configuration import BY_IDENTITY_ALONE
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure

RULE = "ts.no_column"
EVENTS = "event_name,sold_at,user_id\n" + "".join(f"Sold,{1_700_000_000 + number},u{number}\n" for number in range(20))
BROKEN_PROFILES = 'user_id\n"u1\n'
COLUMNS = {
    "event_name": {"ct_name": "evtName"},
    "sold_at": {"type": "DATE", "date_format": "UNIX"},
    "user_id": {"ct_name": "identity"},
}


async def _look(folder: Path, feed: Mapping[str, Any]) -> dict[str, Answer]:
    """Return what every command says, with the events held back by profiles that are quarantined."""
    rules = {**BY_IDENTITY_ALONE, **feed.get("rules", {})}
    sales = {"type": "event", "files": ["sales*.csv"], "columns": COLUMNS, **feed, "rules": rules}
    async with make_sandbox(folder / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, folder, sandbox, {"feeds": {"sales": sales}})
        (folder / "staging" / "customers.csv").write_text(BROKEN_PROFILES)
        file = folder / "staging" / "sales.csv"
        file.write_text(EVENTS)
        answers = {
            "check": await call(written.path, "check"),
            "validate": await call(written.path, "validate", str(file)),
            "plan": await call(written.path, "plan", str(file)),
            "run": await call(written.path, "run", "--once"),
            "status": await call(written.path, "status"),
        }
        await sandbox.wait_until_idle()
    return answers


async def test_it_is_told_by_every_command_and_in_the_log_once(tmp_path: Path) -> None:
    """A warning stops nothing: ``check``, ``validate``, ``plan``, ``status`` and the log of the run have it."""
    found = await _look(tmp_path, {})
    assert [found[name].code for name in ("check", "validate", "plan", "status")] == [0, 0, 0, 0], found
    (line,) = (line for line in found["check"].out.splitlines() if " feed " in line)
    assert " feed sales: " in line
    assert line.startswith("warning ")
    assert 'rules: {ts.no_column: "off"}' in line
    for name in ("validate", "plan"):
        assert f"  warning  {RULE}, once\n    line 1: no column becomes ts" in found[name].out
    assert found["status"].out.count(f"its events have no ts: each counts as of when it is processed ({RULE})") == 1
    log = [json.loads(line) for line in found["run"].errors.splitlines() if line.startswith("{")]
    warned = [entry for entry in log if entry["event"] == "rules_warned"]
    assert [entry["rules"] for entry in warned] == [{RULE: 1}]


@pytest.mark.parametrize(
    "feed",
    [
        {"rules": {RULE: "off"}},
        {"columns": {**COLUMNS, "sold_at": {"ct_name": "ts", "type": "INTEGER"}}},
        {
            "columns": {"event_name": {"ct_name": "evtName"}, "user_id": {"ct_name": "identity"}},
            "rename": {"sold_at": "ts"},
        },
    ],
)
async def test_nobody_is_told_who_means_it_or_gives_a_time(tmp_path: Path, feed: Mapping[str, Any]) -> None:
    """With the rule off, or a column that becomes ``ts`` by mapping or by its new name, no command says a word."""
    found = await _look(tmp_path, feed)
    assert found["validate"].code == 0, found["validate"]
    assert found["status"].code == 0
    assert not [name for name, answer in found.items() if RULE in answer.out + answer.errors]


def test_it_may_refuse_a_file() -> None:
    """As an error it holds the whole file back, as every rule for the header does; profiles need no time."""
    rules = {**BY_IDENTITY_ALONE, RULE: "error"}
    feed = Feed.model_validate({"type": "event", "files": ["*"], "columns": COLUMNS, "rules": rules})
    users = {"user_id": {"ct_name": "identity"}}
    profiles = Feed.model_validate({"type": "profile", "files": ["*"], "columns": users, "rules": rules})
    (finding,) = check_header(list_columns(tuple(COLUMNS), feed), feed)
    assert (finding.rule, finding.severity) == (RULE, "error")
    assert check_header(list_columns(["user_id"], profiles), profiles) == []
