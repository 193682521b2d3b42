"""Whether a run should wait for files that lie in staging and are not complete yet: decided here, waited elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.intake.intake import Scan
from sftp_orchestrator.ledger.records import Source

GATHER_SECONDS = 600.0
"""How long a run waits at most: a file that never comes to rest must not hold up the others for ever."""


class Gathering:
    """Remembers what scans found of one destination's files. Times are seconds of one monotonic clock."""

    def __init__(self, feeds: Mapping[str, Feed]) -> None:
        """``feeds`` are those of the destination."""
        self._feeds = feeds
        self._at_start: set[bytes] | None = None
        self._started: float = 0.0
        self._settling_since: float | None = None
        """since when profiles have been arriving without a pause"""
        self.is_settling = False
        """files lie in staging that time alone will make complete"""

    def note(self, scan: Scan, *, now: float) -> None:
        """Take in what a scan found."""
        # Without a time to wait, a file waits for its marker: nobody knows how long.
        found = scan.waiting if scan.wait_seconds is not None else ()
        waiting = [(candidate, feed) for candidate, feed in found if feed in self._feeds]
        self.is_settling = bool(waiting)
        paths = {candidate.relative_path for candidate, _ in waiting}
        if self._at_start is None:
            self._at_start, self._started = paths, now
        else:
            self._at_start &= paths
        if not any(self._feeds[feed].type is FeedType.PROFILE for _, feed in waiting):
            self._settling_since = None
        elif self._settling_since is None:
            self._settling_since = now

    def has_taken_stock(self, *, now: float) -> bool:
        """Return whether what lay in staging at the start is claimed: only then can a missed tick be made up for."""
        if self._at_start is None:
            return False
        return not self._at_start or now - self._started >= GATHER_SECONDS

    def must_wait(self, due: Sequence[Source], *, now: float) -> bool:
        """Return whether events should wait for profiles that were dropped beside them and are not complete yet."""
        if self._settling_since is None or all(source.type is FeedType.PROFILE for source in due):
            return False
        return now - self._settling_since < GATHER_SECONDS
