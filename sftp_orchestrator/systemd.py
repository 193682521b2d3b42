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

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}
"""By level of the log; syslog(3)'s numbers, which the journal reads from a line's begin (sd-daemon(3))."""


def notify(*lines: str) -> None:
    """Tell systemd about our state (sd_notify(3)); nothing happens where it did not start us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(("\0" + address[1:]) if address.startswith("@") else address)
        channel.sendall("\n".join(lines).encode())


def notify_reloading() -> None:
    """Tell systemd that the configuration is being read anew; ``READY=1`` ends it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def get_watchdog_seconds(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return after how much silence systemd kills us (sd_watchdog_enabled(3)); None where it does not watch us."""
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000


async def feed_watchdog(list_stuck: Callable[[], Sequence[str]], seconds: float) -> None:
    """Tell systemd that we live, twice as often as it wants to hear; not while any station is stuck.

    So a daemon whose event loop hangs is killed, and so is one that turns but gets nowhere: starting anew is recovering.
    """
    told: Sequence[str] = ()
    while True:
        stuck = list_stuck()
        if not stuck:
            notify("WATCHDOG=1")
        elif stuck != told:
            _LOG.error("watchdog_not_fed", stuck=list(stuck), killed_within_seconds=round(seconds))
        told = stuck
        await asyncio.sleep(seconds / 2)


def is_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written to ``stream`` goes to the journal (``$JOURNAL_STREAM``, systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def add_priority(_logger: object, method: str, line: str) -> str:
    """Return a line of the log with its priority before it, which the journal takes off. For structlog, as the last."""
    return f"<{_PRIORITIES.get(method, 6)}>{line}"
