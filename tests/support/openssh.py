"""A real OpenSSH server for tests, as a process of its own on 127.0.0.1."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Destination
from tests.support.receivers import make_destination

START_SECONDS = 20
STARTS = 5
"""Between choosing a free port and listening on it somebody else may take it."""
SPARSE = ("-P", "setstat,fsetstat,lsetstat,posix-rename,fsync,hardlink,expand-path,copy-data")
"""Denies what not every receiver has, so that using it fails a test."""
_PRIVILEGE_SEPARATION = Path("/run/sshd")


@dataclass(frozen=True, kw_only=True)
class OpenSSH:
    """A running sshd with keys of its own."""

    root: Path
    folder: Path
    port: int
    username: str
    private_key: Path
    host_key: str
    pid: int

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides,
            port=self.port,
            username=self.username,
            private_key={"file": self.private_key},
            host_key=self.host_key,
        )


class _PortTaken(Exception):  # noqa: N818 - it is no error, the next port will do
    pass


def make_key(path: Path, *, algorithm: str = "ed25519", passphrase: str = "") -> Path:
    """Write a new private key to ``path`` and its public half beside it; return ``path``."""
    command = ["ssh-keygen", "-q", "-t", algorithm, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def read_public_key(private_key: Path) -> str:
    """Return the public half of ``private_key`` as ``<algorithm> <base64>``."""
    return " ".join(private_key.with_name(private_key.name + ".pub").read_text().split()[:2])


@contextlib.contextmanager
def run_openssh(
    folder: Path,
    *,
    lines: Sequence[str] = (),
    sftp_arguments: Sequence[str] = (),
    host_key_algorithms: Sequence[str] = ("ed25519",),
) -> Iterator[OpenSSH]:
    """Run sshd for the time of the context, with everything it needs in ``folder``, which need not exist.

    ``lines`` go into its configuration, ``sftp_arguments`` to its internal-sftp, whose options are those of
    sftp-server(8). The first host key is the pinned one.
    """
    root = folder / "root"
    root.mkdir(parents=True)
    host_keys = [make_key(folder / f"host_{algorithm}", algorithm=algorithm) for algorithm in host_key_algorithms]
    private_key = make_key(folder / "id_ed25519")
    shutil.copy(private_key.with_name("id_ed25519.pub"), folder / "authorized_keys")
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(exist_ok=True, mode=0o755)
    settings = [f"HostKey {key}" for key in host_keys]
    settings += [*lines, *_get_settings(folder, ["internal-sftp", *sftp_arguments, "-d", str(root)])]
    process, port = _start(folder, settings)
    try:
        yield OpenSSH(
            root=root,
            folder=folder,
            port=port,
            username=getpass.getuser(),
            private_key=private_key,
            host_key=read_public_key(host_keys[0]),
            pid=process.pid,
        )
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _get_settings(folder: Path, sftp_server: Sequence[str]) -> list[str]:
    return [
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"Subsystem sftp {' '.join(sftp_server)}",
        "ListenAddress 127.0.0.1",
        "PidFile none",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "LogLevel VERBOSE",
    ]


def _find_sshd() -> str:
    # sshd starts itself anew for each connection, and wants to be called by its absolute path for it.
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        msg = "these tests need sshd: make test installs it"
        raise FileNotFoundError(msg)
    return found


def _start(folder: Path, settings: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(STARTS):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        configuration = folder / "sshd_config"
        configuration.write_text("\n".join([f"Port {port}", *settings, ""]))
        with contextlib.suppress(_PortTaken):
            return _start_once(folder, configuration), port
    msg = f"no port was free: {(folder / 'sshd.log').read_text()}"
    raise RuntimeError(msg)


def _start_once(folder: Path, configuration: Path) -> subprocess.Popen[bytes]:
    """Start sshd and return when it says that it listens; its words go on into ``sshd.log``."""
    command = [_find_sshd(), "-D", "-e", "-f", str(configuration)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    listens = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr, (folder / "sshd.log").open("ab", buffering=0) as log:
            for line in process.stderr:
                log.write(line)
                if line.startswith(b"Server listening"):
                    listens.set()
        listens.set()

    threading.Thread(target=read, daemon=True).start()
    if not listens.wait(START_SECONDS) or process.poll() is not None:
        process.kill()
        process.wait()
        raise _PortTaken
    return process


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSSH]:
    """An OpenSSH server with everything it offers."""
    with run_openssh(tmp_path / "openssh") as server:
        yield server
