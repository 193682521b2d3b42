"""A real ``rclone serve sftp`` for tests, as a process of its own on 127.0.0.1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator.config.model import Destination
from tests.support.listening import find_program, run_listener
from tests.support.openssh import make_key, read_public_key
from tests.support.receivers import make_destination


@dataclass(frozen=True, kw_only=True)
class Rclone:
    """A running server with keys of its own; any user name will do."""

    root: Path
    port: int
    private_key: Path
    host_key: str

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        return make_destination(
            overrides,
            port=self.port,
            username="test",
            private_key={"file": self.private_key},
            host_key=self.host_key,
        )


@contextlib.contextmanager
def run_rclone(folder: Path, *, read_only: bool = False) -> Iterator[Rclone]:
    """Run it for the time of the context, with everything it needs in ``folder``, which need not exist.

    It keeps what it knows of a folder for as long as ``--dir-cache-time`` says; without that a test could not look at
    its files, or put some there, behind its back.
    """
    root = folder / "root"
    root.mkdir(parents=True)
    host_key, private_key = make_key(folder / "host_ed25519"), make_key(folder / "id_ed25519")

    def get_command(port: int) -> list[str]:
        return [
            *(find_program("rclone"), "serve", "sftp", str(root), "--addr", f"127.0.0.1:{port}"),
            *("--config", "", "--key", str(host_key), "--authorized-keys", f"{private_key}.pub"),
            *("--dir-cache-time", "0s"),
            *(["--read-only"] if read_only else []),
        ]

    with run_listener(get_command, says=b"listening on", log=folder / "rclone.log") as listener:
        yield Rclone(root=root, port=listener.port, private_key=private_key, host_key=read_public_key(host_key))
