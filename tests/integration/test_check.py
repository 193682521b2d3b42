"""``check`` before the first file is sent: what is in place, and each thing that is not, in one line and a code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import generate_host_key, write_configuration
from tests.support.paramiko_server import DropBox, run_paramiko
from tests.support.sandboxes import make_sandbox
from tests.support.service import Answer, call, configure


@asynccontextmanager
async def _set_up(folder: Path, **destination: Any) -> AsyncIterator[tuple[Path, Sandbox]]:
    """Run a sandbox, and write a configuration for it in which ``destination`` differs."""
    async with make_sandbox(folder / "receiver") as sandbox:
        overrides = {"destinations": {"production": destination}}
        written = await asyncio.to_thread(configure, folder, sandbox, overrides)
        yield written.path, sandbox


def _get_failures(answer: Answer) -> list[str]:
    assert "Traceback" not in answer.errors
    return [line for line in answer.out.splitlines() if line.startswith("FAILED")]


async def test_everything_in_place_is_0_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A line a subject; with --connect a login, the host key's fingerprint, and a probe that is removed again."""
    async with _set_up(tmp_path) as (config, sandbox):
        alone, connected = await asyncio.gather(call(config, "check"), call(config, "check", "--connect"))
        await sandbox.wait_until_idle()
        assert list(sandbox.paths.inbox.iterdir()) == []
    assert (alone.code, connected.code, alone.errors, connected.errors) == (0, 0, "", "")
    words = [line.split()[0] for line in connected.out.splitlines()]
    assert set(words) <= {"ok", "warning"}
    assert len(words) == len(alone.out.splitlines()) + 1
    (receiver,) = (line for line in connected.out.splitlines() if "destination production" in line)
    assert "SHA256:" in receiver
    assert receiver.endswith("probe written and removed")


async def test_a_missing_folder_is_1_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """Staging that is not there is this machine's fault, and the line says what to type."""
    async with _set_up(tmp_path) as (config, _):
        (tmp_path / "staging").rmdir()
        answer = await call(config, "check")
    assert answer.code == 1, answer
    (line,) = _get_failures(answer)
    assert line.endswith(f"it is no folder; run: mkdir -p {tmp_path / 'staging'}")


async def test_a_workspace_that_cannot_be_made_is_1(tmp_path: Path) -> None:
    """A file in the workspace's place is named."""
    async with _set_up(tmp_path) as (config, _):
        (tmp_path / "workspace").rmdir()
        (tmp_path / "workspace").touch()
        answer = await call(config, "check")
    assert answer.code == 1, answer
    assert [str(tmp_path / "workspace") in line for line in _get_failures(answer)] == [True]


async def test_a_key_that_others_may_read_is_2_with_the_command_that_mends_it(tmp_path: Path) -> None:
    """A private key with loose permissions is refused before anything is sent."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    (tmp_path / "id_ed25519").chmod(0o644)
    answer = await call(config, "check")
    assert answer.code == 2, answer
    (line,) = _get_failures(answer)
    assert "destinations.production.private_key" in line
    assert line.endswith(f"run: chmod 600 {tmp_path / 'id_ed25519'}")


async def test_another_host_key_is_3_and_says_that_somebody_may_stand_in_between(tmp_path: Path) -> None:
    """A receiver that shows a key which is not pinned is not logged in to; both fingerprints are told."""
    pinned = tmp_path / "pinned"
    pinned.write_text(f"127.0.0.1 {generate_host_key()}\n")
    async with _set_up(tmp_path, known_hosts=str(pinned)) as (config, sandbox):
        pinned.write_text(f"[127.0.0.1]:{sandbox.port} {generate_host_key()}\n")
        answer = await call(config, "check", "--connect")
    assert answer.code == 3, answer
    (line,) = _get_failures(answer)
    assert line.count("SHA256:") >= 2
    assert "somebody may stand in between" in line


async def test_a_key_that_the_receiver_does_not_know_is_3(tmp_path: Path) -> None:
    """A login that is refused names the user and the receiver."""
    config = await asyncio.to_thread(write_configuration, tmp_path)
    async with _set_up(tmp_path, private_key={"file": str(config.private_key)}) as (path, sandbox):
        answer = await call(path, "check", "--connect")
        username = sandbox.access.username
    assert answer.code == 3, answer
    (line,) = _get_failures(answer)
    assert f"{username}@127.0.0.1" in line


async def test_a_receiver_that_is_away_is_3_with_its_address(tmp_path: Path, closed_port: int) -> None:
    """Nobody listening there is told with host and port; everything on this machine is still looked at."""
    async with _set_up(tmp_path, port=closed_port) as (config, _):
        answer = await call(config, "check", "--connect")
    assert answer.code == 3, answer
    (line,) = _get_failures(answer)
    assert f"127.0.0.1:{closed_port}" in line
    assert sum(line.startswith("ok") for line in answer.out.splitlines()) >= 3


async def test_of_several_failures_the_highest_code_is_returned(tmp_path: Path, closed_port: int) -> None:
    """A missing folder and a receiver that is away: both are told, and 3 goes before 1."""
    async with _set_up(tmp_path, port=closed_port) as (config, _):
        (tmp_path / "staging").rmdir()
        answer = await call(config, "check", "--connect")
    assert (answer.code, len(_get_failures(answer))) == (3, 2), answer


async def test_an_encryption_key_is_told_with_its_expiry(tmp_path: Path) -> None:
    """With encryption the key's full fingerprint and its last day are shown."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        public_key = await asyncio.to_thread(sandbox.paths.openpgp_public_key.read_bytes)
        config = (await asyncio.to_thread(write_configuration, tmp_path, public_key=public_key)).path
    answer = await call(config, "check")
    assert answer.code == 0, answer
    assert any("OpenPGP key of production: " in line and "expires" in line for line in answer.out.splitlines())


async def test_a_receiver_that_shows_nothing_does_not_go_with_verify_required(tmp_path: Path) -> None:
    """Found out before the first file: the setting that would help is named, and with it the check is good."""
    with run_paramiko(tmp_path / "receiver", files=DropBox) as receiver:
        found = receiver.get_destination()
        line = {
            "port": found.port,
            "username": found.username,
            "private_key": {"file": str(receiver.private_key)},
            "host_keys": list(found.host_keys),
            "known_hosts": None,
        }
        written = await asyncio.to_thread(write_configuration, tmp_path, {"destinations": {"production": line}})
        answer = await call(written.path, "check", "--connect")
        assert (answer.code, "verify: best_effort" in answer.out) == (3, True), answer.out
        line["verify"] = "never"
        written = await asyncio.to_thread(write_configuration, tmp_path, {"destinations": {"production": line}})
        assert (await call(written.path, "check", "--connect")).code == 0
