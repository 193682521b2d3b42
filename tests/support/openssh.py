"""A real OpenSSH server for tests, as a process of its own on 127.0.0.1."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Destination
from tests.support.listening import find_program, run_listener
from tests.support.receivers import make_destination

DENYING = ("-P", "setstat,fsetstat,lsetstat,rename,posix-rename,fsync,hardlink,expand-path,copy-data")
"""Denies what a service in front of an object store does not have, so that using it fails a test."""
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
    configuration = folder / "sshd_config"

    def get_command(port: int) -> list[str]:
        configuration.write_text("\n".join([f"Port {port}", *settings, ""]))
        # sshd starts itself anew for each connection, and wants to be called by its absolute path for it.
        return [find_program("sshd"), "-D", "-e", "-f", str(configuration)]

    with run_listener(get_command, says=b"Server listening", log=folder / "sshd.log") as listener:
        yield OpenSSH(
            root=root,
            folder=folder,
            port=listener.port,
            username=getpass.getuser(),
            private_key=private_key,
            host_key=read_public_key(host_keys[0]),
            pid=listener.pid,
        )


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


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[OpenSSH]:
    """An OpenSSH server with everything it offers."""
    with run_openssh(tmp_path / "openssh") as server:
        yield server
