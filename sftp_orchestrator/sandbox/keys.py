"""SSH keys: made once and kept, and how clients get to know the host."""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh

from sftp_orchestrator import errors

ALGORITHM = "ssh-ed25519"


def provide_key(path: Path) -> asyncssh.SSHKey:
    """Return the private key at ``path``, made where it is missing, its public half beside it. May be repeated.

    Raises:
        LocalFault: there is something else at ``path``.
    """
    if path.exists():
        return read_key(path)
    key = asyncssh.generate_private_key(ALGORITHM, comment="sandbox")
    key.write_public_key(get_public_path(path))
    # A crash in between leaves no private key, and so both are made anew.
    temporary = path.with_name(f".{path.name}.tmp")
    write_private(temporary, key.export_private_key())
    temporary.replace(path)
    return key


def find_private(path: Path) -> Path | None:
    """Return where the private key lies whose public half ``path`` is called after, as ssh-keygen names both."""
    private = path.absolute().with_suffix("")
    return private if path.suffix == ".pub" and private.is_file() else None


def read_key(path: Path) -> asyncssh.SSHKey:
    """Return the private key at ``path``.

    Raises:
        LocalFault: it is missing, unreadable, no private key or protected by a passphrase.
    """
    try:
        return asyncssh.read_private_key(path)
    except OSError as error:
        raise errors.LocalFault("read", str(path), error.strerror or type(error).__name__) from error
    except asyncssh.KeyImportError as error:
        raise errors.LocalFault(
            "read", str(path), str(error), hint="give a private key without a passphrase"
        ) from error


def read_authorized_keys(path: Path) -> asyncssh.SSHAuthorizedKeys:
    """Return the keys in the authorized_keys file at ``path``.

    Raises:
        LocalFault: it is missing, unreadable or holds anything but public keys.
    """
    try:
        return asyncssh.read_authorized_keys(path)
    except OSError as error:
        raise errors.LocalFault("read", str(path), error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise errors.LocalFault("read", str(path), str(error), hint="one public key a line") from error


def get_public_path(path: Path) -> Path:
    """Return where the public half of the private key at ``path`` lies. Pure."""
    return path.with_name(f"{path.name}.pub")


def format_public_key(key: asyncssh.SSHKey) -> str:
    """Return the public half of ``key`` as ``<algorithm> <base64>``."""
    return " ".join(key.export_public_key().decode("ascii").split()[:2])


def format_known_host(host: str, port: int, key: asyncssh.SSHKey) -> str:
    """Return the line of a known_hosts file that pins ``key`` (sshd(8), *SSH_KNOWN_HOSTS FILE FORMAT*)."""
    return f"[{host}]:{port} {format_public_key(key)}\n"


def write_private(path: Path, content: bytes) -> None:
    """Write ``content`` to a file that only its owner may read, durably; whatever lay there is replaced."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
