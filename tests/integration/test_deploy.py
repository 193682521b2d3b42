"""What is delivered with the program for Docker: the image's file, and the tour of compose."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml

from sftp_orchestrator.asking import ask_health
from sftp_orchestrator.cli import execute, health
from sftp_orchestrator.cli.app import app
from sftp_orchestrator.config import kept
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration
from tests.support.ports import find_free_port
from tests.support.service import call, run_service

ROOT = Path(__file__).parents[2]
TOUR = ROOT / "deploy" / "tour"


def _read_compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return found


def test_what_compose_mounts_is_there() -> None:
    """Each file and named volume that a service asks for exists, and each secret."""
    compose = _read_compose()
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists(), volume
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
    assert all((ROOT / secret["file"]).is_file() for secret in compose["secrets"].values())


def test_every_container_of_the_tour_is_shut() -> None:
    """Read-only but for its volumes, without capabilities, and reached from this machine alone."""
    for service in _read_compose()["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_image_asks_for_health_by_a_command_that_exists() -> None:
    """The health check, entry point and command of the Dockerfile are the program's."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    root = typer.main.get_command(app)
    commands = set(cast("typer.core.TyperGroup", root).list_commands(typer.Context(root)))
    asked = [json.loads(found) for found in re.findall(r"(?m)^(?:CMD| +CMD) (\[.*\])$", text)]
    assert ["sftp-orchestrator", "health"] in asked
    assert {command[-1] for command in asked} <= commands
    assert re.search(r"(?m)^USER orchestrator$", text)


def _make_tour(folder: Path, **web: Any) -> Path:
    """Write the tour's configuration with the folders of the containers below ``folder``."""
    text = (TOUR / "config.yml").read_text(encoding="utf-8")
    content = yaml.safe_load(text.replace("/data/", f"{folder}/data/").replace("/receiver/", f"{folder}/receiver/"))
    content["web"] |= web
    (folder / "receiver" / "keys").mkdir(parents=True)
    (folder / "data" / "staging").mkdir(parents=True)
    (folder / "receiver" / "known_hosts").write_text(
        "[127.0.0.1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4pmK9Zb0m6V6vZLk0oT0xN3b0m5yN4pU0Yw9m1oT0x\n"
    )
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


async def test_the_tour_shows_a_clean_file_and_one_with_a_bad_row(tmp_path: Path) -> None:
    """Both files of the producer would go, one row of them refused: there is something to look at."""
    path = _make_tour(tmp_path)
    names = ("customers.csv", "purchases.csv")
    for name in names:
        shutil.copy(TOUR / name, tmp_path / "data" / "staging")
    dropped = [str(tmp_path / "data" / "staging" / name) for name in names]
    answer = await call(path, "plan", "--json", *dropped)
    assert answer.code == 0, answer.errors
    plans: Any = answer.json
    assert [(plan["feed"], plan["refused_rows"]) for plan in plans] == [("customers", 0), ("purchases", 1)]


async def test_health_of_a_daemon_that_does_not_say_where_its_page_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked by the configuration that was gone by last, while the file is wrong; which is said on stderr."""
    written = await asyncio.to_thread(write_configuration, tmp_path, {"web": {"listen": "127.0.0.1:9"}})
    workspace = Workspace(root=written.configuration.workspace)
    workspace.prepare()
    kept.keep(written.configuration)
    with written.path.open("a", encoding="utf-8") as file:
        file.write("nonsense: 1\n")
    asked: list[str | None] = []

    def ask(listen: str | None) -> str:
        asked.append(listen)
        return "ok"

    monkeypatch.setattr(health, "ask_health", ask)
    with WorkspaceLock(workspace.lock, configuration=written.configuration.digest()):
        code = execute(["--config", str(written.path), "health"])
    told = capsys.readouterr()
    assert (code, told.out, asked) == (0, "ok\n", ["127.0.0.1:9"])
    assert "nonsense" in told.err
    workspace.configuration.unlink()
    assert execute(["--config", str(written.path), "health"]) == 2


async def test_health_tells_a_running_daemon_from_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 where the daemon answers; 1 where none does, or it hangs; 2 where nobody can be asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    port = find_free_port()
    written = await asyncio.to_thread(write_configuration, tmp_path, {"web": {"listen": f"127.0.0.1:{port}"}})
    absent = await call(written.path, "health")
    assert (absent.code, absent.out) == (1, "")
    assert "Connection refused; does it run?" in absent.errors
    async with run_service(written.path) as service:
        await service.wait_for("daemon_started")
        answer = await call(written.path, "health")
        assert (answer.code, answer.out) == (0, "ok\n")
        # What listens everywhere is asked on this machine.
        assert await asyncio.to_thread(ask_health, f"0.0.0.0:{port}") == "ok"
        # A file that was broken since does not make a daemon ill that goes on without it, nor does another address.
        right = written.path.read_text(encoding="utf-8")
        for wrong, said in (
            (f"{right}\nnonsense: [\n", "not valid YAML"),
            (f"{right}\nnonsense: 1\n", "nonsense"),
            (right.replace(str(port), str(find_free_port())), ""),
        ):
            written.path.write_text(wrong, encoding="utf-8")
            answer = await call(written.path, "health")
            assert (answer.code, answer.out) == (0, "ok\n")
            assert said in answer.errors
            assert bool(said) == ("goes on with the configuration that it read before" in answer.errors)
        written.path.write_text(right, encoding="utf-8")
        service.process.send_signal(signal.SIGSTOP)
        hung = await call(written.path, "health")
        service.process.send_signal(signal.SIGCONT)
        assert (hung.code, "timed out" in hung.errors) == (1, True)
        assert await service.stop() == 0
    # Nobody runs, and what is wrong is told all the same; it is the daemon that is asked for.
    written.path.write_text(f"{right}\nnonsense: 1\n", encoding="utf-8")
    absent = await call(written.path, "health")
    assert (absent.code, "nonsense" in absent.errors, "does it run?" in absent.errors) == (1, True, True)
    without = await asyncio.to_thread(write_configuration, tmp_path, {"web": {"listen": None}})
    nobody = await call(without.path, "health")
    assert (nobody.code, "web.listen" in nobody.errors) == (2, True)
