"""Feeds without a column for objectId are told of: the receiver's FAQ calls it mandatory over SFTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.checks.columns import list_columns
from sftp_orchestrator.prepare.checks.header_checks import check_header
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure

RULE = "object_id.no_column"
PROFILES = "user_id,Name\n" + "".join(f"u{number},Ada\n" for number in range(50))


async def _look(folder: Path, rules: Mapping[str, str]) -> dict[str, Answer]:
    """Return what every command says of one feed of profiles."""
    async with make_sandbox(folder / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, folder, sandbox, {"feeds": {"customers": {"rules": rules}}})
        file = folder / "staging" / "customers.csv"
        file.write_text(PROFILES)
        answers = {
            "check": await call(written.path, "check"),
            "plan": await call(written.path, "plan", str(file)),
            "run": await call(written.path, "run", "--once"),
        }
        await sandbox.wait_until_idle()
    return answers


async def test_it_is_told_with_what_to_do_and_once_for_each_source(tmp_path: Path) -> None:
    """``check`` names the feed, ``plan`` the file, the log of a run each source once; all of it is sent."""
    found = await _look(tmp_path, {RULE: "warning"})
    assert [answer.code for answer in found.values()] == [0, 0, 0], found
    (line,) = (line for line in found["check"].out.splitlines() if " feed customers: " in line)
    assert line.startswith("warning ")
    assert 'rules: {object_id.no_column: "off"}' in line
    assert f"  warning  {RULE}, once\n    line 1: no column becomes objectId: map one;" in found["plan"].out
    log = [json.loads(line) for line in found["run"].errors.splitlines() if line.startswith("{")]
    assert [entry["rules"] for entry in log if entry["event"] == "rules_warned"] == [{RULE: 1}]


async def test_nobody_is_told_who_knows_users_by_identity_alone(tmp_path: Path) -> None:
    """With the rule off no command says a word."""
    found = await _look(tmp_path, {RULE: "off"})
    assert not [name for name, answer in found.items() if RULE in answer.out + answer.errors]


def test_without_any_identity_that_alone_is_told() -> None:
    """Where nothing says who, the error says so, and no warning beside it."""
    feed = Feed.model_validate({"type": "profile", "files": ["*"], "columns": {"name": {"ct_name": "Name"}}})
    assert [finding.rule for finding in check_header(list_columns(["name"], feed), feed)] == ["identity.no_column"]
