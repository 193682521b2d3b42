"""The receivers that the contract suite runs against, and small contents to send them."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.deliver.sftp import SftpRemote, connect
from tests.support.openssh import DENYING, run_openssh
from tests.support.paramiko_server import ReadOnlyFiles, run_paramiko
from tests.support.proftpd import run_proftpd
from tests.support.rclone import run_rclone
from tests.support.receivers import Receiver
from tests.support.sandboxes import run_sandbox
from tests.support.tables import Table

Note = Callable[[str, str], None]
Runner = Callable[[Path], AbstractContextManager[Receiver]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of receiver, and what it is known not to do."""

    title: str
    """as people know it"""
    run: Runner
    run_read_only: Runner | None = None
    """the same refusing every write, where it can be told to"""
    shows: bool = True
    """the size of what was put; else it needs ``verify: best_effort``"""
    removes: bool = True
    renames: bool = True
    overwrites: bool = False
    """a rename onto what is there, instead of refusing it"""
    looks: bool = True
    """answers what there is of a name, though it may show nothing; else permission denied"""
    says_denied: bool = True
    """says "permission denied" where a write is refused, instead of "failure", which may go away"""


KINDS = {
    "openssh": Kind(
        title="OpenSSH",
        run=run_openssh,
        run_read_only=lambda folder: run_openssh(folder, sftp_arguments=["-R"]),
    ),
    "openssh_denying": Kind(
        title="OpenSSH, denying setstat, rename and fsync, as in front of an object store",
        run=lambda folder: run_openssh(folder, sftp_arguments=DENYING),
        run_read_only=lambda folder: run_openssh(folder, sftp_arguments=[*DENYING, "-R"]),
        renames=False,
    ),
    "paramiko": Kind(
        title="paramiko's server",
        run=run_paramiko,
        run_read_only=lambda folder: run_paramiko(folder, files=ReadOnlyFiles),
    ),
    "proftpd": Kind(
        title="ProFTPD mod_sftp",
        run=run_proftpd,
        run_read_only=lambda folder: run_proftpd(folder, read_only=True),
    ),
    "rclone": Kind(
        title="`rclone serve sftp`",
        run=run_rclone,
        run_read_only=lambda folder: run_rclone(folder, read_only=True),
        overwrites=True,
        says_denied=False,
    ),
    "sandbox": Kind(title="the sandbox", run=run_sandbox),
    "sandbox_one_connection": Kind(
        title="the sandbox, one connection only", run=lambda folder: run_sandbox(folder, most_connections=1)
    ),
    "sandbox_vanishing": Kind(
        title="the sandbox as a drop box: a file vanishes at its close",
        run=lambda folder: run_sandbox(folder, hides_uploads=True),
        shows=False,
        removes=False,
        renames=False,
    ),
    "sandbox_write_only": Kind(
        title="the sandbox, strictly write-only",
        run=lambda folder: run_sandbox(folder, write_only=True),
        looks=False,
        shows=False,
        removes=False,
        renames=False,
    ),
}
"""Every receiver that the contract suites run against."""


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


@dataclass(frozen=True, kw_only=True)
class Running:
    """A receiver that runs, and what is known of its kind."""

    kind: Kind
    receiver: Receiver


@pytest.fixture(scope="module", params=list(KINDS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Each receiver in turn, kept over the tests of a module."""
    kind = KINDS[request.param]
    with kind.run(tmp_path_factory.mktemp("receiver") / "receiver") as receiver:
        yield Running(kind=kind, receiver=receiver)


@pytest.fixture
def receiver(running: Running) -> Receiver:
    """Each receiver in turn, and nothing lies there."""
    for path in running.receiver.root.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return running.receiver


@pytest.fixture
def kind(running: Running) -> Kind:
    """What is known of that receiver."""
    return running.kind


@pytest.fixture
def note(kind: Kind, receivers_table: Table) -> Note:
    """Notes in the table of receivers what is seen of this one: under a column, in a few words."""
    return lambda column, seen: receivers_table.note(kind.title, column, seen)


@pytest.fixture(scope="module", params=[name for name, one in KINDS.items() if one.run_read_only is not None])
def read_only(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Each receiver in turn that can be told to refuse every write."""
    kind = KINDS[request.param]
    assert kind.run_read_only is not None
    with kind.run_read_only(tmp_path_factory.mktemp("receiver") / "receiver") as receiver:
        yield Running(kind=kind, receiver=receiver)
