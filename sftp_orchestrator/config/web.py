"""The section about the status page: where it listens, and who may use it."""

from __future__ import annotations

import ipaddress

from pydantic import Field, field_validator

from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.config.section import Section

_LISTEN = r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$"

PATTERN_MEANINGS = {_LISTEN: "must be HOST:PORT, such as 127.0.0.1:8765"}


class Web(Section):
    """The status page and the probes."""

    listen: str | None = Field(default="127.0.0.1:8765", pattern=_LISTEN)
    """page, /healthz, /readyz, /metrics; null = off; port 0 = one that the system chooses"""
    token: SecretReference | None = None
    """null, or {file: …} | {env: NAME} | {credential: name}: who knows it may look and decide; 16 characters or more"""
    hosts: tuple[str, ...] = ()
    """names that browsers reach the page by, besides localhost, this machine's own and addresses"""
    behind_proxy: bool = False
    """true: a reverse proxy lets in whom it knows, and nothing else reaches `listen`, so that no token is needed"""

    @field_validator("listen")
    @classmethod
    def _port_exists(cls, listen: str | None) -> str | None:
        if listen is not None and int(listen.rpartition(":")[2]) > 65535:
            msg = "must end in a port of 0 to 65535"
            raise ValueError(msg)
        return listen

    @field_validator("hosts")
    @classmethod
    def _names_alone(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if any(not host.strip() or set(host) & set("/:@ *") for host in hosts):
            msg = "must be names alone, such as etl.example.com, without scheme, port or *"
            raise ValueError(msg)
        return tuple(host.lower() for host in hosts)

    @property
    def is_local(self) -> bool:
        """Whether none but this machine can reach the page."""
        return self.listen is None or is_loopback(self.listen.rpartition(":")[0].strip("[]"))


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is an address, or the name, by which a machine reaches itself. Pure."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
