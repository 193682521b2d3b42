"""Foreign errors become ours by their type and code."""

from __future__ import annotations

import dataclasses
import errno
import re
import socket

import asyncssh
import pytest

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.classify import classify
from sftp_orchestrator.deliver.receiver import Receiver

RECEIVER = Receiver(name="production", host="sftp.example", port=22, username="u", remote_dir="in", timeout_seconds=60)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (asyncssh.PermissionDenied("no"), errors.LoginRefused),
        (asyncssh.IllegalUserName("no"), errors.LoginRefused),
        (asyncssh.HostKeyNotVerifiable("no"), errors.HostKeyRefused),
        (asyncssh.KeyExchangeFailed("no"), errors.SessionRefused),
        (asyncssh.ProtocolNotSupported("no"), errors.SessionRefused),
        (asyncssh.DisconnectError(asyncssh.DISC_HOST_NOT_ALLOWED_TO_CONNECT, "no"), errors.SessionRefused),
        (asyncssh.DisconnectError(asyncssh.DISC_TOO_MANY_CONNECTIONS, "no"), errors.Unreachable),
        (asyncssh.ServiceNotAvailable("no"), errors.Unreachable),
        (asyncssh.ConnectionLost("no"), errors.Unreachable),
        (asyncssh.ProtocolError("no"), errors.Unreachable),
        (asyncssh.MACError("no"), errors.Unreachable),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no"), errors.Unreachable),
        (asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "no"), errors.SessionRefused),
        (asyncssh.SFTPPermissionDenied("no"), errors.FolderRefused),
        (asyncssh.SFTPWriteProtect("no"), errors.FolderRefused),
        (asyncssh.SFTPNoSuchFile("no"), errors.FolderRefused),
        (asyncssh.SFTPNoSuchPath("no"), errors.FolderRefused),
        (asyncssh.SFTPOpUnsupported("no"), errors.ReceiverRefused),
        (asyncssh.SFTPNoSpaceOnFilesystem("no"), errors.ReceiverRefused),
        (asyncssh.SFTPQuotaExceeded("no"), errors.ReceiverRefused),
        (asyncssh.SFTPFailure("no"), errors.Transient),
        (asyncssh.SFTPInvalidHandle("no"), errors.Transient),
        (asyncssh.SFTPError(4711, "no"), errors.Transient),
        (asyncssh.SFTPConnectionLost("no"), errors.Unreachable),
        (asyncssh.SFTPNoConnection("no"), errors.Unreachable),
        (asyncssh.SFTPEOFError("no"), errors.Unreachable),
        (asyncssh.SFTPBadMessage("no"), errors.Unreachable),
        (TimeoutError(), errors.Unreachable),
        (ConnectionResetError(errno.ECONNRESET, "no"), errors.Unreachable),
        (socket.gaierror(socket.EAI_NONAME, "no"), errors.Unreachable),
        (BrokenPipeError("no"), errors.Unreachable),
        (OSError(errno.EMFILE, "no"), errors.LocalFault),
        (EOFError(), errors.Unreachable),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_kinds(error: Exception, kind: type[errors.Failure]) -> None:
    """Each foreign error has its place in our tree: exactly this class, for its subclasses are treated otherwise."""
    failure = classify(error, "upload", "a.csv", RECEIVER)
    assert type(failure) is kind
    assert "{" not in str(failure)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.1', 22)"),
            "nothing listens at sftp.example:22",
        ),
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 22)"), "no way leads to sftp.example:22"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 22, 0, 0), [Errno 101] no"),
            "no connection can be made to any address of sftp.example",
        ),
        (OSError(errno.EPROTO, "Connect call failed ('10.0.0.1', 22)"), "Protocol error"),
        (
            socket.gaierror(socket.EAI_NONAME, "[Errno -2] Name or service not known"),
            "the name sftp.example is not known",
        ),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "the name sftp.example cannot be looked up now"),
        (TimeoutError(), "no answer within 60 s"),
        (TimeoutError(errno.ETIMEDOUT, "Connect call failed ('10.0.0.1', 22)"), "no answer within 60 s"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else type(value).__name__,
)
def test_the_network_is_told_of_in_plain_words_with_a_hint(error: OSError, cause: str) -> None:
    """What does not answer is named, and what to look at; nothing of how Python says it is left."""
    failure = classify(error, "connect to", str(RECEIVER), RECEIVER)
    assert type(failure) is errors.Unreachable
    assert failure.cause == cause
    assert failure.hint
    assert not {"Errno", "call", "exceptions:"} & set(re.findall(r"[\w:]+", str(failure)))


def test_an_address_of_version_6_is_written_as_in_a_url() -> None:
    """Where the address ends and the port begins can be seen."""
    receiver = dataclasses.replace(RECEIVER, host="fe80::1")
    failure = classify(ConnectionRefusedError(errno.ECONNREFUSED, "no"), "connect to", "it", receiver)
    assert failure.cause == "nothing listens at [fe80::1]:22"


def test_space_is_named() -> None:
    """Who reads that the receiver is full knows what to do."""
    failure = classify(asyncssh.SFTPQuotaExceeded("quota"), "upload", "a.csv", RECEIVER)
    assert "no space left" in failure.cause
    assert failure.hint is not None


def test_a_strangers_words_fit_on_one_line() -> None:
    """What a server says is quoted on one line, without control characters, and shortened."""
    failure = classify(asyncssh.SFTPFailure("a\r\nb\x1b[31m\u202e" + "c" * 1000), "upload", "a.csv", RECEIVER)
    assert str(failure).isprintable()
    assert len(str(failure)) < 300
