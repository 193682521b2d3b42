"""What we log in with and what we trust: our private key and the receiver's pinned host keys."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from sftp_orchestrator.config.findings import Finding, InvalidConfiguration
from sftp_orchestrator.config.model import Configuration, Destination
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import ConfigurationError

# host keys, keys of certificate authorities, revoked keys; then the same for X.509, which stays empty
_Matched = tuple[
    list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey], tuple[()], tuple[()], tuple[()], tuple[()]
]


@dataclass(frozen=True, kw_only=True)
class PinnedHostKeys:
    """The host keys that are trusted: those listed, and those a known_hosts file has for the host."""

    listed: tuple[asyncssh.SSHKey, ...]
    known: asyncssh.SSHKnownHosts | None

    def match(self, host: str, address: str, port: int | None) -> _Matched:
        """Return what is trusted of ``host``, in the form asyncssh asks for; ``port`` is None for 22. Pure.

        Hashed names, ``[host]:port``, patterns, ``@revoked`` and ``@cert-authority`` count as in OpenSSH.
        """
        trusted, authorities, revoked = list(self.listed), [], []
        if self.known is not None:
            found = self.known.match(host, address, port)
            trusted += found[0]
            authorities, revoked = list(found[1]), list(found[2])
        return trusted, authorities, revoked, (), (), (), ()

    def list_algorithms(self, host: str, port: int) -> list[str]:
        """Return the signature algorithms of the keys trusted for ``host``, best first.

        Empty where that cannot be told by its name alone: pinned by address, or certified by an authority.
        """
        trusted, authorities = self.match(host, "", None if port == 22 else port)[:2]
        return [] if authorities else [name.decode() for key in trusted for name in key.sig_algorithms]

    def list_fingerprints(self, host: str, address: str, port: int) -> list[str]:
        """Return the SHA-256 fingerprints trusted for ``host``, as ``ssh-keygen -l`` shows them."""
        trusted = self.match(host, address, None if port == 22 else port)[0]
        # A line of known_hosts may fit twice: by the host's name and by its address.
        return list(dict.fromkeys(map(get_fingerprint, trusted)))


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What one destination is logged in to with."""

    key: asyncssh.SSHKey
    host_keys: PinnedHostKeys


def get_fingerprint(key: asyncssh.SSHKey) -> str:
    """Return the SHA-256 fingerprint of ``key``, as ``ssh-keygen -l`` shows it, with its algorithm before it."""
    return f"{key.get_algorithm()} {key.get_fingerprint('sha256')}"


def load_credentials(destination: Destination, name: str) -> Credentials:
    """Read the private key and the pins of ``destination``. Blocking; may be repeated.

    Raises:
        ConfigurationError: one is missing, unreadable or malformed, or the passphrase does not fit.
    """
    key = read_private_key(
        destination.private_key, destination.private_key_passphrase, called=f"destinations.{name}.private_key"
    )
    return Credentials(key=key, host_keys=load_host_keys(destination, name))


def get_signature(destination: Destination, name: str) -> str:
    """Return what tells whether address, user, key or pins of ``destination`` changed. Blocking; may be repeated.

    Raises:
        ConfigurationError: as ``load_credentials``.
    """
    ours = get_fingerprint(load_credentials(destination, name).key)
    known = destination.known_hosts.read_bytes() if destination.known_hosts is not None else b""
    facts = (destination.host, destination.port, destination.username, destination.host_keys, known, ours)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def require_credentials(configuration: Configuration) -> None:
    """Read what every destination is logged in to with, and forget it. Blocking; may be repeated.

    Raises:
        InvalidConfiguration: one line for each destination whose key, passphrase or pins cannot be used.
    """
    found = []
    for name, destination in configuration.destinations.items():
        try:
            load_credentials(destination, name)
        except ConfigurationError as error:
            found.append(Finding(path=(), said=f"{error.operation} {error.subject}: {error.cause}", hint=error.hint))
    if found:
        raise InvalidConfiguration("credentials", found)


def load_host_keys(destination: Destination, name: str) -> PinnedHostKeys:
    """Read the pinned host keys of ``destination``. Blocking; may be repeated.

    Raises:
        ConfigurationError: a listed key is malformed, or the known_hosts file is unreadable or malformed.
    """
    listed = []
    for index, line in enumerate(destination.host_keys):
        try:
            listed.append(asyncssh.import_public_key(line))
        except asyncssh.KeyImportError as error:
            raise ConfigurationError(
                "read",
                f"destinations.{name}.host_keys[{index}]",
                "it is not a public key",
                hint='write "<algorithm> <base64>" as ssh-keyscan prints it, without the host',
            ) from error
    known = _load_known_hosts(destination.known_hosts) if destination.known_hosts is not None else None
    return PinnedHostKeys(listed=tuple(listed), known=known)


def _load_known_hosts(path: Path) -> asyncssh.SSHKnownHosts:
    try:
        return asyncssh.import_known_hosts(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError("read", str(path), error.strerror or type(error).__name__) from error
    except ValueError as error:
        raise ConfigurationError("read", str(path), f"it is not a known_hosts file: {error}") from error


def read_private_key(
    reference: SecretReference, passphrase: SecretReference | None, *, called: str, passphrase_called: str = ""
) -> asyncssh.SSHKey:
    """Return the private key that ``reference`` leads to; errors say what it, and its passphrase, are ``called``.

    Blocking; may be repeated.

    Raises:
        ConfigurationError: it is missing, unreadable, open to others or no private key, or the passphrase does not fit.
    """
    word = passphrase.read().rstrip(b"\r\n") if passphrase is not None else None
    content = reference.read()
    try:
        return asyncssh.import_private_key(content, word)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        where = passphrase_called or f"{called}_passphrase"
        cause, hint = _explain_key(content, where, has_passphrase=word is not None)
        raise ConfigurationError("read", f"{called} ({reference})", cause, hint=hint) from error


def _explain_key(content: bytes, passphrase_called: str, *, has_passphrase: bool) -> tuple[str, str]:
    """Return why ``content`` cannot be used as the private key, and what to do."""
    if _is_locked(content):
        if has_passphrase:
            return "the passphrase does not open it", f"check {passphrase_called}"
        return "it is locked with a passphrase", f"set {passphrase_called}"
    if _is_public(content):
        return "it is a public key, the private one is wanted", "name the file beside it, without .pub"
    return "it is no private SSH key", "ssh-keygen -t ed25519 makes one"


def _is_public(content: bytes) -> bool:
    """Return whether it is a public key; a private one in OpenSSH's own format would count, too."""
    try:
        asyncssh.import_public_key(content)
    except asyncssh.KeyImportError:
        return False
    return True


def _is_locked(content: bytes) -> bool:
    # PEM says so in its head; of OpenSSH's own format only the attempt tells.
    if b"ENCRYPTED" in content:
        return True
    try:
        asyncssh.import_private_key(content, b"")
    except asyncssh.KeyEncryptionError:
        return True
    except asyncssh.KeyImportError:
        pass
    return False
