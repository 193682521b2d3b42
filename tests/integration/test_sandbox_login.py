"""Who may log in to the sandbox, and for what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from tests.support.openssh import make_key, read_public_key
from tests.support.paramiko_client import open_client, open_transport
from tests.support.sandboxes import make_sandbox, use


def log_in(sandbox: Sandbox, private_key: Path, username: str) -> list[str]:
    """Log in and return what lies in the login folder."""
    with open_client(sandbox.port, sandbox.host_public_key, private_key, username) as client:
        return client.listdir()


async def with_transport(sandbox: Sandbox, action: Callable[[paramiko.Transport], None]) -> None:
    """Do ``action`` in a thread with a connection that nobody has logged in on."""

    def run() -> None:
        with open_transport(sandbox.port, sandbox.host_public_key) as transport:
            action(transport)

    await asyncio.to_thread(run)


async def test_the_key_that_was_made(tmp_path: Path) -> None:
    """The key that lies ready opens the door under any user name, and the log tells which."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        assert await use(sandbox, lambda client: client.listdir()) == []
        assert await asyncio.to_thread(log_in, sandbox, sandbox.paths.client_key, "1000000000") == []
        entries = read_activity(sandbox.paths.activity)
    assert [entry.details for entry in entries if entry.event is Event.LOGIN] == [
        {"username": "sandbox"},
        {"username": "1000000000"},
    ]


async def test_another_key(tmp_path: Path) -> None:
    """Another key opens nothing."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        with pytest.raises(paramiko.AuthenticationException):
            await asyncio.to_thread(log_in, sandbox, make_key(tmp_path / "other"), "sandbox")


async def test_no_passwords(tmp_path: Path) -> None:
    """A public key is the only way in."""

    def try_password(transport: paramiko.Transport) -> None:
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            transport.auth_password("sandbox", "sandbox", fallback=False)
        assert caught.value.allowed_types == ["publickey"]

    async with make_sandbox(tmp_path / "s") as sandbox:
        await with_transport(sandbox, try_password)


async def test_no_shell_no_commands_no_forwarding(tmp_path: Path) -> None:
    """Who is in gets SFTP and nothing else."""

    def try_all(transport: paramiko.Transport) -> None:
        key = paramiko.Ed25519Key.from_private_key_file(str(sandbox.paths.client_key))
        transport.auth_publickey("sandbox", key)
        for attempt in ("invoke_shell", "get_pty"):
            with pytest.raises(paramiko.SSHException):
                getattr(transport.open_session(), attempt)()
        for command in ("id", "scp -t ."):
            with pytest.raises(paramiko.SSHException):
                transport.open_session().exec_command(command)
        with pytest.raises(paramiko.ChannelException):
            transport.open_channel("direct-tcpip", ("127.0.0.1", sandbox.port), ("127.0.0.1", 1))

    async with make_sandbox(tmp_path / "s") as sandbox:
        await with_transport(sandbox, try_all)


async def test_one_username(tmp_path: Path) -> None:
    """Where a user name is given, the key is good for that one alone."""
    async with make_sandbox(tmp_path / "s", username="1000000000") as sandbox:
        assert sandbox.access.username == "1000000000"
        assert await asyncio.to_thread(log_in, sandbox, sandbox.paths.client_key, "1000000000") == []
        with pytest.raises(paramiko.AuthenticationException):
            await asyncio.to_thread(log_in, sandbox, sandbox.paths.client_key, "1000000001")


async def test_keys_of_ones_own(tmp_path: Path) -> None:
    """Host key and authorized keys may be given; then none are made, and another authorized key needs no restart."""
    mine, later, host = (make_key(tmp_path / name) for name in ("mine", "later", "host"))
    authorized = tmp_path / "authorized_keys"
    authorized.write_text(f"{read_public_key(mine)}\n")
    async with make_sandbox(tmp_path / "s", host_key=host, authorized_keys=authorized) as sandbox:
        assert sandbox.host_public_key == read_public_key(host)
        assert sandbox.access.private_key is None
        assert not sandbox.paths.client_key.exists()
        assert not sandbox.paths.host_key.exists()
        assert await asyncio.to_thread(log_in, sandbox, mine, "me") == []
        with pytest.raises(paramiko.AuthenticationException):
            await asyncio.to_thread(log_in, sandbox, later, "me")
        authorized.write_text(f"{read_public_key(mine)}\n{read_public_key(later)}\n")
        assert await asyncio.to_thread(log_in, sandbox, later, "me") == []


@pytest.mark.parametrize("setting", ["host_key", "authorized_keys", "openpgp_private_key"])
@pytest.mark.parametrize("content", [None, "nonsense\n"])
async def test_unusable_keys(tmp_path: Path, setting: str, content: str | None) -> None:
    """A key that is missing or none is named at start, and the folder is free again afterwards."""
    path = tmp_path / "given"
    if content is not None:
        path.write_text(content)
    settings = {setting: path, "key_id": "x" if setting == "openpgp_private_key" else None}
    with pytest.raises(errors.LocalFault, match=str(path)):
        await make_sandbox(tmp_path / "s", **settings).start()
    async with make_sandbox(tmp_path / "s"):
        pass


async def test_a_port_in_use(tmp_path: Path) -> None:
    """A port that somebody has is named, with the way out."""
    async with make_sandbox(tmp_path / "s") as sandbox:
        with pytest.raises(errors.LocalFault, match=f"127.0.0.1:{sandbox.port}.*--port 0"):
            await make_sandbox(tmp_path / "t", port=sandbox.port).start()


async def test_one_sandbox_a_folder(tmp_path: Path) -> None:
    """A second sandbox on the same folder is refused."""
    async with make_sandbox(tmp_path / "s"):
        with pytest.raises(errors.LocalFault, match="another sandbox"):
            await make_sandbox(tmp_path / "s").start()


async def test_key_and_key_id_belong_together(tmp_path: Path) -> None:
    """A key that manifests cannot name is of no use, nor a name without its key."""
    with pytest.raises(errors.ConfigurationError, match="give both"):
        await make_sandbox(tmp_path / "s", key_id="x").start()
