"""What the sandbox knows after it was stopped, killed or left by a sender."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
import yaml

from sftp_orchestrator.config import loading
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import Paths, Traits
from tests.support.configuration import get_values, write_values
from tests.support.openssh import make_key, read_public_key
from tests.support.paramiko_client import open_client, put
from tests.support.sandboxes import EVENTS, encrypt, list_decisions, make_manifest, make_sandbox, send, use

START_SECONDS = 30


def leave(sandbox: Sandbox, name: str, content: bytes) -> None:
    """Write ``content`` under ``name``, and cut the line instead of closing the file."""
    access = sandbox.access
    assert access.private_key is not None
    with open_client(access.port, sandbox.host_public_key, access.private_key) as client:
        stream = client.open(name, "wb")
        stream.write(content)
        stream.flush()
        channel = client.get_channel()
        assert channel is not None
        channel.get_transport().close()
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            stream.close()


async def leave_and_wait(sandbox: Sandbox, closed: asyncio.Event, name: str, content: bytes) -> None:
    """Cut an upload, and wait until the sandbox has noticed and decided."""
    closed.clear()
    await asyncio.to_thread(leave, sandbox, name, content)
    await closed.wait()
    await sandbox.wait_until_idle()


async def test_keys_are_kept(tmp_path: Path) -> None:
    """What was made at the first start is there at the second."""
    found: list[list[bytes]] = []
    for _ in range(2):
        async with make_sandbox(tmp_path / "s") as sandbox:
            paths = sandbox.paths
            files = (paths.host_key, paths.client_key, paths.openpgp_public_key, paths.key_id)
            found.append([file.read_bytes() for file in files])
            assert str(sandbox.port) in paths.known_hosts.read_text()
    assert found[0] == found[1]


async def test_the_log_goes_on(tmp_path: Path) -> None:
    """The sequence rises over restarts."""
    for name in ("a", "b"):
        async with make_sandbox(tmp_path / "s") as sandbox:
            await send(sandbox, name)
    entries = read_activity(Paths(root=tmp_path / "s").activity)
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert [entry.details["data"] for entry in entries if entry.event is Event.TAKEN] == ["a.csv", "b.csv"]


async def test_stopped_in_mid_work(tmp_path: Path) -> None:
    """What came but was not looked at to the end is looked at after the restart, in its order, once."""
    content = b"evtName,ts,identity\n" + b"Sold,1700000000,somebody\n" * 1_000_000
    sandbox = make_sandbox(tmp_path / "s")
    await sandbox.start()
    armored = encrypt(sandbox.paths, content, tmp_path)

    def upload() -> None:
        assert sandbox.access.private_key is not None
        with open_client(sandbox.port, sandbox.host_public_key, sandbox.access.private_key) as client:
            put(client, "big.csv.asc", armored)
            put(client, "small.csv", EVENTS)
            put(client, "z.manifest", make_manifest("big.csv.asc", keyId=sandbox.key_id))
            put(client, "a.manifest", make_manifest("small.csv"))

    await asyncio.to_thread(upload)
    await sandbox.stop()
    assert list_decisions(sandbox.paths.activity) == []
    assert read_activity(sandbox.paths.activity)[-1].event is Event.STOPPED
    assert list(sandbox.paths.work.iterdir()) == []
    async with make_sandbox(tmp_path / "s") as sandbox:
        await sandbox.wait_until_idle()
    async with make_sandbox(tmp_path / "s") as sandbox:
        await sandbox.wait_until_idle()
    decisions = list_decisions(sandbox.paths.activity)
    assert [(entry.event, entry.details["data"]) for entry in decisions] == [
        (Event.TAKEN, "big.csv.asc"),
        (Event.TAKEN, "small.csv"),
    ]


async def test_a_session_ends_with_the_sandbox(tmp_path: Path) -> None:
    """An upload that is under way at the stop is noted as cut, before the stop is noted."""
    sandbox = make_sandbox(tmp_path / "s")
    await sandbox.start()
    opened, ended = threading.Event(), threading.Event()

    def upload() -> None:
        assert sandbox.access.private_key is not None
        with open_client(sandbox.port, sandbox.host_public_key, sandbox.access.private_key) as client:
            stream = client.open("a.csv", "wb")
            stream.write(b"half")
            stream.flush()
            opened.set()
            ended.wait()
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                stream.close()

    uploading = asyncio.create_task(asyncio.to_thread(upload))
    await asyncio.to_thread(opened.wait)
    await sandbox.stop()
    ended.set()
    await uploading
    closed, stopped = read_activity(sandbox.paths.activity)[-2:]
    assert (closed.event, closed.details) == (Event.CLOSED, {"name": "a.csv", "size": 4, "complete": False})
    assert stopped.event is Event.STOPPED


async def test_files_from_before_a_crash(tmp_path: Path) -> None:
    """Files that a crash kept out of the log count as cut uploads, and their manifests are looked at."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        inbox = sandbox.paths.inbox
    (inbox / "a.csv").write_bytes(EVENTS)
    (inbox / "a.manifest").write_bytes(make_manifest("a.csv"))
    async with make_sandbox(tmp_path / "s") as sandbox:
        await sandbox.wait_until_idle()
        (taken,) = list_decisions(sandbox.paths.activity)
    assert (taken.event, taken.details["violations"]) == (Event.TAKEN, ["data_upload_was_cut"])


@pytest.mark.parametrize("remembers", [False, True])
async def test_a_cut_manifest(tmp_path: Path, remembers: bool) -> None:  # noqa: FBT001 - parametrized
    """Half a manifest is met with silence, and its name is free unless the receiver remembers; a whole one counts."""
    closed = asyncio.Event()
    sandbox = make_sandbox(tmp_path / "s", traits=Traits(remembers_cut_manifests=remembers))
    listening = Sandbox(sandbox.settings, listener=lambda entry: closed.set() if entry.event is Event.CLOSED else None)
    async with listening as sandbox:
        whole = make_manifest("a.csv")
        await use(sandbox, lambda client: put(client, "a.csv", EVENTS))
        await leave_and_wait(sandbox, closed, "a.manifest", whole[:20])
        await use(sandbox, lambda client: put(client, "a.manifest", whole))
        await leave_and_wait(sandbox, closed, "b.manifest", whole)
        ignored, again, cut = list_decisions(sandbox.paths.activity)
    assert ignored.event is Event.MANIFEST_IGNORED
    assert again.event is (Event.REFUSED if remembers else Event.TAKEN)
    assert cut.event is Event.TAKEN


async def test_cut_data(tmp_path: Path) -> None:
    """Data whose upload was cut is taken as it is, for the receiver cannot know, and that is noted."""
    closed = asyncio.Event()
    sandbox = make_sandbox(tmp_path / "s")
    listening = Sandbox(sandbox.settings, listener=lambda entry: closed.set() if entry.event is Event.CLOSED else None)
    async with listening as sandbox:
        await leave_and_wait(sandbox, closed, "a.csv", EVENTS[:-10])
        await use(sandbox, lambda client: put(client, "a.manifest", make_manifest("a.csv")))
        (taken,) = list_decisions(sandbox.paths.activity)
    assert (taken.event, taken.details["violations"]) == (Event.TAKEN, ["data_upload_was_cut"])


def export_private_key(home: Path) -> bytes:
    """Return the private key in the GNUPGHOME ``home``, and end the agent that gave it out."""
    command = ["gpg", "--homedir", str(home), "--batch", "--armor", "--export-secret-keys"]
    exported = subprocess.run(command, check=True, capture_output=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
    return exported


async def test_a_given_openpgp_key(tmp_path: Path) -> None:
    """A private key may be given with the id that manifests name it by; it leaves no agent behind."""
    async with make_sandbox(tmp_path / "other") as other:
        home = other.paths.gnupg_home
    key = tmp_path / "private.asc"
    key.write_bytes(await asyncio.to_thread(export_private_key, home))
    settings = {"openpgp_private_key": key, "key_id": "ec491319-9823-48cd-b6a1-6bb0bc666d75"}
    for name in ("a", "b"):
        async with make_sandbox(tmp_path / "s", **settings) as sandbox:
            assert sandbox.paths.openpgp_public_key.read_bytes() == other.paths.openpgp_public_key.read_bytes()
            armored = encrypt(sandbox.paths, EVENTS, tmp_path)
            taken = await send(sandbox, name, armored, suffix=".csv.asc", keyId=settings["key_id"])
            assert taken.event is Event.TAKEN
        assert not list(sandbox.paths.keys.rglob("S.gpg-agent"))


@contextlib.contextmanager
def running(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command as a process; give it and what it said until it was ready."""
    command = [sys.executable, "-m", "sftp_orchestrator", "sandbox", "--root", str(root), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("sandbox is ready on 127.0.0.1:"):
                break
        try:
            yield process, said
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command(tmp_path: Path, number: signal.Signals) -> None:
    """The command says all that is needed to send to it, and a signal ends it with exit code 0."""
    with running(tmp_path / "s") as (process, said):
        snippet = said[said.index("destinations:") : said.index("sandbox is ready")]
        destination = yaml.safe_load(snippet)["destinations"]["sandbox"]
        known_hosts = paramiko.HostKeys(destination["known_hosts"])
        (shown,) = known_hosts[f"[127.0.0.1]:{destination['port']}"].values()
        key = Path(destination["private_key"]["file"])
        host_key = f"{shown.get_name()} {shown.get_base64()}"
        with open_client(destination["port"], host_key, key, destination["username"]) as client:
            put(client, "a.csv", EVENTS)
        assert destination["encryption"]["key_id"]
        assert Path(destination["encryption"]["public_key"]["file"]).read_text().startswith("-----BEGIN PGP PUBLIC KEY")
        process.send_signal(number)
        assert process.wait(START_SECONDS) == 0
    assert read_activity(Paths(root=tmp_path / "s").activity)[-1].event is Event.STOPPED


def test_the_command_with_limits_and_keys(tmp_path: Path) -> None:
    """Limits and keys may be given; the snippet has the limits, and says which private key the reader has to name."""
    key = make_key(tmp_path / "mine")
    authorized = tmp_path / "authorized_keys"
    authorized.write_text(read_public_key(key))
    options = ["--authorized-keys", str(authorized), "--plain-bytes", "5000", "--encrypted-bytes", "6000"]
    with running(tmp_path / "s", *options, "--username", "me") as (process, said):
        snippet = said[said.index("destinations:") : said.index("sandbox is ready")]
        destination = yaml.safe_load(snippet)["destinations"]["sandbox"]
        assert destination["limits"] == {"plain_bytes": 5000, "encrypted_bytes": 6000}
        assert (destination["username"], destination["private_key"]) == ("me", {"file": "/path/to/your/private_key"})
        asked = f"    # put in the path of the private key whose public half is in {authorized}:\n    private_key:\n"
        assert asked in snippet
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) == 0


def test_what_the_command_prints_is_pasted_as_it_stands(tmp_path: Path) -> None:
    """In place of the destinations of a configuration it loads, with the private key beside the public one given."""
    key = make_key(tmp_path / "mine")
    with running(tmp_path / "s", "--authorized-keys", f"{key}.pub") as (process, said):
        pasted = said[said.index("# For your configuration.") : said.index("sandbox is ready")]
        process.send_signal(signal.SIGTERM)
        assert process.wait(START_SECONDS) == 0
    values = {name: value for name, value in get_values().items() if name != "destinations"}
    path = write_values(tmp_path, values)
    path.write_text(f"{path.read_text(encoding='utf-8')}{pasted}", encoding="utf-8")
    configuration = loading.load(path)
    assert {configuration.get_destination_name(feed) for feed in configuration.feeds} == {"sandbox"}
    assert configuration.destinations["sandbox"].private_key.file == key
    for words in ("take `destination` out of the feeds", "`destination: sandbox` in each feed"):
        assert words in pasted
