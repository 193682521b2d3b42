"""Asking for host keys: all that a server has, whatever it does when it is asked for one that it has not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncssh
import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.setting_up import host_keys
from sftp_orchestrator.setting_up.plan import make_receiver

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")


@contextlib.asynccontextmanager
async def _serve(*kinds: str) -> AsyncIterator[tuple[int, list[asyncssh.SSHKey]]]:
    keys = [asyncssh.generate_private_key(kind) for kind in kinds]
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=keys)
    try:
        yield server.get_port(), keys
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:1], KINDS[2:]])
async def test_every_kind_is_found(kinds: tuple[str, ...]) -> None:
    """The fingerprints of all keys, in the order in which they are asked for."""
    async with _serve(*kinds) as (port, keys):
        receiver = make_receiver(host="127.0.0.1", port=port, username="me")
        found = await host_keys.fetch_host_keys(receiver)
    assert [key.get_fingerprint() for key in found] == [key.get_fingerprint() for key in keys]


async def test_a_server_that_hangs_up_is_told(closed_port: int) -> None:
    """Nobody there, or a program that speaks no SSH: one error that names the address."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    other = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with other:
        for port in (closed_port, other.sockets[0].getsockname()[1]):
            receiver = make_receiver(host="127.0.0.1", port=port, username="me")
            with pytest.raises(errors.Failure, match=f"ask for the host key of 127.0.0.1:{port}: "):
                await host_keys.fetch_host_keys(receiver)
