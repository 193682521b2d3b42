"""Opens an SFTP session with one key to pinned host keys, and explains a refusal so that a person can act on it."""

from __future__ import annotations

import asyncio
import contextlib

import asyncssh

from sftp_orchestrator import errors, failpoints
from sftp_orchestrator.deliver import internals
from sftp_orchestrator.deliver.classify import FOREIGN_ERRORS, classify
from sftp_orchestrator.deliver.credentials import Credentials, get_fingerprint
from sftp_orchestrator.deliver.receiver import Receiver

CIPHERS = (
    "aes128-gcm@openssh.com",  # the quickest where the processor has AES, and nothing known against it
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
HOST_KEY_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""Asked for after the pinned kinds. A server that changed to another kind then shows its key, and a person can compare;
otherwise it hangs up, which looks like a cut line."""
KEEPALIVE_SECONDS = 30
"""Shorter than the idle limit of any firewall we know of."""
MOST_KEEPALIVES = 1000
"""Unanswered ones that end a connection. They keep it open, and do not judge it: on a slow line they wait behind
megabytes of data, and each operation has a deadline of its own."""
LET_GO_SECONDS = 5
"""For what is a courtesy: saying good-bye, closing a handle after a failure."""

_OPERATION = "connect to"


async def open_session(
    receiver: Receiver, credentials: Credentials
) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
    """Log in to ``receiver`` and start SFTP version 3 there. May be repeated.

    Nothing of this machine's own SSH set-up is used: no agent, no configuration, no other key, no password.

    Raises:
        Unreachable: no answer within ``timeout_seconds`` all in all, or the line was cut.
        LoginRefused: our key is not accepted there (KeyRefused), or its host key not pinned here (HostKeyRefused).
        SessionRefused: no common algorithm, or no SFTP.
        ConfigurationError: the host's name is none.
    """
    witness = _Witness()
    try:
        async with asyncio.timeout(receiver.timeout_seconds), contextlib.AsyncExitStack() as stack:
            options = _get_options(receiver, credentials, witness)
            with failpoints.around("remote.connect"):
                connection = await asyncssh.connect(receiver.host, receiver.port, config=None, options=options)
                stack.push_async_callback(let_go, connection, abruptly=True)
            client = await connection.start_sftp_client(sftp_version=3)
            stack.pop_all()
            return connection, client
    except asyncssh.HostKeyNotVerifiable as error:
        raise _explain_host_key(error, receiver, credentials, witness) from error
    except asyncssh.PermissionDenied as error:
        raise _explain_login(receiver, credentials) from error
    except UnicodeError as error:
        # How the codec for names of hosts (IDNA) says that a label of it is empty or longer than 63 characters.
        cause = "its name cannot be a host's: a part between two dots is empty or too long"
        hint = f"check destinations.{receiver.name}.host"
        raise errors.ConfigurationError(_OPERATION, str(receiver), cause, hint=hint) from error
    except FOREIGN_ERRORS as error:
        raise classify(error, _OPERATION, str(receiver), receiver) from error


async def let_go(connection: asyncssh.SSHClientConnection, *, abruptly: bool) -> None:
    """End ``connection``, with a good-bye or ``abruptly``. May be repeated.

    Raises:
        TimeoutError: it is not gone within ``LET_GO_SECONDS``.
    """
    if abruptly:
        connection.abort()
    else:
        connection.close()
    async with asyncio.timeout(LET_GO_SECONDS):
        await connection.wait_closed()


class _Witness(asyncssh.SSHClient):
    """Remembers a host key that was offered and is not pinned; never accepts one. The login is by key alone."""

    def __init__(self) -> None:
        self.offered: asyncssh.SSHKey | None = None
        self.address = ""

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        # Whatever else the server would take, we have nothing but the key: its list of methods changes nothing.
        internals.begin_with_public_key(conn)

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - asyncssh prescribes the parameters
        addr: str,
        port: int,  # noqa: ARG002 - the same
        key: asyncssh.SSHKey,
    ) -> bool:
        self.offered, self.address = key, addr
        return False


def _get_options(
    receiver: Receiver, credentials: Credentials, witness: _Witness
) -> asyncssh.SSHClientConnectionOptions:
    """Return options that leave nothing to asyncssh's defaults, which would look into ~/.ssh and ask an agent.

    The pinned kinds of host keys are asked for first: a pinned ed25519 key is shown though the server has RSA, too.
    """
    pinned_algorithms = credentials.host_keys.list_algorithms(receiver.host, receiver.port)
    try:
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            host=receiver.host,
            port=receiver.port,
            username=receiver.username,
            client_factory=lambda: witness,
            client_keys=[credentials.key],
            known_hosts=credentials.host_keys.match,
            server_host_key_algs=[*pinned_algorithms, *HOST_KEY_ALGORITHMS] if pinned_algorithms else (),
            agent_path=None,
            preferred_auth=["publickey"],
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            gss_kex=False,
            gss_auth=False,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            encryption_algs=list(CIPHERS),
            compression_algs=["none"],
            login_timeout=receiver.timeout_seconds,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=MOST_KEEPALIVES,
        )
    except (ValueError, OSError) as error:
        # asyncssh wants a name for the local user, which it does not use, and fails where the user id has none.
        hint = "if the user id of this process has no name, set LOGNAME in its environment"
        raise errors.ConfigurationError(_OPERATION, str(receiver), str(error), hint=hint) from error


def _explain_host_key(
    error: asyncssh.DisconnectError, receiver: Receiver, credentials: Credentials, witness: _Witness
) -> errors.Failure:
    """Return a refusal that shows the offered key beside the pinned ones, for a person to compare."""
    if witness.offered is None:
        return classify(error, _OPERATION, str(receiver), receiver)
    pinned = credentials.host_keys.list_fingerprints(receiver.host, witness.address, receiver.port)
    return errors.HostKeyRefused(
        _OPERATION,
        str(receiver),
        f"it shows host key {get_fingerprint(witness.offered)}, pinned: {', '.join(pinned) or 'none for this host'}",
        hint=_advise_on_host_key(receiver, is_known=bool(pinned)),
    )


def _advise_on_host_key(receiver: Receiver, *, is_known: bool) -> str:
    """Return how a person adds the key that was shown, once it is sure to be the receiver's."""
    scan = f"ssh-keyscan {'' if receiver.port == 22 else f'-p {receiver.port} '}{receiver.host}"
    if is_known:
        return (
            f"only if the receiver announced this key, add it to destinations.{receiver.name}.host_keys or to its "
            f"known_hosts, as `{scan}` prints it; otherwise somebody may stand in between"
        )
    return (
        f"if this is the fingerprint that the receiver published, add to destinations.{receiver.name}.known_hosts what "
        f"`{scan}` prints: a line that begins with {receiver.known_as}"
    )


def _explain_login(receiver: Receiver, credentials: Credentials) -> errors.Failure:
    ours = get_fingerprint(credentials.key)
    return errors.KeyRefused(
        _OPERATION,
        str(receiver),
        "it does not accept our key",
        hint=f"check that the public key {ours} is registered for user {receiver.username}",
    )
