"""An SFTP client of another make: to look at what a receiver holds, and to send to it as anybody might."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko

LOGIN_SECONDS = 20


@contextlib.contextmanager
def open_transport(port: int, host_key: str) -> Iterator[paramiko.Transport]:
    """Give a connection to 127.0.0.1 that nobody has logged in on; ``host_key`` is ``<algorithm> <base64>``."""
    connected = socket.create_connection(("127.0.0.1", port), LOGIN_SECONDS)
    # paramiko leaves Nagle's algorithm on: each write would wait 40 ms for an acknowledgement.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport = paramiko.Transport(connected)
    try:
        transport.start_client(timeout=LOGIN_SECONDS)
        shown = transport.get_remote_server_key()
        assert f"{shown.get_name()} {shown.get_base64()}" == host_key
        yield transport
    finally:
        transport.close()


@contextlib.contextmanager
def open_client(port: int, host_key: str, private_key: Path, username: str = "test") -> Iterator[paramiko.SFTPClient]:
    """Give an SFTP session on 127.0.0.1, logged in with the Ed25519 key in ``private_key``."""
    with open_transport(port, host_key) as transport:
        transport.auth_publickey(username, paramiko.Ed25519Key.from_private_key_file(str(private_key)))
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client:
            yield client


def put(client: paramiko.SFTPClient, name: str, content: bytes) -> None:
    """Write ``content`` under ``name``; it is closed when this returns."""
    with client.open(name, "wb") as stream:
        stream.write(content)


def get(client: paramiko.SFTPClient, name: str) -> bytes:
    """Return what lies under ``name``."""
    with client.open(name, "rb") as stream:
        return stream.read()


def list_sizes(client: paramiko.SFTPClient, folder: str = ".") -> dict[str, int]:
    """Return the names in ``folder`` and their sizes in bytes."""
    return {found.filename: found.st_size or 0 for found in client.listdir_attr(folder)}
