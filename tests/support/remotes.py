"""The receivers that the contract suite runs against, and small contents to send them."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.sftp import SftpRemote, connect
from tests.support.openssh import SPARSE, run_openssh
from tests.support.paramiko_server import Files, ReadOnlyFiles, run_paramiko
from tests.support.receivers import Receiver

RUNNERS: dict[str, Callable[[Path, bool], AbstractContextManager[Receiver]]] = {
    "openssh": lambda folder, read_only: run_openssh(folder, sftp_arguments=["-R"] if read_only else []),
    "openssh_sparse": lambda folder, read_only: run_openssh(
        folder, sftp_arguments=[*SPARSE, *(["-R"] if read_only else [])]
    ),
    "paramiko": lambda folder, read_only: run_paramiko(folder, files=ReadOnlyFiles if read_only else Files),
}
"""How to run each receiver in a folder; the second argument makes it refuse every write."""


class Bytes:
    """Content in memory; ``size`` may lie about it. ``streams`` are those that were opened."""

    def __init__(self, data: bytes, *, size: int | None = None) -> None:
        self.data = data
        self.size = len(data) if size is None else size
        self.streams: list[BinaryIO] = []

    def open(self) -> BinaryIO:
        """Return a new stream at the beginning."""
        self.streams.append(io.BytesIO(self.data))
        return self.streams[-1]


@asynccontextmanager
async def connected(destination: Destination) -> AsyncIterator[SftpRemote]:
    """Connect, and close afterwards."""
    remote = await connect(destination, "production")
    try:
        yield remote
    finally:
        await remote.close()


@pytest.fixture(params=sorted(RUNNERS))
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    """Each receiver in turn."""
    with RUNNERS[request.param](tmp_path / "receiver", False) as running:  # noqa: FBT003 - see RUNNERS
        yield running


@pytest.fixture(params=sorted(RUNNERS))
def read_only_receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Receiver]:
    """Each receiver in turn, refusing every write."""
    with RUNNERS[request.param](tmp_path / "receiver", True) as running:  # noqa: FBT003 - see RUNNERS
        yield running
