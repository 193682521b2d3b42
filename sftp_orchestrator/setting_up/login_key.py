"""The SSH key that we log in with: made, taken in, or there from an earlier try."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh

from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.deliver.credentials import get_fingerprint, read_private_key
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.setting_up.layout import PRIVATE_MODE, Content, Layout

ALGORITHM = "ssh-ed25519"
OPTION = "--private-key"
PASSPHRASE_OPTION = "--passphrase-file"  # noqa: S105 - the name of an option
_NAMES = {"ssh-ed25519": "id_ed25519", "ssh-rsa": "id_rsa"}
_OTHERWISE = "id_ecdsa"


@dataclass(frozen=True, kw_only=True)
class LoginKey:
    """A private key, as it is to lie in the folder."""

    path: Path
    private: bytes
    public: str
    """on one line, as it is registered with the receiver"""
    fingerprint: str
    origin: str
    """where it comes from, for people"""
    is_new: bool = False
    passphrase: Path | None = None

    @property
    def public_path(self) -> Path:
        """Where the public half lies, beside the private one."""
        return self.path.with_name(f"{self.path.name}.pub")

    def list_contents(self) -> dict[Path, Content]:
        """Return the files to write, the private half first: without it the public one is of no use."""
        return {
            self.path: Content(content=self.private, mode=PRIVATE_MODE),
            self.public_path: Content(content=f"{self.public}\n".encode()),
        }


def provide_key(layout: Layout, given: Path | None, passphrase: Path | None) -> LoginKey:
    """Return the key in the file ``given``, else the one that lies in the folder, else a new one. Nothing is written.

    Raises:
        ConfigurationError: it is no private key, others may read it, or the passphrase does not open it.
    """
    if given is not None:
        require_file("take in", given)
        return _read(layout, given, passphrase, origin=f"taken in from {given}")
    found = [path for name in (*_NAMES.values(), _OTHERWISE) if (path := layout.folder / name).is_file()]
    if len(found) > 1:
        raise ConfigurationError(
            "set up", str(layout.folder), f"{found[0].name} and {found[1].name} lie there", hint=f"name one by {OPTION}"
        )
    if found:
        return _read(layout, found[0], passphrase, origin="it was there already")
    key = asyncssh.generate_private_key(ALGORITHM, comment=f"sftp-orchestrator@{socket.gethostname()}")
    return replace(_describe(layout, key, key.export_private_key(), origin="newly made"), is_new=True)


def show_public(key: asyncssh.SSHKey) -> str:
    """Return the public half of ``key`` on one line, with its comment. Pure."""
    return key.export_public_key().decode("utf-8", "replace").strip()


def _read(layout: Layout, path: Path, passphrase: Path | None, *, origin: str) -> LoginKey:
    word = SecretReference(file=passphrase) if passphrase is not None else None
    key = read_private_key(SecretReference(file=path), word, called=OPTION, passphrase_called=PASSPHRASE_OPTION)
    return _describe(layout, key, path.read_bytes(), origin=origin, passphrase=passphrase)


def _describe(
    layout: Layout, key: asyncssh.SSHKey, private: bytes, *, origin: str, passphrase: Path | None = None
) -> LoginKey:
    return LoginKey(
        path=layout.folder / _NAMES.get(key.get_algorithm(), _OTHERWISE),
        private=private,
        public=show_public(key),
        fingerprint=get_fingerprint(key),
        origin=origin,
        passphrase=passphrase.absolute() if passphrase is not None else None,
    )
