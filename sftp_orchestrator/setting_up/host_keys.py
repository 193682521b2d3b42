"""The receiver's host keys: asked for, compared with what was published, and pinned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import asyncssh

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.classify import FOREIGN_ERRORS, classify
from sftp_orchestrator.deliver.credentials import PinnedHostKeys, get_fingerprint
from sftp_orchestrator.deliver.receiver import Receiver
from sftp_orchestrator.setting_up.layout import read_if_there

KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
"""A server shows one key a connection: each kind is asked for by itself, so that all of them are pinned."""
_OPERATION = "ask for the host key of"


async def fetch_host_keys(receiver: Receiver) -> tuple[asyncssh.SSHKey, ...]:
    """Return every host key that ``receiver`` shows, one a kind. Nobody logs in; may be repeated.

    Raises:
        Unreachable: it does not answer within ``timeout_seconds``, or hangs up whatever it is asked.
        SessionRefused: it shows none that we know.
    """
    found, failures = [], []
    for kind in KINDS:
        try:
            key = await _fetch(receiver, kind)
        except asyncssh.Error as error:
            # A server without a key of this kind says so, or just hangs up.
            failures.append(error)
        else:
            found += [key] if key is not None else []
    if not found:
        raise _explain(failures[0] if failures else EOFError(), receiver)
    return tuple(found)


async def _fetch(receiver: Receiver, kind: Sequence[str]) -> asyncssh.SSHKey | None:
    try:
        async with asyncio.timeout(receiver.timeout_seconds):
            return await asyncssh.get_server_host_key(
                receiver.host, receiver.port, config=None, server_host_key_algs=list(kind)
            )
    except asyncssh.Error:
        raise
    except UnicodeError as error:
        cause = "its name cannot be a host's: a part between two dots is empty or too long"
        raise errors.ConfigurationError(_OPERATION, receiver.address, cause, hint="check --host") from error
    except FOREIGN_ERRORS as error:
        raise _explain(error, receiver) from error


def _explain(error: BaseException, receiver: Receiver) -> errors.Failure:
    """Return what is wrong; there is no configuration yet whose keys could be named. Pure."""
    found = classify(error, _OPERATION, receiver.address, receiver)
    return type(found)(
        found.operation, found.subject, found.cause, hint="check --host, --port, and the firewalls in between"
    )


def choose(
    offered: Sequence[asyncssh.SSHKey], fingerprints: Sequence[str], receiver: Receiver
) -> tuple[asyncssh.SSHKey, ...]:
    """Return those of the keys ``offered`` that have one of the ``fingerprints``. Pure.

    Raises:
        LoginRefused: none has: somebody may stand in between.
    """
    wanted = to_bare(fingerprints)
    chosen = tuple(key for key in offered if to_bare([key.get_fingerprint("sha256")]) <= wanted)
    if not chosen:
        raise errors.LoginRefused(
            "trust",
            receiver.address,
            f"it shows host key {', '.join(map(get_fingerprint, offered))}, none of which is expected",
            hint="ask the receiver which fingerprint is right; somebody may stand in between",
        )
    return chosen


def to_bare(fingerprints: Iterable[str]) -> frozenset[str]:
    """Return ``fingerprints`` without what some programs write around them, so that they can be compared. Pure."""
    return frozenset(text.strip().removeprefix("SHA256:").rstrip("=") for text in fingerprints)


def is_fingerprint(text: str) -> bool:
    """Return whether ``text`` looks like a SHA-256 fingerprint, as ``ssh-keygen -l`` shows it. Pure."""
    return text.strip().startswith("SHA256:")


def render(receiver: Receiver, keys: Sequence[asyncssh.SSHKey]) -> bytes:
    """Return the known_hosts file that pins ``keys`` for ``receiver`` (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Pure."""
    lines = (b" ".join([receiver.known_as.encode(), *key.export_public_key().split()[:2]]) for key in keys)
    return b"".join(line + b"\n" for line in lines)


def list_pinned(known_hosts: Path, receiver: Receiver) -> list[str]:
    """Return the fingerprints that the file ``known_hosts`` has for ``receiver``; none where there is no such file.

    Raises:
        ConfigurationError: it is no known_hosts file.
        LocalFault: it cannot be read.
    """
    content = read_if_there(known_hosts)
    if content is None:
        return []
    try:
        known = asyncssh.import_known_hosts(content.decode("utf-8"))
    except ValueError as error:
        raise errors.ConfigurationError("read", str(known_hosts), f"it is not a known_hosts file: {error}") from error
    return PinnedHostKeys(listed=(), known=known).list_fingerprints(receiver.host, "", receiver.port)
