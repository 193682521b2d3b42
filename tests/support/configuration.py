"""A small valid configuration in a folder of its own, with real key files."""

from __future__ import annotations

import copy
import dataclasses
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncssh
import yaml

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration

KEY_ID = "ec491319-9823-48cd-b6a1-6bb0bc666d75"

BY_IDENTITY_ALONE = {"object_id.no_column": "off"}
"""Rules of a feed whose users have no objectId."""
FEEDS: dict[str, Any] = {
    "customers": {
        "type": "profile",
        "files": ["customers*.csv"],
        "columns": {"user_id": {"ct_name": "identity"}},
        "rules": BY_IDENTITY_ALONE,
    },
    "purchases": {
        "type": "event",
        "files": ["purchases*.csv"],
        "columns": {
            "event_name": {"ct_name": "evtName"},
            "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
            "user_id": {"ct_name": "identity"},
        },
        "rules": BY_IDENTITY_ALONE,
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """The file, and what it loads to. ``private_key`` and ``known_hosts`` are the real files that it names."""

    path: Path
    configuration: Configuration
    private_key: Path
    known_hosts: Path


def write_configuration(
    folder: Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    feeds: Mapping[str, Any] | None = None,
    public_key: bytes | None = None,
) -> Written:
    """Write ``folder/config.yml`` with its keys, staging and workspace, and load it.

    The destination is ``production`` at 127.0.0.1, without encryption. ``overrides`` is merged in, mapping by mapping;
    a list or plain value replaces. ``feeds`` replaces all feeds. With ``public_key`` (ASCII-armored) parts are
    encrypted.
    Keys that are there already are kept, so that a test may put its server's ``known_hosts`` or key in place first.
    """
    paths = write_key_files(folder)
    for name in ("staging", "workspace"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    values = get_values()
    if public_key is not None:
        (folder / "clevertap.pub.asc").write_bytes(public_key)
        values["destinations"]["production"]["encryption"] = {
            "public_key": {"file": "clevertap.pub.asc"},
            "key_id": KEY_ID,
        }
    if feeds is not None:
        values["feeds"] = dict(feeds)
    path = write_values(folder, merge(values, overrides or {}))
    return Written(
        path=path, configuration=loading.load(path), private_key=paths["id_ed25519"], known_hosts=paths["known_hosts"]
    )


def get_values() -> dict[str, Any]:
    """Return the values of the small configuration, to be changed and written by ``write_values``."""
    destination = {
        "host": "127.0.0.1",
        "username": "1000000000",
        "private_key": {"file": "id_ed25519"},
        "known_hosts": "known_hosts",
        "client_email": "data-team@example.com",
    }
    return {
        "staging": "staging",
        "workspace": "workspace",
        "intake": {"settle_seconds": 0},
        "destinations": {"production": destination},
        "web": {"listen": None},
        "feeds": copy.deepcopy(FEEDS),
    }


def merge(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with ``overrides`` merged in, mapping by mapping."""
    merged = dict(values)
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def write_values(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write ``values`` as ``folder/config.yml`` and return its path, without loading it."""
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def write_key_files(folder: Path) -> dict[str, Path]:
    """Make what ``folder`` lacks of ``id_ed25519`` (mode 0600) and ``known_hosts``; return both by name."""
    key_path, hosts_path = folder / "id_ed25519", folder / "known_hosts"
    if not key_path.exists():
        key_path.touch(mode=0o600)
        key_path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    if not hosts_path.exists():
        hosts_path.write_text(f"127.0.0.1 {generate_host_key()}\n", encoding="utf-8")
    return {path.name: path for path in (key_path, hosts_path)}


def generate_host_key() -> str:
    """Return a fresh public host key as ``ssh-ed25519 AAAA…``."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment=secrets.token_hex(4))
    return " ".join(key.export_public_key().decode().split()[:2])
