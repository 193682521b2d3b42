"""Ports of this machine that nobody listens on."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port where nobody listens, kept from everybody else for the time of the test."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def find_free_port() -> int:
    """Return a port to listen on, for a process that cannot be asked which one it chose."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])
