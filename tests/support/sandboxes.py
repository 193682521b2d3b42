"""Sandboxes for tests, with keys that are made quickly, and a careful sender to them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import paramiko

from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.judging import Clock
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Paths, Settings
from tests.support.paramiko_client import open_client, put

Result = TypeVar("Result")
EVENTS = b"evtName,ts,identity\nSold,1700000000,a\nSold,1700000001,b\n"
PROFILES = b"identity,Name\na,Ada\n"


def make_sandbox(root: Path, **settings: Any) -> Sandbox:
    """Return a sandbox that is not started yet; ``clock`` is what it takes for the time."""
    clock: Clock = settings.pop("clock", time.time)
    return Sandbox(Settings(root=root, openpgp_algorithm=CURVE_25519, **settings), clock=clock)


async def use(sandbox: Sandbox, action: Callable[[paramiko.SFTPClient], Result]) -> Result:
    """Do ``action`` in a thread with a session of its own, wait for what is decided about it, and return its result."""

    def run() -> Result:
        access = sandbox.access
        assert access.private_key is not None
        with open_client(access.port, sandbox.host_public_key, access.private_key, access.username) as client:
            return action(client)

    result = await asyncio.to_thread(run)
    await sandbox.wait_until_idle()
    return result


def make_manifest(data: str, *, type: str = "event", **changes: Any) -> bytes:  # noqa: A002 - the manifest's own word
    """Return a manifest for the file ``data`` that is valid but for ``changes``."""
    document = {"fileName": data, "type": type, "clientEmail": "data-team@example.com", **changes}
    return json.dumps(document).encode()


async def send(sandbox: Sandbox, name: str, content: bytes = EVENTS, **changes: Any) -> Entry:
    """Send ``<name>.csv`` (or what ``suffix`` says) and its manifest; return what was decided about it."""
    data = name + changes.pop("suffix", ".csv")

    def upload(client: paramiko.SFTPClient) -> None:
        put(client, data, content)
        put(client, f"{name}.manifest", make_manifest(data, **changes))

    await use(sandbox, upload)
    return list_decisions(sandbox.paths.activity)[-1]


def list_decisions(activity: Path) -> list[Entry]:
    """Return what was decided about manifests, in order."""
    decisions = {Event.TAKEN, Event.REFUSED, Event.MANIFEST_IGNORED}
    return [entry for entry in read_activity(activity) if entry.event in decisions]


def encrypt(paths: Paths, content: bytes, scratch: Path) -> bytes:
    """Return ``content`` as gpg encrypts and armors it to the sandbox's key."""
    home = scratch / "gnupg-of-sender"
    home.mkdir(mode=0o700, exist_ok=True)
    key = ["--recipient-file", str(paths.openpgp_public_key)]
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--armor", "--encrypt", *key]
    return subprocess.run(command, input=content, check=True, capture_output=True).stdout
