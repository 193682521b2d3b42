"""``run --once`` as a process, against the sandbox: what is dropped in the wrong order arrives in the right one."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import Limits
from tests.support.sandboxes import make_sandbox

LIMIT = 6_000
ROWS = 200


def _write_configuration(root: Path, sandbox: Sandbox) -> Path:
    access = sandbox.access
    (root / "staging").mkdir()
    columns = {"evtName": {}, "ts": {"type": "INTEGER"}, "identity": {}}
    values: dict[str, Any] = {
        "staging": "staging",
        "workspace": "workspace",
        "intake": {"settle_seconds": 0.2},
        "web": {"listen": None},
        "destinations": {
            "sandbox": {
                "host": access.host,
                "port": access.port,
                "username": access.username,
                "private_key": {"file": str(access.private_key)},
                "known_hosts": str(access.known_hosts),
                "client_email": "data-team@example.com",
                "encryption": {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id},
                "limits": {"encrypted_bytes": LIMIT},
            }
        },
        "feeds": {
            "purchases": {"type": "event", "files": ["purchases*.csv"], "columns": columns},
            "customers": {"type": "profile", "files": ["customers*.csv"], "columns": {"identity": {}}},
        },
    }
    path = root / "config.yml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def _drop(staging: Path) -> None:
    def events(first_ts: int) -> str:
        rows = (f'Sold,{first_ts + n},user{n},"two\nlines, Köln {n}"\n' for n in range(ROWS))
        return "evtName,ts,identity,note\n" + "".join(rows)

    (staging / "purchases_a_new.csv").write_text(events(1_700_100_000), encoding="utf-8")
    (staging / "purchases_b_old.csv").write_text(events(1_700_000_000), encoding="utf-8")
    (staging / "purchases_c_broken.csv").write_text("evtName,ts,identity,note\nSold,1,u\n", encoding="utf-8")
    profiles = "".join(f"user{n},Zoë {n}\n" for n in range(ROWS))
    (staging / "customers.csv").write_text("identity,Name\n" + profiles, encoding="utf-8")


async def _call(config: Path, *arguments: str) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "sftp_orchestrator", "--config", str(config), *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_files_dropped_in_the_wrong_order_arrive_in_the_right_one_with_every_row(tmp_path: Path) -> None:
    """Profiles before any byte of events, events oldest first, parts by number, rows in = rows out, the rest told."""
    async with make_sandbox(tmp_path / "receiver", limits=Limits(encrypted_bytes=LIMIT)) as sandbox:
        config = await asyncio.to_thread(_write_configuration, tmp_path, sandbox)
        await asyncio.to_thread(_drop, tmp_path / "staging")
        code, _, errors = await _call(config, "run", "--once")
        assert code == 1, errors
        await sandbox.wait_until_idle()
        again, _, errors = await _call(config, "run", "--once")
        assert again == 0, errors
        status = json.loads((await _call(config, "status", "--json"))[1])
        history = json.loads((await _call(config, "history", "--json"))[1])
        activity = read_activity(sandbox.paths.activity)
    taken = [entry.details for entry in activity if entry.event is Event.TAKEN]
    files = {found["id"]: found["file"] for found in history["delivered"]}
    order = list(dict.fromkeys(files[str(details["data"]).split("_")[-2]] for details in taken))
    assert order == ["customers.csv", "purchases_b_old.csv", "purchases_a_new.csv"]
    for name in order:
        parts = [details for details in taken if files[str(details["data"]).split("_")[-2]] == name]
        assert sum(details["rows"] for details in parts) == ROWS
        assert [str(details["data"]) for details in parts] == sorted(str(details["data"]) for details in parts)
        assert all(
            details["decrypted"] and not details["violations"] and not details["failed_rows"] for details in parts
        )
    assert not [entry for entry in activity if entry.event in {Event.REFUSED, Event.MANIFEST_IGNORED}]
    last_profile = max(
        entry.sequence
        for entry in activity
        if entry.event is Event.CLOSED and str(entry.details["name"]).startswith("customers")
    )
    first_event = min(
        entry.sequence
        for entry in activity
        if entry.event is Event.OPENED and str(entry.details["name"]).startswith("purchases")
    )
    assert last_profile < first_event
    (aside,) = status["sources"]
    assert (aside["file"], aside["state"]) == ("purchases_c_broken.csv", "quarantined")
    report = json.loads((tmp_path / "workspace" / "quarantine" / aside["id"] / "report.json").read_text())
    assert report["findings"][0]["line"] == 2
    assert list((tmp_path / "staging").iterdir()) == []
    archived = {path.name for path in (tmp_path / "workspace" / "archive").rglob("*.csv")}
    assert archived == {"customers.csv", "purchases_a_new.csv", "purchases_b_old.csv"}


async def test_a_receiver_that_is_away_is_told_in_the_exit_code_and_nothing_is_lost(tmp_path: Path) -> None:
    """Exit code 3; what was claimed waits with the reason, and the next pass delivers it once."""
    async with make_sandbox(tmp_path / "receiver", limits=Limits(encrypted_bytes=LIMIT)) as sandbox:
        config = await asyncio.to_thread(_write_configuration, tmp_path, sandbox)
        port = sandbox.port
    (tmp_path / "staging" / "customers.csv").write_text("identity,Name\nuser1,Ada\n")
    text = config.read_text()
    config.write_text(text + "\n")
    values = yaml.safe_load(text)
    values["destinations"]["sandbox"]["attempts"] = 1
    config.write_text(yaml.safe_dump(values))
    code, _, errors = await _call(config, "run", "--once")
    assert code == 3, errors
    assert "Traceback" not in errors
    status = json.loads((await _call(config, "status", "--json"))[1])
    assert [found["state"] for found in status["sources"]] == ["planned"] or status["sources"][0]["state"] == "ready"
    assert status["sources"][0]["reason"]
    async with make_sandbox(tmp_path / "receiver", port=port, limits=Limits(encrypted_bytes=LIMIT)) as sandbox:
        code, _, errors = await _call(config, "run", "--once")
        assert code == 0, errors
        await sandbox.wait_until_idle()
        taken = [entry for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert len(taken) == 1
