"""A ledger that is older than what was delivered is put back, as the guide has it typed: nothing is sent twice."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.support.crashing import Case, Load, open_case, run_receiver
from tests.support.drops import make_batch
from tests.support.receipts import read_log
from tests.support.scenarios import PASS

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up-and-restore.md"
PROFILES, NEW, EVENTS, *_ = make_batch(1, rows=6)
READY, PUBLISHING = "upload.data.before", "publish.manifest.before"
"""Where the pass is killed before the backup: a part is ready, or was about to be published."""


def _count_taken(case: Case) -> int:
    return sum(entry["event"] == "taken" for entry in read_log(case.receiver.sandbox.paths.activity))


def _read_guide(case: Case, aside: Path) -> str:
    """Return what is typed to set aside what is on its way."""
    (typed,) = re.findall(r"```sh\n([^`]*aside[^`]*)```", GUIDE.read_text(encoding="utf-8"))
    found: str = typed.replace("/var/lib/sftp-orchestrator/aside", str(aside))
    return f"set -e\ncd {case.workspace}\n{found}"


async def _type(script: str) -> None:
    process = await asyncio.create_subprocess_exec("bash", "-c", script)
    assert await process.wait() == 0


def _back_up(workspace: Path, to: Path) -> None:
    """Copy ledger and work folder, as they are at one moment."""
    to.mkdir()
    shutil.copytree(workspace / "work", to / "work")
    with sqlite3.connect(workspace / "ledger.db") as ledger, sqlite3.connect(to / "ledger.db") as copy:
        ledger.backup(copy)
    ledger.close()
    copy.close()


def _put_back(workspace: Path, backup: Path) -> None:
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (workspace / name).unlink(missing_ok=True)
    shutil.rmtree(workspace / "work")
    shutil.copytree(backup / "work", workspace / "work")
    shutil.copy(backup / "ledger.db", workspace)


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
@pytest.mark.parametrize(("at", "states"), [(READY, {"held"}), (PUBLISHING, set())], ids=["ready", "publishing"])
async def test_a_restore_as_the_guide_says_sends_nothing_twice(
    tmp_path: Path, at: str, states: set[str], *, is_encrypted: bool
) -> None:
    """What was ready is held, for its file is aside; what was about to be published is looked up at the receiver."""
    async with run_receiver(tmp_path / "receiver") as receiver:
        with open_case(tmp_path / "sender", Load(encrypts=is_encrypted), receiver) as case:
            case.drop([EVENTS])
            assert await case.kill(*PASS, at=at)
            await asyncio.to_thread(_back_up, case.workspace, tmp_path / "backup")
            assert (await case.call(*PASS)).code == 0
            await receiver.settle()
            assert _count_taken(case) == 1

            await asyncio.to_thread(_put_back, case.workspace, tmp_path / "backup")
            await _type(_read_guide(case, tmp_path / "aside"))
            await case.call(*PASS)
            await receiver.settle()
            entries = read_log(case.receiver.sandbox.paths.activity)
            assert sum(e["event"] == "opened" and e["name"].endswith(".manifest") for e in entries) == 1
            sources = await case.list_sources()
            assert {source["state"] for source in sources} == states
            for source in sources:
                answer = await case.call("discard", source["id"], "--reason", "delivered before the restore")
                assert answer.code == 0, answer.text
            assert (await case.call(*PASS)).code == 0
            assert await case.list_sources() == []
            case.drop([NEW])
            assert (await case.call(*PASS)).code == 0
            await receiver.settle()
            assert _count_taken(case) == 2
