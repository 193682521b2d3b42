"""A machine without descriptors, with a read-only workspace or a locked ledger: told, and then all goes on."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import resource
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.ledger.database import BUSY_TIMEOUT_SECONDS, LEDGER_FILE
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.sandboxes import make_sandbox
from tests.support.service import Service, call, configure, run_service

INTAKE: dict[str, Any] = {"intake": {"settle_seconds": 0, "rescan_seconds": 0.5}}
CONTENT = b"event_name,time_stamp,user_id\nSold,1700000000,u1\n"


def _drop(staging: Path, name: str) -> bytes:
    content = CONTENT + f"Sold,1700000001,{name}\n".encode()
    (staging / name).write_bytes(content)
    return content


async def _check_taken_once(sandbox: Sandbox, *contents: bytes) -> None:
    await sandbox.wait_until_idle()
    taken = [entry.details["sha256"] for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]
    assert sorted(map(str, taken)) == sorted(hashlib.sha256(content).hexdigest() for content in contents)


def _check_log(service: Service) -> None:
    """Whatever was met was thought of: no traceback, and no defect."""
    assert [line for line in service.lines if "exception" in line or str(line["event"]).endswith("crashed")] == []


def _set_most_files(process: int, soft: int | None) -> None:
    """Let a process open descriptors below ``soft``; None = as many as it may."""
    _, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(process, resource.RLIMIT_NOFILE, (hard if soft is None else soft, hard))


def _leave(process: int, spare: int) -> None:
    """Let a process open so many files more, whatever numbers those have that are open."""
    used = {int(path.name) for path in Path(f"/proc/{process}/fd").iterdir()}
    free = (number for number in itertools.count() if number not in used)
    _set_most_files(process, next(itertools.islice(free, spare, None)))


@pytest.mark.parametrize("spare", [0, 3, 6])
async def test_out_of_descriptors_it_tells_and_goes_on_once_there_are_more(tmp_path: Path, spare: int) -> None:
    """With none or a few left a file is not lost, the reason is told, and with more it is delivered once."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, INTAKE)
        staging = written.configuration.staging
        async with run_service(written.path) as service:
            first = await asyncio.to_thread(_drop, staging, "purchases_1.csv")
            await service.wait_for("run_finished")
            begun = len(service.lines)
            await asyncio.to_thread(_leave, service.process.pid, spare)
            second = await asyncio.to_thread(_drop, staging, "purchases_2.csv")
            told = await service.wait_until(_is_outcome, after=begun)
            _set_most_files(service.process.pid, None)
            delivered = await service.wait_for("source_delivered", count=2)
            assert delivered["file"] == "purchases_2.csv"
            assert spare or "Too many open files" in str(told) or "unable to open database file" in str(told)
            assert await service.stop() == 0
        await _check_taken_once(sandbox, first, second)
    _check_log(service)


def _is_outcome(line: Mapping[str, Any]) -> bool:
    return line.get("level") in {"warning", "error"} or line["event"] == "source_delivered"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which can be turned read-only: what no mode does to root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256M,mode=0700", "none", folder], check=True, timeout=60)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True, timeout=60)


async def _remount(folder: Path, how: str) -> None:
    process = await asyncio.create_subprocess_exec("mount", "-o", f"remount,{how}", folder)
    assert await process.wait() == 0


async def test_a_start_in_a_workspace_that_is_read_only_is_refused_in_one_line(
    tmp_path: Path, small_disk: Path
) -> None:
    """`status` answers all the same, the line names folder and cause, and what was dropped goes once it is over."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        workspace = small_disk / "workspace"
        workspace.mkdir(mode=0o700)
        written = await asyncio.to_thread(
            configure, tmp_path, sandbox, {"workspace": str(workspace), "space": {"pause_below_bytes": 0}}
        )
        first = await asyncio.to_thread(_drop, written.configuration.staging, "purchases_1.csv")
        assert (await call(written.path, "run", "--once")).code == 0
        await _remount(small_disk, "ro")
        second = await asyncio.to_thread(_drop, written.configuration.staging, "purchases_2.csv")
        status = await call(written.path, "status", "--json")
        assert (status.code, status.json["counts"]["archived"]) == (0, 1), status.errors
        answer = await call(written.path, "run", "--once")
        assert answer.code == 1
        (line,) = [line for line in answer.errors.splitlines() if not line.startswith("{")]
        assert line.startswith("sftp-orchestrator: ")
        assert f"{workspace}" in line
        assert "ead-only" in line
        assert "mount its file system writable, or set workspace" in line
        await _remount(small_disk, "rw")
        assert (await call(written.path, "run", "--once")).code == 0
        await _check_taken_once(sandbox, first, second)


async def test_a_staging_that_is_away_is_told_once_and_so_is_its_return(tmp_path: Path) -> None:
    """As where it is not mounted: one error however often it is looked for, and what lies there then is delivered."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, INTAKE)
        staging = written.configuration.staging
        content = await asyncio.to_thread(_drop, staging, "purchases_1.csv")
        away = staging.with_name("away")
        async with run_service(written.path) as service:
            await service.wait_for("source_delivered")
            staging.rename(away)
            await service.wait_for("scan_failed")
            second = await asyncio.to_thread(_drop, away, "purchases_2.csv")
            await asyncio.sleep(2)  # Not to wait for anything: it is looked for again meanwhile.
            away.rename(staging)
            over = await service.wait_for("scan_recovered")
            await service.wait_for("source_delivered", file="purchases_2.csv")
            assert await service.stop() == 0
        assert over["failures"] > 1
        assert [line["event"] for line in service.lines if line.get("level") == "error"] == ["scan_failed"]
        await _check_taken_once(sandbox, content, second)


async def test_a_ledger_that_somebody_locks_is_waited_for_and_told(tmp_path: Path) -> None:
    """A backup that holds the ledger longer than we wait: told, nothing lost, and it goes on when it is free."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, INTAKE)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            with sqlite3.connect(written.configuration.workspace / LEDGER_FILE, isolation_level=None) as other:
                other.execute("BEGIN IMMEDIATE")
                content = await asyncio.to_thread(_drop, written.configuration.staging, "purchases_1.csv")
                told = await service.wait_for("scan_failed")
                assert "database is locked; nothing was changed" in told["error"]
                other.execute("ROLLBACK")
            other.close()
            await service.wait_for("source_delivered", file="purchases_1.csv")
            assert await service.stop() == 0
        await _check_taken_once(sandbox, content)
    assert BUSY_TIMEOUT_SECONDS <= 10
    _check_log(service)
