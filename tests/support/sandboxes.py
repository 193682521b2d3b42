"""Sandboxes for tests, with keys that are made quickly, and a careful sender to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import paramiko

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.sandbox.activity import Entry, Event, read_activity
from sftp_orchestrator.sandbox.judging import Clock
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import CURVE_25519, Paths, Settings, Traits
from sftp_orchestrator.sandbox.snippet import Access
from tests.support.paramiko_client import open_client, put
from tests.support.receivers import make_destination

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


@dataclass(frozen=True, kw_only=True)
class SandboxReceiver:
    """A sandbox that runs in a thread of its own, as one of the receivers that tests deliver to."""

    root: Path
    """its login folder"""
    activity: Path
    access: Access
    host_key: str
    wait_until_idle: Callable[[], None]
    """returns once something is decided about all that was sent"""

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self.access.port

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides,
            port=self.port,
            username=self.access.username,
            private_key={"file": self.access.private_key},
            host_key=self.host_key,
        )


@contextlib.contextmanager
def run_sandbox(folder: Path, *, authorized_keys: Path | None = None, **traits: Any) -> Iterator[SandboxReceiver]:
    """Run a sandbox with ``traits`` for the time of the context with its files in ``folder``, which need not exist."""
    sandbox = make_sandbox(folder, traits=Traits(**traits), authorized_keys=authorized_keys)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sandbox")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result()
        yield SandboxReceiver(
            root=sandbox.paths.inbox,
            activity=sandbox.paths.activity,
            access=sandbox.access,
            host_key=sandbox.host_public_key,
            wait_until_idle=lambda: asyncio.run_coroutine_threadsafe(sandbox.wait_until_idle(), loop).result(),
        )
    finally:
        asyncio.run_coroutine_threadsafe(sandbox.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
