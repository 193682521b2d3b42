"""Holds what all connections to one destination send together to a rate, which may change at any time.

A token bucket of our own: aiolimiter's rate is fixed and its burst a whole period's worth, and it lets the smallest of
those who wait go first, so that the end of a file overtakes without end. Here the rate is asked for at each turn, a
burst is a quarter of a second, and turns are given in the order of asking.

What counts is what goes into the TCP connection: SSH's and SFTP's own bytes, too, but for the few thousand of a login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from sftp_orchestrator.config.bandwidth import watch_limit
from sftp_orchestrator.config.model import Configuration

BURST_SECONDS = 0.25
"""What was not sent may be made up for within so long: a loop that is busy elsewhere wakes late."""
SLICE_SECONDS = 0.05
"""A write is as large as goes in this time: whoever waits for its turn, such as a manifest, waits not much longer."""
SMALLEST_SLICE_BYTES = 1024
"""Below this a write is mostly head."""
LOOK_SECONDS = 1.0
"""Whoever waits looks at least so often whether another limit holds."""

WRITE_HEAD_BYTES = 40
"""Of an SFTP write (draft-ietf-secsh-filexfer-02, section 6.4)."""
PACKET_BYTES = 32 * 1024
"""What OpenSSH and most others take as one SSH packet …"""
PACKET_HEAD_BYTES = 40
"""… and what each adds: lengths, type, channel, padding, and the tag that authenticates it (RFC 4253, section 6)."""
REQUEST_BYTES = 150
"""Of any other operation, with the names that we give."""

_LOG = structlog.get_logger()


class Bucket:
    """Fills at ``rate`` bytes per second; who takes may leave it in debt, and the next waits for that. Pure.

    Moments are seconds of any clock that never goes back.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._at = now
        self._level = 0.0

    def fill(self, now: float) -> None:
        """Let in what came until ``now``."""
        self._level = min(self._level + self._rate * (now - self._at), self._rate * BURST_SECONDS)
        self._at = now

    def get_wait(self, now: float) -> float:
        """Return for how many seconds nothing may be taken."""
        self.fill(now)
        return max(-self._level / self._rate, 0.0)

    def take(self, size: float) -> None:
        """Take ``size`` bytes."""
        self._level -= size

    @property
    def slice_bytes(self) -> int:
        """The most that is taken at once."""
        return max(int(self._rate * SLICE_SECONDS), SMALLEST_SLICE_BYTES)


class Throttle:
    """One for each destination, shared by its connections; ``get_limit`` gives bytes per second, None for no limit."""

    def __init__(
        self, destination: str, get_limit: Callable[[], float | None], clock: Callable[[], float] | None = None
    ) -> None:
        self._destination = destination
        self._get_limit = get_limit
        self._clock = clock or asyncio.get_running_loop().time
        self._limit: float | None = None
        self._bucket: Bucket | None = None
        self._turn = asyncio.Lock()

    @classmethod
    def of(cls, configuration: Configuration, name: str) -> Throttle | None:
        """Return the throttle of the destination ``name``, None where it is never limited."""
        bandwidth = configuration.destinations[name].bandwidth
        return cls(name, watch_limit(bandwidth, configuration.zone)) if bandwidth is not None else None

    async def take(self, most: int) -> int:
        """Wait for a turn; return how many bytes, ``most`` at most, may be written now in one write."""
        # Whoever holds the lock is next; it is given in the order of asking.
        async with self._turn:
            while True:
                bucket = self._get_bucket()
                if bucket is None:
                    return most
                seconds = bucket.get_wait(self._clock())
                if not seconds:
                    size = min(most, bucket.slice_bytes)
                    bucket.take(count_wire_bytes(size))
                    return size
                await asyncio.sleep(min(seconds, LOOK_SECONDS))

    def note_request(self) -> None:
        """Count an operation that is sent without waiting: who writes next waits for it."""
        bucket = self._get_bucket()
        if bucket is not None:
            bucket.fill(self._clock())
            bucket.take(REQUEST_BYTES)

    def _get_bucket(self) -> Bucket | None:
        """Return the bucket of the limit in force; another limit begins with neither credit nor debt."""
        limit = self._get_limit()
        if limit != self._limit:
            self._limit = limit
            self._bucket = Bucket(limit, self._clock()) if limit is not None else None
            _LOG.info("bandwidth_limited", destination=self._destination, bytes_per_second=limit)
        return self._bucket


def count_wire_bytes(size: int) -> int:
    """Return how many bytes a write of ``size`` puts into the TCP connection, nearly. Pure."""
    return size + WRITE_HEAD_BYTES + PACKET_HEAD_BYTES * -(-size // PACKET_BYTES)
