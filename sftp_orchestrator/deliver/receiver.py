"""Whom we talk to: the few facts about a receiver that its errors, logs and hints name."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Self

from sftp_orchestrator.config.model import Destination


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One destination as its errors name it; ``timeout_seconds`` is the deadline of a single operation."""

    name: str
    host: str
    port: int
    username: str
    remote_dir: str
    timeout_seconds: float

    @classmethod
    def of(cls, destination: Destination, name: str) -> Self:
        """Return what is worth naming of ``destination``, which the configuration calls ``name``."""
        return cls(
            name=name,
            host=destination.host,
            port=destination.port,
            username=destination.username,
            remote_dir=destination.remote_dir,
            timeout_seconds=destination.timeout_seconds,
        )

    @property
    def address(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def known_as(self) -> str:
        """What a line of a known_hosts file calls it (sshd(8)): the host, with any port but 22."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.name} (sftp://{self.username}@{self.address})"

    def get_path(self, name: str) -> str:
        """Return the remote path of the file ``name``; relative paths start at the login folder."""
        return posixpath.normpath(posixpath.join(self.remote_dir or ".", name))
