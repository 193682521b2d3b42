"""Two things asyncssh knows about a session and does not tell, and one that it does not let us set.

The only place that looks behind its interface.

``tests/integration/test_sftp_internals.py`` fails when a new version of asyncssh hides them elsewhere.
"""

from __future__ import annotations

import asyncssh

_PREFIX = "_supports_"


def has_ended(client: asyncssh.SFTPClient) -> bool:
    """Return whether the session is over: asyncssh then lets a close of a handle pass as if it had been answered."""
    return client._handler._writer is None  # noqa: SLF001 - there is no public way to ask


def list_extensions(client: asyncssh.SFTPClient) -> list[str]:
    """Return the names of the SFTP extensions that the server offers and asyncssh knows, as ``posix-rename``."""
    known = vars(client._handler)  # noqa: SLF001 - there is no public way to ask
    return sorted(
        name.removeprefix(_PREFIX).replace("_", "-")
        for name, offered in known.items()
        if name.startswith(_PREFIX) and offered
    )


def begin_with_public_key(connection: asyncssh.SSHClientConnection) -> None:
    """Have a login begin with our key; asyncssh asks for the list of methods first, which is one round trip more."""
    connection._auth_methods = [b"publickey"]  # noqa: SLF001 - there is no public way to say so
