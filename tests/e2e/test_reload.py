"""SIGHUP: the configuration is read anew; a bad one changes nothing, and says so."""

from __future__ import annotations

import asyncio
import datetime
import html
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Settings
from tests.support.ports import find_free_port
from tests.support.service import Service, call, configure, get_status, run_service

NEVER = {"schedule": {"deliver": "0 2 1 1 *"}}


def _change(path: Path, **changes: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")


async def _reload(service: Service, event: str) -> dict[str, Any]:
    service.process.send_signal(signal.SIGHUP)
    return await service.wait_for(event)


async def test_a_changed_configuration_takes_effect_without_a_restart(tmp_path: Path) -> None:
    """The same process takes files of a feed that it did not know, and what was claimed before goes on."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox, NEVER)
        (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
        async with run_service(written.path) as service:
            await service.wait_for("source_claimed", file="customers.csv")
            _change(written.path, schedule={"deliver": "on_arrival"})
            assert (await _reload(service, "reloading"))["changed"] == ["schedule.deliver"]
            await service.wait_for("source_delivered", file="customers.csv")
            assert len([line for line in service.lines if line["event"] == "daemon_started"]) == 2
            assert await service.stop() == 0


async def test_a_wrong_configuration_leaves_the_one_before(tmp_path: Path) -> None:
    """The log names what is wrong; the daemon was not even stopped, and goes on delivering."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        listen = {"web": {"listen": f"127.0.0.1:{find_free_port()}"}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, listen)
        good = written.path.read_text(encoding="utf-8")
        async with run_service(written.path) as service:
            started = await service.wait_for("daemon_started")
            for changes, said in (
                ({"schedule": {"deliver": "whenever"}}, "schedule.deliver"),
                ({"destinations": None}, "destinations"),
                ({"schedul": {"deliver": "on_arrival"}}, "did you mean schedule?"),
                ({"staging": "stagign"}, "stagign: No such file or directory"),
            ):
                before = len([line for line in service.lines if line["event"] == "reload_refused"])
                _change(written.path, **changes)
                service.process.send_signal(signal.SIGHUP)
                refused = await service.wait_for("reload_refused", count=before + 1)
                assert said in refused["error"], refused
                page = await _read(started, "")
                assert said in page.partition("configuration refused")[2].partition("passes, then")[0]
                assert "?." not in page
                assert "sftp_orchestrator_reload_refused 1.0" in await _read(started, "metrics")
                if "staging" not in changes:
                    await _require_told(written.path, said)
                written.path.write_text(good, encoding="utf-8")
            (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
            await service.wait_for("source_delivered", file="customers.csv")
            assert "was changed since" not in (await call(written.path, "status")).out
            await _reload(service, "reloading")
            started = await service.wait_for("daemon_started", count=2)
            assert "sftp_orchestrator_reload_refused 0.0" in await _read(started, "metrics")
            assert "configuration refused" not in await _read(started, "")
            _change(written.path, schedule={"deliver": "on_arrival", "only": ["03:00-03:30"]})
            changed = await call(written.path, "status")
            assert "The configuration was changed since the daemon read it" in changed.out
            assert f"kill -HUP {service.process.pid}" in changed.out
            assert "closed by schedule.only" not in changed.out
            assert len([line for line in service.lines if line["event"] == "daemon_started"]) == 2
            assert await service.stop() == 0


async def test_a_feed_that_is_missing_for_one_reload_changes_nothing_for_good(tmp_path: Path) -> None:
    """Its files are held, none goes by another schedule; once it is there again, they wait for theirs as before."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        nightly = {"feeds": {feed: {"schedule": NEVER["schedule"]} for feed in ("purchases", "customers")}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, nightly)
        feeds = yaml.safe_load(written.path.read_text(encoding="utf-8"))["feeds"]
        (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
        async with run_service(written.path) as service:
            await service.wait_for("source_planned", count=1)
            (tmp_path / "staging" / "purchases.csv").write_bytes(b"event_name,time_stamp,user_id\nSold,1700000000,a\n")
            await service.wait_for("source_planned", count=2)
            _change(written.path, feeds={"others": {**feeds["customers"], "files": ["others*.csv"]}})
            await _reload(service, "reloading")
            await service.wait_for("source_held", count=2)
            status = await get_status(written.path)
            assert {name: source["state"] for name, source in status.items()} == dict.fromkeys(status, "held")
            assert "the configuration has no feed 'customers' any more" in status["customers.csv"]["reason"]
            assert "it goes on when its turn comes" in status["customers.csv"]["next"][0]
            _change(written.path, feeds=feeds)
            await _reload(service, "reloading")
            await service.wait_for("source_resumed", count=2)
            await service.wait_for("source_planned", count=4)
            status = await get_status(written.path)
            assert all("waits for the schedule, next at" in source["reason"] for source in status.values()), status
            assert await service.stop() == 0
            assert not [line for line in service.lines if line["event"] == "run_started"]


async def _read(started: dict[str, Any], path: str) -> str:
    """Return what the page of a daemon that told of its start has at ``path``."""

    def read() -> str:
        with urllib.request.urlopen(f"{started['page']}{path}", timeout=60) as answer:  # noqa: S310 - http, ours
            return html.unescape(str(answer.read().decode()))

    return await asyncio.to_thread(read)


async def _require_told(config: Path, said: str) -> None:
    """Look that ``status`` says what is wrong, that the daemon goes on, and what to type; one line each.

    What waits is shown all the same, by the configuration that the daemon goes on with; to decide is refused. What
    decides nothing says only what is wrong.
    """
    answer = await call(config, "status")
    wrong, going_on = answer.errors.splitlines()
    assert answer.code == 2
    assert "delivered so far" in answer.out
    assert "wrong: this is told by the one that the daemon goes on with. What is wrong: " in answer.out
    assert said in wrong
    assert " goes on with the configuration that it read before" in going_on
    assert f"`sftp-orchestrator --config {config} check` passes; have it read: " in going_on
    assert "systemctl reload sftp-orchestrator" in going_on
    as_json = await call(config, "status", "--json")
    assert (as_json.code, as_json.json["daemon"]["configuration_is_outdated"]) == (2, True)
    for deciding in (["retry", "nosuchid00"], ["schema", "accept", "nosuchid00"], ["run-now"]):
        refused = await call(config, *deciding)
        assert (refused.code, refused.out) == (2, "")
        name = " ".join(word for word in deciding if word != "nosuchid00")
        assert f"{name}: nothing was done; the daemon (process " in refused.errors.splitlines()[-1]
        assert f"`sftp-orchestrator --config {config} status` shows the files" in refused.errors
    for looking in (["plan", "customers.csv"], ["validate", "customers.csv"], ["schema", "show"], ["notify", "test"]):
        refused = await call(config, *looking)
        assert (refused.code, refused.out) == (2, "")
        assert refused.errors.splitlines() == [wrong]


async def test_a_configuration_no_daemon_can_start_with_is_given_back(tmp_path: Path) -> None:
    """That an address is taken shows only when it is asked for: the one before is started again."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        written = await asyncio.to_thread(configure, tmp_path, sandbox)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            async with run_service(written.path) as service:
                await service.wait_for("daemon_started")
                _change(written.path, web={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
                failed = await _reload(service, "reload_failed")
                assert "listen" in failed["error"]
                await service.wait_for("daemon_started", count=2)
                (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
                await service.wait_for("source_delivered", file="customers.csv")
                _change(written.path, web={"listen": f"127.0.0.1:{find_free_port()}"})
                await _reload(service, "reloading")
                await service.wait_for("daemon_started", count=3)
                assert await service.stop() == 0


async def test_systemd_hears_of_a_reload_and_of_life(tmp_path: Path) -> None:
    """READY after start and reload, RELOADING in between, and the watchdog fed all the time."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)  # noqa: FBT003 - the standard library's
        told: list[str] = []

        async def hear(line: str) -> None:
            loop = asyncio.get_running_loop()
            while line not in told:
                told.extend((await loop.sock_recv(manager, 1000)).decode().splitlines())
            told.remove(line)

        async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
            written = await asyncio.to_thread(configure, tmp_path, sandbox)
            environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
            async with run_service(written.path, environment=environment) as service:
                async with asyncio.timeout(60):
                    await hear("READY=1")
                    await hear("WATCHDOG=1")
                    await hear("STATUS=idle: waits for files")
                    service.process.send_signal(signal.SIGHUP)
                    await hear("RELOADING=1")
                    await hear("READY=1")
                    await hear("WATCHDOG=1")
                    service.process.send_signal(signal.SIGTERM)
                    await hear("STOPPING=1")
                assert await service.wait() == 0


async def test_dates_in_a_file_are_read_anew(tmp_path: Path) -> None:
    """A day that was put into the file of ``except_dates`` is closed from the reload on."""
    async with Sandbox(Settings(root=tmp_path / "receiver", openpgp_algorithm=CURVE_25519)) as sandbox:
        (tmp_path / "holidays.txt").write_text("2000-01-01\n")
        closed = {"schedule": {"deliver": "on_arrival", "except_dates": "holidays.txt"}}
        written = await asyncio.to_thread(configure, tmp_path, sandbox, closed)
        async with run_service(written.path) as service:
            await service.wait_for("daemon_started")
            today = datetime.datetime.now(written.configuration.zone).date()
            days = [today + datetime.timedelta(days=days) for days in (-1, 0, 1)]
            (tmp_path / "holidays.txt").write_text("\n".join(map(str, days)))
            await _reload(service, "reloading")
            await service.wait_for("daemon_started", count=2)
            (tmp_path / "staging" / "customers.csv").write_bytes(b"user_id,Name\na,Ada\n")
            await service.wait_for("source_claimed", file="customers.csv")
            assert (await call(written.path, "run-now")).code == 0
            assert (await service.wait_for("run_started"))["trigger"] == "now"
            assert await service.stop() == 0
