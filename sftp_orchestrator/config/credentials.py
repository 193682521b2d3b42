"""Whether every secret that the configuration refers to is there and safe, told all at once."""

from __future__ import annotations

from collections.abc import Iterator

from sftp_orchestrator.config.findings import Finding, InvalidConfiguration, KeyPath
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import ConfigurationError

SHORTEST_TOKEN = 16
"""Characters; nobody counts who tries tokens at the page, so that none must be found by trying."""


def require_secrets(configuration: Configuration) -> None:
    """Read every secret once and forget it; may be repeated.

    Raises:
        InvalidConfiguration: one line for each that is missing, empty, unreadable or open to others.
    """
    found = []
    for path, reference, private in list_secrets(configuration):
        try:
            content = reference.read(private=private)
            if path == ("web", "token"):
                require_token(content, reference)
        except ConfigurationError as error:
            is_missing = isinstance(error.__cause__, FileNotFoundError)
            hint = _get_hint(path, reference) if is_missing else error.hint
            found.append(Finding(path=path, said=f"{error.subject}: {error.cause}", hint=hint))
    if found:
        raise InvalidConfiguration("secrets", found)


def require_token(content: bytes, reference: SecretReference) -> str:
    """Return the page's token without what surrounds it. Pure.

    Raises:
        ConfigurationError: it can be guessed, or typed by nobody.
    """
    token = content.strip()
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.decode().isprintable():
        cause = f"a token is one line of {SHORTEST_TOKEN} or more plain characters"
        raise ConfigurationError("read", str(reference), cause, hint="openssl rand -hex 24 prints a good one")
    return token.decode()


def _get_hint(path: KeyPath, reference: SecretReference) -> str | None:
    """Return where a file that is missing comes from."""
    match path[-1]:
        case "private_key":
            return f"run: ssh-keygen -t ed25519 -N '' -f {reference.file}, and register its .pub with the receiver"
        case "public_key":
            return "put the receiver's public key there, or leave encryption out to send plain files"
        case "token":
            return f"run: (umask 077; openssl rand -hex 24 > {reference.file})"
        case _:
            return None


def list_secrets(configuration: Configuration) -> Iterator[tuple[KeyPath, SecretReference, bool]]:
    """Yield each secret's key, reference, and whether others may not read it."""
    if configuration.web.token is not None:
        yield ("web", "token"), configuration.web.token, True
    for name, destination in configuration.destinations.items():
        path = ("destinations", name)
        yield (*path, "private_key"), destination.private_key, True
        if destination.private_key_passphrase is not None:
            yield (*path, "private_key_passphrase"), destination.private_key_passphrase, True
        if destination.encryption is not None:
            yield (*path, "encryption", "public_key"), destination.encryption.public_key, False
    for index, reference in enumerate(configuration.alerts.urls):
        yield ("alerts", "urls", index), reference, True
    if configuration.alerts.ping is not None:
        yield ("alerts", "ping"), configuration.alerts.ping, True
