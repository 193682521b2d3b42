"""``check`` before the first file is sent: what is in place, and each thing that is not, in one line and a code."""

from __future__ import annotations

import asyncio
import datetime
import errno
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from sftp_orchestrator import health
from sftp_orchestrator.config import loading
from sftp_orchestrator.deliver.credentials import get_fingerprint
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.configuration import generate_host_key, write_configuration
from tests.support.disks import Disk
from tests.support.openssh import make_key
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


def _get_lines(answer: Answer, subject: str) -> list[str]:
    return [line for line in answer.out.splitlines() if re.match(rf"\w+ +{re.escape(subject)}: ", line)]


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


async def test_a_rename_that_works_is_not_worth_a_line_and_leaves_nothing(tmp_path: Path) -> None:
    """Staging and workspace on one file system: nothing is said, and the file that was tried with is gone."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    answer = await call(config, "check")
    assert (answer.code, "file systems" in answer.out) == (0, False), answer
    assert list((tmp_path / "staging").iterdir()) == []
    assert [path.name for path in (tmp_path / "workspace").iterdir() if path.is_file()] == []


async def test_staging_on_another_file_system_is_worth_a_line(tmp_path: Path) -> None:
    """Each file is copied then: said before the first one comes."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sftp-orchestrator-") as staging:
        written = await asyncio.to_thread(write_configuration, tmp_path, {"staging": staging})
        answer = await call(written.path, "check")
        assert await asyncio.to_thread(os.listdir, staging) == []
    (line,) = (line for line in answer.out.splitlines() if "file systems" in line)
    assert (answer.code, line.startswith("warning")) == (0, True), answer


def test_two_mounts_of_one_file_system_are_told_by_a_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two Docker volumes on one disk have the same device, and a rename fails all the same; only trying it tells."""
    written = write_configuration(tmp_path)
    configuration = written.configuration
    assert configuration.staging.stat().st_dev == configuration.workspace.stat().st_dev
    monkeypatch.setattr(os, "rename", _refuse_to_cross)
    results = {result.subject: result for result in health.check_machine(configuration, written.path)}
    assert results["file systems"].is_warning
    assert "each file is copied" in results["file systems"].said
    assert list(configuration.staging.iterdir()) == []


def _refuse_to_cross(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


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


async def test_a_workspace_that_is_read_only_hides_nothing_else(
    tmp_path: Path, disk: Disk, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ledger, space, OpenPGP key and receiver are looked at all the same, and every fault is told at once."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        public_key = await asyncio.to_thread(sandbox.paths.openpgp_public_key.read_bytes)
    workspace = disk.root / "workspace"
    overrides = {"workspace": str(workspace), "destinations": {"production": {"port": closed_port}}}
    written = await asyncio.to_thread(write_configuration, tmp_path, overrides, public_key=public_key)
    scratch = tmp_path / "scratch"
    await asyncio.to_thread(scratch.mkdir)
    monkeypatch.setenv("TMPDIR", str(scratch))
    assert (await call(written.path, "check")).code == 0
    await asyncio.to_thread((tmp_path / "staging").rmdir)
    with disk.turned_read_only():
        answer = await call(written.path, "check", "--connect")
    assert answer.code == 3, answer
    failed = [line.split(":")[0].removeprefix("FAILED").strip() for line in _get_failures(answer)]
    assert failed == ["staging", "workspace", "destination production"]
    (line,) = _get_lines(answer, "workspace")
    assert f"{workspace}: Read-only file system; mount its file system writable, or set workspace" in line
    for subject in ("SSH key of production", "OpenPGP key of production", "ledger"):
        assert [line.startswith("ok") for line in _get_lines(answer, subject)] == [True], subject
    assert _get_lines(answer, "space")
    assert await asyncio.to_thread(os.listdir, scratch) == []


async def test_a_key_that_others_may_read_is_2_with_the_command_that_mends_it(tmp_path: Path) -> None:
    """A private key with loose permissions is refused before anything is sent."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    (tmp_path / "id_ed25519").chmod(0o644)
    answer = await call(config, "check")
    assert answer.code == 2, answer
    (line,) = _get_failures(answer)
    assert "destinations.production.private_key" in line
    assert line.endswith(f"run: chmod 600 {tmp_path / 'id_ed25519'}")


async def test_a_key_that_is_missing_is_2_with_the_command_that_makes_it(tmp_path: Path) -> None:
    """Who has no key yet learns how to make one, and that it must be registered; it is told once."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    (tmp_path / "id_ed25519").unlink()
    answer = await call(config, "check")
    assert answer.code == 2, answer
    (line,) = _get_failures(answer)
    assert f"run: ssh-keygen -t ed25519 -N '' -f {tmp_path / 'id_ed25519'}, and register its .pub" in line


async def test_a_key_that_cannot_be_used_is_2_without_asking_the_receiver(tmp_path: Path) -> None:
    """A public key in the private one's place, and a locked one without its passphrase, are found out offline."""
    key = await asyncio.to_thread(make_key, tmp_path / "locked", passphrase="open sesame")
    places = {key: "it is locked with a passphrase", key.with_name("locked.pub"): "it is a public key"}
    for path, cause in places.items():
        path.chmod(0o600)
        changes = {"destinations": {"production": {"private_key": {"file": str(path)}}}}
        config = (await asyncio.to_thread(write_configuration, tmp_path, changes)).path
        answer = await call(config, "check")
        assert answer.code == 2, answer
        (line,) = _get_failures(answer)
        assert re.match(r"FAILED +SSH key of production: read destinations\.production\.private_key ", line), line
        assert cause in line


async def test_a_locked_key_opens_with_its_passphrase_and_is_shown(tmp_path: Path) -> None:
    """The fingerprint is that of the key which must be registered."""
    key = await asyncio.to_thread(make_key, tmp_path / "locked", passphrase="open sesame")
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("open sesame\n")
    passphrase.chmod(0o600)
    secrets = {"private_key": {"file": str(key)}, "private_key_passphrase": {"file": str(passphrase)}}
    written = await asyncio.to_thread(write_configuration, tmp_path, {"destinations": {"production": secrets}})
    answer = await call(written.path, "check")
    assert answer.code == 0, answer
    assert f"SSH key of production: {get_fingerprint(asyncssh.read_public_key(f'{key}.pub'))}\n" in answer.out


async def test_the_ledger_is_looked_at_and_not_made(tmp_path: Path) -> None:
    """Where SQLite would lie is told with the kind of its file system; no ledger is made, nor an old one changed."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    ledger = tmp_path / "workspace" / "ledger.db"
    answer = await call(config, "check")
    assert answer.code == 0, answer
    (line,) = _get_lines(answer, "ledger")
    assert re.search(rf"{ledger}, SQLite on \w+; the first start makes it$", line), line
    assert not ledger.exists()
    assert (await call(config, "status")).code == 0
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    before = ledger.read_bytes()
    (line,) = _get_lines(await call(config, "check"), "ledger")
    assert line.endswith("; up to date")
    assert ledger.read_bytes() == before


async def test_a_ledger_elsewhere_that_is_away_is_1_without_its_password(tmp_path: Path, closed_port: int) -> None:
    """A PostgreSQL that does not answer is found out, and the setting is named."""
    url = f"postgresql://someone:hunter2@127.0.0.1:{closed_port}/ledger"
    config = (await asyncio.to_thread(write_configuration, tmp_path, {"ledger": {"url": url}})).path
    answer = await call(config, "check")
    assert answer.code == 1, answer
    (line,) = _get_failures(answer)
    assert f"use ledger postgresql://someone:***@127.0.0.1:{closed_port}/ledger: " in line
    assert f"port {closed_port} failed: Connection refused; check ledger.url" in line
    assert "hunter2" not in answer.out + answer.errors


async def test_files_that_others_may_write_are_warned_of(tmp_path: Path) -> None:
    """Who can change the configuration, the pins or the public key decides who gets the data; it is still 0."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        public_key = await asyncio.to_thread(sandbox.paths.openpgp_public_key.read_bytes)
        config = (await asyncio.to_thread(write_configuration, tmp_path, public_key=public_key)).path
    loose = (config, tmp_path / "known_hosts", tmp_path / "clevertap.pub.asc")
    for path in loose:
        path.chmod(0o666)
    answer = await call(config, "check")
    assert answer.code == 0, answer
    warnings = [line for line in answer.out.splitlines() if line.startswith("warning")]
    for path in loose:
        assert any(line.endswith(f"let others write to it; run: chmod go-w {path}") for line in warnings), answer.out


async def test_a_password_that_everybody_may_read_is_warned_of(tmp_path: Path, closed_port: int) -> None:
    """The configuration may hold the ledger's: then nobody but its owner and group may read it."""
    url = f"postgresql://someone:hunter2@127.0.0.1:{closed_port}/ledger"
    config = (await asyncio.to_thread(write_configuration, tmp_path, {"ledger": {"url": url}})).path
    for mode, warned in ((0o644, 1), (0o640, 0)):
        config.chmod(mode)
        answer = await call(config, "check")
        lines = [line for line in answer.out.splitlines() if f"run: chmod o-r {config}" in line]
        assert [line.startswith("warning") for line in lines] == [True] * warned, answer.out
        assert "hunter2" not in answer.out + answer.errors


async def test_a_workspace_that_others_may_read_is_closed_and_told_of(tmp_path: Path) -> None:
    """It holds people's data: its permissions are put right, and that they were not is told once."""
    config = (await asyncio.to_thread(write_configuration, tmp_path)).path
    workspace = tmp_path / "workspace"
    workspace.chmod(0o755)
    first, second = await call(config, "check"), await call(config, "check")
    assert (first.code, second.code) == (0, 0), (first, second)
    (warned,) = _get_lines(first, "workspace")
    assert warned.startswith("warning")
    assert warned.endswith(f"{workspace}: others could look into it (0755); its permissions are 0700 now")
    assert stat.S_IMODE(workspace.stat().st_mode) == 0o700
    assert _get_lines(second, "workspace") == [f"ok  workspace: {workspace}"]


async def test_another_host_key_is_3_and_says_that_somebody_may_stand_in_between(tmp_path: Path) -> None:
    """A receiver that shows a key which is not pinned is not logged in to; both fingerprints are told.

    Whenever it took files last: a line that is blamed would lead away from it.
    """
    pinned = tmp_path / "pinned"
    pinned.write_text(f"127.0.0.1 {generate_host_key()}\n")
    async with _set_up(tmp_path, known_hosts=str(pinned)) as (config, sandbox):
        pinned.write_text(f"[127.0.0.1]:{sandbox.port} {generate_host_key()}\n")
        answer = await call(config, "check", "--connect")
        destination = (await asyncio.to_thread(loading.load, config)).destinations["production"]
        now = datetime.datetime.now(datetime.UTC)
        result = await health.check_receiver("production", destination, took_until=now)
    assert answer.code == 3, answer
    (line,) = _get_failures(answer)
    assert line.count("SHA256:") >= 2
    assert "somebody may stand in between" in line
    assert "somebody may stand in between" in result.said
    assert "it took files until" not in result.said


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


async def test_a_receiver_that_took_files_until_recently_is_told_so(tmp_path: Path) -> None:
    """Whoever asks looks at the line first, and not at settings that were right."""
    async with _set_up(tmp_path) as (config, _):
        rows = "event_name,time_stamp,user_id\nSold,1700000000,u\n"
        (tmp_path / "staging" / "purchases.csv").write_text(rows, encoding="utf-8")
        assert (await call(config, "run", "--once")).code == 0
    answer = await call(config, "check", "--connect")
    (line,) = _get_failures(answer)
    assert re.search(r"; it took files until \d+ (s|min) ago: look at the line and the receiver first$", line), line


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
    (line,) = _get_lines(answer, "OpenPGP key of production")
    assert re.search(r": [0-9A-F]{40}, (expires on \d{4}-\d\d-\d\d, in \d+ days|never expires)$", line), line


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
        answer = await call(written.path, "check", "--connect")
        left = [path.name for path in receiver.root.iterdir()]
    assert answer.code == 0, answer
    (told,) = _get_lines(answer, "destination production")
    assert told.startswith("warning")
    assert any(told.endswith(f"; it could not be removed: {name} lies there") for name in left)
