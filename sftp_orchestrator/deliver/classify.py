"""The one place where asyncssh's and the network's errors become ours: by type and code, never by their text."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

import asyncssh
from asyncssh.packet import PacketDecodeError

from sftp_orchestrator import errors
from sftp_orchestrator.deliver.receiver import Receiver

FOREIGN_ERRORS = (asyncssh.Error, PacketDecodeError, EOFError, OSError)
"""What asyncssh lets out of an operation; ``TimeoutError`` is an ``OSError``."""

_LOCAL_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""Connecting fails on these for want of something on this machine."""
_LONGEST_QUOTE = 200
"""Characters of a server's own words that are shown; it may send any number."""


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """What a group of errors means; ``cause`` and ``hint`` may name the fields of ``Receiver``, and its address."""

    types: tuple[type[asyncssh.Error], ...]
    failure: type[errors.Failure]
    cause: str
    hint: str | None = None


_STATUS_RULES = (
    _Rule(
        types=(asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect, asyncssh.SFTPCannotDelete),
        failure=errors.FolderRefused,
        cause="permission denied",
        hint="check that user {username} may do this in folder {remote_dir!r} (destinations.{name}.remote_dir)",
    ),
    _Rule(
        types=(asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory),
        failure=errors.FolderRefused,
        cause="no such file or folder",
        hint="check that folder {remote_dir!r} exists there (destinations.{name}.remote_dir)",
    ),
    _Rule(
        types=(asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded),
        failure=errors.ReceiverRefused,
        cause="no space left on the receiver",
        hint="have space freed there or the quota raised, then retry",
    ),
    _Rule(
        types=(asyncssh.SFTPOpUnsupported,),
        failure=errors.ReceiverRefused,
        cause="the receiver does not support this operation",
    ),
    _Rule(
        types=(asyncssh.SFTPFileAlreadyExists, asyncssh.SFTPFileIsADirectory, asyncssh.SFTPInvalidFilename),
        failure=errors.ReceiverRefused,
        cause="the receiver does not take this name",
        hint="look for what lies there under it",
    ),
    _Rule(
        types=(asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.SFTPEOFError),
        failure=errors.Unreachable,
        cause="connection lost",
    ),
    _Rule(
        types=(asyncssh.SFTPBadMessage,),
        failure=errors.Unreachable,
        cause="the conversation got out of step",
    ),
)
_STATUS_OTHERWISE = _Rule(types=(), failure=errors.Transient, cause="the receiver reports a failure")

_CONNECTION_RULES = (
    _Rule(
        types=(asyncssh.PermissionDenied, asyncssh.IllegalUserName),
        failure=errors.LoginRefused,
        cause="the receiver does not accept our login",
        hint="check that the public key of destinations.{name}.private_key is registered for user {username}",
    ),
    _Rule(
        types=(asyncssh.HostKeyNotVerifiable,),
        failure=errors.HostKeyRefused,
        cause="its host key is not trusted",
        hint="check destinations.{name}.host_keys and known_hosts, also for a key marked @revoked",
    ),
    _Rule(
        types=(asyncssh.KeyExchangeFailed,),
        failure=errors.SessionRefused,
        cause="no common algorithm",
        hint="the server is too old, or allows too little; see: ssh -vv -p {port} {host}",
    ),
    _Rule(
        types=(asyncssh.ProtocolNotSupported,),
        failure=errors.SessionRefused,
        cause="it does not speak SSH 2",
        hint="check destinations.{name}.host and port",
    ),
    _Rule(types=(asyncssh.ConnectionLost,), failure=errors.Unreachable, cause="connection lost"),
    _Rule(types=(asyncssh.ServiceNotAvailable,), failure=errors.Unreachable, cause="it is out of service"),
)
_CONNECTION_OTHERWISE = _Rule(types=(), failure=errors.Unreachable, cause="the receiver hung up")

_HOST_REFUSED = _Rule(
    types=(),
    failure=errors.SessionRefused,
    cause="it does not let this host connect",
    hint="have this machine's public address allowed there",
)
_NO_SESSION = _Rule(
    types=(),
    failure=errors.SessionRefused,
    cause="it does not start an SFTP session",
    hint="check that user {username} may use SFTP there",
)
_BUSY = _Rule(types=(), failure=errors.Unreachable, cause="it has no room for another session")
_BUSY_CODES = frozenset({asyncssh.OPEN_CONNECT_FAILED, asyncssh.OPEN_RESOURCE_SHORTAGE})


_ADDRESS_HINT = "check destinations.{name}.host and port, and the firewalls in between"
_REFUSED = _Rule(types=(), failure=errors.Unreachable, cause="nothing listens at {address}", hint=_ADDRESS_HINT)
_NO_ROUTE = _Rule(
    types=(),
    failure=errors.Unreachable,
    cause="no way leads to {address}",
    hint="check this machine's network, and destinations.{name}.host",
)
_CUT = _Rule(types=(), failure=errors.Unreachable, cause="connection lost")
_NETWORK_RULES = {
    errno.ECONNREFUSED: _REFUSED,
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.ENETUNREACH: _NO_ROUTE,
    errno.ENETDOWN: _NO_ROUTE,
    errno.ECONNRESET: _CUT,
    errno.ECONNABORTED: _CUT,
    errno.EPIPE: _CUT,
}
_NO_ADDRESS_ANSWERS = _Rule(
    # How Python says that a name has several addresses, and each of them failed in its own way: without a number.
    types=(),
    failure=errors.Unreachable,
    cause="no connection can be made to any address of {host}",
    hint=_ADDRESS_HINT,
)
_SILENT = _Rule(
    types=(),
    failure=errors.Unreachable,
    cause="no answer within {timeout_seconds:g} s",
    hint="look at the network and the firewalls between here and {address}",
)
_NAME_UNKNOWN = _Rule(
    types=(),
    failure=errors.Unreachable,
    cause="the name {host} is not known",
    hint="check destinations.{name}.host, and this machine's name server",
)
_NAME_SERVER_AWAY = _Rule(
    types=(),
    failure=errors.Unreachable,
    cause="the name {host} cannot be looked up now",
    hint="check this machine's network and name server (/etc/resolv.conf)",
)


def classify(error: BaseException, operation: str, subject: str, receiver: Receiver) -> errors.Failure:
    """Return ``error``, one of ``FOREIGN_ERRORS``, as a failure of ``operation`` on ``subject``. Pure.

    ``Unreachable`` means that the connection it happened on is of no further use.
    """
    match error:
        case asyncssh.Error():
            return _apply(_find_rule(error), error.reason, operation, subject, receiver)
        case OSError() if error.errno in _LOCAL_ERRNOS:
            return errors.LocalFault(operation, subject, os.strerror(error.errno))
        case OSError():
            return _apply(_find_network_rule(error), "", operation, subject, receiver)
        case _:
            return errors.Unreachable(operation, subject, "the conversation got out of step")


def _find_rule(error: asyncssh.Error) -> _Rule:
    if isinstance(error, asyncssh.ChannelOpenError):
        return _BUSY if error.code in _BUSY_CODES else _NO_SESSION
    if error.code == asyncssh.DISC_HOST_NOT_ALLOWED_TO_CONNECT and isinstance(error, asyncssh.DisconnectError):
        return _HOST_REFUSED
    rules, otherwise = (
        (_STATUS_RULES, _STATUS_OTHERWISE)
        if isinstance(error, asyncssh.SFTPError)
        else (_CONNECTION_RULES, _CONNECTION_OTHERWISE)
    )
    return next((rule for rule in rules if isinstance(error, rule.types)), otherwise)


def _find_network_rule(error: OSError) -> _Rule:
    """Return what ``error`` means; its own text is Python's, for people who write programs."""
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, socket.gaierror):
        return _NAME_SERVER_AWAY if error.errno == socket.EAI_AGAIN else _NAME_UNKNOWN
    if error.errno is None:
        return _NO_ADDRESS_ANSWERS
    otherwise = _Rule(types=(), failure=errors.Unreachable, cause=os.strerror(error.errno), hint=_ADDRESS_HINT)
    return _NETWORK_RULES.get(error.errno, otherwise)


def _apply(rule: _Rule, words: str, operation: str, subject: str, receiver: Receiver) -> errors.Failure:
    facts = {**vars(receiver), "address": receiver.address}
    said, cause = _quote(words), rule.cause.format_map(facts)
    if said and said.casefold() != cause.casefold():
        cause = f"{cause} ({said})"
    hint = rule.hint and rule.hint.format_map(facts)
    return rule.failure(operation, subject, cause, hint=hint)


def _quote(words: str) -> str:
    """Return a stranger's words fit for one line of a log: printable, one line, short."""
    shown = "".join(character if character.isprintable() else " " for character in words)
    return " ".join(shown.split())[:_LONGEST_QUOTE].rstrip(".")
