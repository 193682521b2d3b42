"""What a person pastes into the configuration to deliver to the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sftp_orchestrator.sandbox.settings import Limits

DEFAULT_USERNAME = "sandbox"
_UNKNOWN_KEY = "/path/to/your/private_key"
_HOW = """\
# For your configuration. As its only destination: paste it in place of the
# destinations that are there, and take `destination` out of the feeds that name
# one. Beside others: paste what stands below its first line to them, and say
# `destination: sandbox` in each feed that is to go here. Leave `encryption` out
# to send plain files.
"""


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a client reaches the sandbox."""

    host: str
    port: int
    username: str
    private_key: Path | None
    """None: the caller has it, for he gave the authorized keys."""
    known_hosts: Path
    openpgp_public_key: Path
    key_id: str
    authorized_keys: Path | None = None
    """what the caller gave"""


def render(access: Access, limits: Limits) -> str:
    """Return the YAML of ``destinations``, in the keys of the product's configuration, and how to use it. Pure."""
    plain: dict[str, Any] = {
        "host": access.host,
        "port": access.port,
        "username": access.username,
        "private_key": {"file": str(access.private_key or _UNKNOWN_KEY)},
        "known_hosts": str(access.known_hosts),
        "remote_dir": ".",
        "client_email": "data-team@example.com",
    }
    if limits != Limits():
        plain["limits"] = {"plain_bytes": limits.plain_bytes, "encrypted_bytes": limits.encrypted_bytes}
    encryption = {"public_key": {"file": str(access.openpgp_public_key)}, "key_id": access.key_id}
    document = {"destinations": {"sandbox": {**plain, "encryption": encryption}}}
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)
    if access.private_key is None:
        mark = "    private_key:\n"
        said = f"    # put in the path of the private key whose public half is in {access.authorized_keys}:\n"
        text = text.replace(mark, said + mark, 1)
    return _HOW + text
