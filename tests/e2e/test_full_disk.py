"""Daemon and passes on a disk that fills up: nothing more is taken in, nothing is lost, and all goes on by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.space import SPARE_BYTES
from tests.support.configuration import Written
from tests.support.disks import MEGABYTE, Disk
from tests.support.sandboxes import make_sandbox
from tests.support.service import call, configure, get_status, run_service

BELOW = 40 * MEGABYTE
EVENTS = "event_name,time_stamp,user_id,note\n"
SELDOM = "0 0 1 1 *"


def _configure(folder: Path, sandbox: Sandbox, disk: Disk, **more: Any) -> Written:
    """Staging and workspace on the small disk, as they share one in practice."""
    for name in ("staging", "workspace"):
        (disk.root / name).mkdir(mode=0o700, exist_ok=True)
    places = {"staging": str(disk.root / "staging"), "workspace": str(disk.root / "workspace")}
    overrides = {**places, "intake": {"settle_seconds": 0, "rescan_seconds": 0.5}, **more}
    return configure(folder, sandbox, overrides)


def _drop(written: Written, name: str, rows: int = 1) -> None:
    lines = "".join(f"Sold,{1700000000 + row},{name},{row:>60}\n" for row in range(rows))
    (written.configuration.staging / name).write_text(EVENTS + lines, encoding="utf-8")


def _list_taken(sandbox: Sandbox) -> list[str]:
    return [str(entry.details["data"]) for entry in read_activity(sandbox.paths.activity) if entry.event is Event.TAKEN]


async def test_a_full_disk_pauses_the_intake_and_nothing_else(tmp_path: Path, disk: Disk) -> None:
    """What is ours is delivered meanwhile, what is dropped stays in staging, and with space again it is delivered."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        more = {"space": {"pause_below_bytes": BELOW}, "schedule": {"deliver": SELDOM}}
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, disk, **more)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            await asyncio.to_thread(_drop, written, "purchases_1.csv")
            first = await service.wait_for("source_claimed")
            ballast = await asyncio.to_thread(disk.fill_up_to, BELOW - MEGABYTE)
            await service.wait_for("intake_paused")
            await asyncio.to_thread(_drop, written, "purchases_2.csv")
            assert (await call(written.path, "retry", first["source"])).code == 0
            await service.wait_for("source_delivered", source=first["source"])

            status = (await call(written.path, "status", "--json")).json
            assert status["space"]["intake_paused"]
            assert [file["file"] for file in status["staging"]["arriving"]] == ["purchases_2.csv"]
            assert status["counts"]["archived"] == 1
            said = (await call(written.path, "status")).out
            assert "Make room: the intake is paused:" in said
            checked = await call(written.path, "check")
            assert (checked.code, "make room: the intake is paused" in checked.out) == (0, True)

            ballast.unlink()
            await service.wait_for("intake_resumed")
            second = await service.wait_for("source_claimed", file="purchases_2.csv")
            assert (await call(written.path, "retry", second["source"])).code == 0
            await service.wait_for("source_delivered", source=second["source"])
            assert not (await call(written.path, "status", "--json")).json["space"]["intake_paused"]
            assert [line["event"] for line in service.lines if line["event"].startswith("intake_")] == [
                "intake_paused",
                "intake_resumed",
            ]
            assert not [line for line in service.lines if line.get("level") == "error"]
            assert await service.stop() == 0
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 2


async def test_a_pass_says_that_the_intake_is_paused(tmp_path: Path, disk: Disk) -> None:
    """Exit code 1 and one line; what is dropped stays where it is, and the pass after the clean-up delivers it."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        more = {"space": {"pause_below_bytes": BELOW}}
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, disk, **more)
        await asyncio.to_thread(_drop, written, "purchases_1.csv")
        ballast = await asyncio.to_thread(disk.fill_up_to, BELOW - MEGABYTE)
        paused = await call(written.path, "run", "--once")
        assert paused.code == 1
        said = [line for line in paused.errors.splitlines() if not line.startswith("{")]
        assert len(said) == 1
        assert said[0].startswith("sftp-orchestrator: take in files: the intake is paused: 40.")
        assert said[0].endswith(
            f" MB are free in {disk.root}/workspace, it goes on by itself at 52.4 MB; make room there"
        )
        assert [path.name for path in written.configuration.staging.iterdir()] == ["purchases_1.csv"]
        ballast.unlink()
        again = await call(written.path, "run", "--once")
        assert (again.code, again.out.startswith("1 delivered")) == (0, True)
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1


async def test_what_does_not_fit_hinders_only_what_must_not_overtake_it(tmp_path: Path, disk: Disk) -> None:
    """Staging on another disk: profiles too large keep events back, other profiles go, and it is said why and shown."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        (disk.root / "workspace").mkdir(mode=0o700)
        more = {"workspace": str(disk.root / "workspace"), "space": {"pause_below_bytes": 0}}
        quickly = {"settle_seconds": 0, "rescan_seconds": 0.5}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, {**more, "intake": quickly})
        staging = written.configuration.staging
        ballast = await asyncio.to_thread(disk.fill_up_to, SPARE_BYTES + 2 * MEGABYTE)
        large = b"user_id,Name\n" + b"".join(b"u%d,%040d\n" % (row, row) for row in range(100_000))
        for name, content in (("customers_a", large), ("customers_b", b"user_id,Name\nb,Bob\n")):
            (staging / f"{name}.csv").write_bytes(content)
        await asyncio.to_thread(_drop, written, "purchases.csv")
        async with run_service(written.path) as service:
            failed = await service.wait_for("claim_failed")
            assert failed["file"] == "customers_a.csv"
            assert failed["reason"].startswith("it does not fit: 4.8 MB, and 67.1 MB to spare, are not free in ")
            await service.wait_for("source_delivered", file="customers_b.csv")
            status = (await call(written.path, "status", "--json")).json
            assert [(file["file"], file["not_taken_because"]) for file in status["staging"]["arriving"]] == [
                ("customers_a.csv", failed["reason"]),
                ("purchases.csv", "waits for the profiles of customers_a.csv, which cannot be taken yet"),
            ]
            shown = (await call(written.path, "status")).out
            assert "not taken  customers_a.csv" in shown
            assert "2 complete and not taken" in shown
            ballast.unlink()
            await service.wait_for("source_delivered", file="purchases.csv")
            assert (await call(written.path, "status", "--json")).json["staging"]["arriving"] == []
            assert not [line for line in service.lines if line.get("level") == "error"]
            assert len([line for line in service.lines if line["event"] == "claim_failed"]) == 1
            assert await service.stop() == 0
        await sandbox.wait_until_idle()
        taken = [name.partition("_")[0] for name in _list_taken(sandbox)]
        assert taken == ["customers", "customers", "purchases"]


async def test_a_pass_says_what_does_not_fit(tmp_path: Path, disk: Disk) -> None:
    """Exit code 1 and a line with what to do; everything else is delivered."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        (disk.root / "workspace").mkdir(mode=0o700)
        more = {"workspace": str(disk.root / "workspace"), "space": {"pause_below_bytes": 0}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, more)
        await asyncio.to_thread(disk.fill_up_to, SPARE_BYTES + 2 * MEGABYTE)
        await asyncio.to_thread(_drop, written, "purchases_large.csv", 100_000)
        await asyncio.to_thread(_drop, written, "purchases_small.csv")
        answer = await call(written.path, "run", "--once")
        assert (answer.code, answer.out.startswith("1 delivered")) == (1, True)
        (said,) = [line for line in answer.errors.splitlines() if not line.startswith("{")]
        assert said.startswith("sftp-orchestrator: take in purchases_large.csv: it does not fit: ")
        assert said.endswith("make room there, and it is taken by itself")
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 1


async def test_a_part_that_finds_no_space_waits_for_it(tmp_path: Path, disk: Disk) -> None:
    """Nothing is written of it, nothing quarantined; the reason says what is free and needed, and then it goes."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        access = sandbox.access
        encryption = {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id}
        more = {
            "space": {"pause_below_bytes": 0},
            "destinations": {"production": {"encryption": encryption}},
        }
        written = await asyncio.to_thread(_configure, tmp_path, sandbox, disk, **more)
        await asyncio.to_thread(_drop, written, "purchases_1.csv", 100_000)
        await asyncio.to_thread(_drop, written, "purchases_2.csv", 10)
        ballast = await asyncio.to_thread(disk.fill_up_to, SPARE_BYTES + 5 * MEGABYTE)
        assert (await call(written.path, "run", "--once")).code == 1
        (waiting,) = (await get_status(written.path)).values()
        assert (waiting["file"], waiting["state"]) == ("purchases_1.csv", "planned")
        assert "bytes are free" in waiting["reason"]
        assert "make room there; it waits for space and goes on by itself" in waiting["reason"]
        folder = written.configuration.workspace / "work" / waiting["id"]
        assert [path.name for path in folder.iterdir()] == ["source.csv"]
        ballast.unlink()
        assert (await call(written.path, "run", "--once")).code == 0
        await sandbox.wait_until_idle()
        assert len(_list_taken(sandbox)) == 2
