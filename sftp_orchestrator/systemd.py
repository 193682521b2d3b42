"""What systemd is told of the service, and what it asks for: readiness, the watchdog, priorities in its journal."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

import structlog

_LOG = structlog.get_logger()

STATUS_SECONDS = 10.0
"""How often it is told what is under way."""
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}
"""By level of the log; syslog(3)'s numbers, which the journal reads from a line's begin (sd-daemon(3))."""


def notify(*lines: str) -> None:
    """Tell systemd about our state (sd_notify(3)); nothing happens where it did not start us."""
    error = _send(lines)
    if error is not None:
        _tell_deaf(lines[0], error)


def _send(lines: Sequence[str]) -> OSError | None:
    """Send it to systemd; return why that did not work."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(("\0" + address[1:]) if address.startswith("@") else address)
            channel.sendall("\n".join(lines).encode())
    except OSError as error:
        return error
    return None


def _tell_deaf(told: str, error: OSError) -> None:
    # What we do does not hang on it; and what it does without, such as the watchdog, it says itself.
    _LOG.warning("systemd_not_told", told=told, error=error.strerror or str(error))


def notify_reloading() -> None:
    """Tell systemd that the configuration is being read anew; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def get_watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return after how much silence systemd kills us (sd_watchdog_enabled(3)); None where it does not watch us."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000


async def keep_told(list_stuck: Callable[[], Sequence[str]], describe: Callable[[], str]) -> None:
    """Tell systemd what is under way, and that we live, twice as often as it wants to hear it; not while one is stuck.

    So a daemon that hangs is killed, and so is one that turns and gets nowhere: starting anew is recovering. Where it
    cannot be told, the log has it once, until it can be again.
    """
    patience = get_watchdog_seconds()
    told: Sequence[str] = ()
    was_deaf = False
    while "NOTIFY_SOCKET" in os.environ:
        stuck = list_stuck()
        lines = [f"STATUS={describe()}", *([] if stuck or patience is None else ["WATCHDOG=1"])]
        error = _send(lines)
        if error is not None and not was_deaf:
            _tell_deaf(lines[0], error)
        was_deaf = error is not None
        if stuck and stuck != told and patience is not None:
            _LOG.error("watchdog_not_fed", stuck=list(stuck), killed_within_seconds=round(patience))
        told = stuck
        await asyncio.sleep(min(STATUS_SECONDS, (patience or STATUS_SECONDS) / 2))


def is_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written to ``stream`` goes to the journal (``$JOURNAL_STREAM``, systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def get_priority(level: str) -> str:
    """Return what stands before a line of the log, which the journal takes off. Pure."""
    return f"<{_PRIORITIES.get(level, 6)}>"
