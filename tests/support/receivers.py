"""What every receiver in the tests can do: say where its files lie, and how to configure it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from sftp_orchestrator.config.model import Destination


class Receiver(Protocol):
    """A running SFTP server whose files can be looked at behind its back."""

    @property
    def root(self) -> Path:
        """The folder that it shows as the login folder."""
        ...

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        ...

    def get_destination(self, **overrides: Any) -> Destination:
        """Return the configuration that reaches it, with ``overrides``."""
        ...


def make_destination(overrides: dict[str, Any], *, host_key: str, **values: Any) -> Destination:
    """Return a destination on this machine with a deadline that fails a test early; ``overrides`` win."""
    defaults: dict[str, Any] = {
        "host": "127.0.0.1",
        "host_keys": [host_key],
        "client_email": "data-team@example.com",
        "timeout_seconds": 20,
    }
    return Destination.model_validate(defaults | values | overrides)
