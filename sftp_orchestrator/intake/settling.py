"""When a file is complete: compared with its own last sample, by the monotonic clock, so that no wall clock matters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sftp_orchestrator.intake.staging import Candidate


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The candidates of one look, told apart."""

    complete: tuple[Candidate, ...]
    waiting: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    candidate: Candidate
    since: float
    """when it was seen so first"""
    seen: float
    """when anything was seen first at this path"""


class Settler:
    """Remembers each file's last sample; a file is complete when its sample stayed the same long enough."""

    def __init__(self, *, settle_seconds: float, by_marker: bool) -> None:
        self._settle_seconds = settle_seconds
        self._by_marker = by_marker
        self._samples: dict[bytes, _Sample] = {}
        self._waiting_since: float | None = None

    def observe(self, candidates: Iterable[Candidate], *, now: float) -> Settled:
        """Take the samples of one look at the monotonic time ``now`` (seconds); files not seen are forgotten."""
        before, self._samples = self._samples, {}
        complete: list[Candidate] = []
        waiting: list[Candidate] = []
        for candidate in candidates:
            last = before.get(candidate.relative_path)
            if last is None or last.candidate.sample != candidate.sample:
                last = _Sample(candidate=candidate, since=now, seen=last.seen if last is not None else now)
            self._samples[candidate.relative_path] = last
            done = candidate.has_marker if self._by_marker else now - last.since >= self._settle_seconds
            (complete if done else waiting).append(candidate)
        # A complete one that could not be claimed is seen again: its time is over and says nothing about the others.
        self._waiting_since = min((self._samples[one.relative_path].since for one in waiting), default=None)
        return Settled(complete=tuple(complete), waiting=tuple(waiting))

    def get_seen_seconds(self, relative_path: bytes, *, now: float) -> float:
        """Return for how long a file of the last look was seen, however it changed; 0 for one that was not."""
        sample = self._samples.get(relative_path)
        return now - sample.seen if sample is not None else 0.0

    def get_wait_seconds(self, *, now: float) -> float | None:
        """Return how long until the next waiting file can be complete; None where none can by waiting."""
        if self._by_marker or self._waiting_since is None:
            return None
        return max(0.0, self._waiting_since + self._settle_seconds - now)
