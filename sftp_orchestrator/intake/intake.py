"""The intake: looks at staging, waits until files are complete, and claims them for their feeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.claiming import Claimer
from sftp_orchestrator.intake.matching import explain_mismatch, list_matching_feeds
from sftp_orchestrator.intake.pausing import Pausing, Room
from sftp_orchestrator.intake.settling import Settler
from sftp_orchestrator.intake.staging import Candidate, Look, Obstacle, Staging
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source, display_path
from sftp_orchestrator.measuring import Stage
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One look at staging, told apart by feed."""

    matched: tuple[tuple[Candidate, str], ...]
    """files with the one feed that each fits"""
    left_alone: tuple[Obstacle, ...]
    """what is not taken: no plain file, no feed, or several feeds"""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What one scan did."""

    claimed: int
    """how many files became ours: the ledger has them, and of 100,000 none is kept here"""
    waiting: tuple[tuple[Candidate, str], ...]
    """files that fit a feed and are not complete yet"""
    wait_seconds: float | None
    """until the next of them can be complete; None where none can by waiting"""
    left_alone: int = 0
    """files that are not taken"""
    pause: Room | None = None
    """why nothing, or nothing more, was claimed; None where the intake is not paused"""
    hindrance: LocalFault | None = None
    """what kept a complete file, the first of those there are, from being claimed"""


def open_staging(configuration: Configuration) -> Staging:
    """Return the producers' folder as the configuration describes it."""
    return Staging(
        configuration.staging, ignore=configuration.intake.ignore, ready_marker=configuration.intake.ready_marker
    )


def survey(look: Look, configuration: Configuration) -> Survey:
    """Tell apart what a look at staging found. Pure."""
    matched: list[tuple[Candidate, str]] = []
    left_alone = list(look.obstacles)
    for candidate in look.candidates:
        feeds = list_matching_feeds(candidate.relative_path, configuration.feeds)
        if len(feeds) == 1:
            matched.append((candidate, feeds[0]))
        else:
            left_alone.append(
                Obstacle(relative_path=candidate.relative_path, reason=explain_mismatch(feeds, configuration.feeds))
            )
    return Survey(matched=tuple(matched), left_alone=tuple(left_alone))


class Intake:
    """Scans staging. Blocking: call it in a thread from async code, one call at a time.

    Once it is told to stop, no further file is claimed, and the copy of one under way is dropped within a chunk.
    """

    def __init__(
        self,
        configuration: Configuration,
        workspace: Workspace,
        ledger: Ledger,
        supervision: Supervision | None = None,
    ) -> None:
        self._configuration = configuration
        self._staging = open_staging(configuration)
        supervision = supervision or Supervision()
        self._measures = supervision.board.measures
        self._claimer = Claimer(configuration, self._staging, workspace, ledger, supervision)
        self._settler = Settler(
            settle_seconds=configuration.intake.settle_seconds,
            by_marker=configuration.intake.ready_marker is not None,
        )
        self._pausing = Pausing(configuration)
        self._warned: set[Obstacle] = set()

    def recover(self) -> list[Source]:
        """Finish or forget the claims that a crash interrupted; part of every start. Raises ``LocalFault``."""
        return self._claimer.recover()

    def scan(self, note: Callable[[Source], None] = lambda _: None) -> Scan:
        """Look at staging once and claim what is complete, profiles first, then by name; nothing while paused.

        ``note`` is told of each that became ours. A file that cannot be claimed is warned of once and stays; it is
        tried at every scan, and hinders no other, but for events behind profiles for which there is no space.

        Raises:
            LocalFault: staging or workspace cannot be read or written.
        """
        found = survey(self._staging.look(), self._configuration)
        self._warn_once(found.left_alone)
        feed_of = {candidate.relative_path: feed for candidate, feed in found.matched}
        now = time.monotonic()
        settled = self._settler.observe((candidate for candidate, _ in found.matched), now=now)
        complete = sorted(
            ((candidate, feed_of[candidate.relative_path]) for candidate in settled.complete),
            key=lambda match: (
                self._configuration.feeds[match[1]].type is not FeedType.PROFILE,
                match[0].relative_path,
            ),
        )
        room = self._pausing.look()

        def note_claim(source: Source) -> None:
            seconds = self._settler.get_seen_seconds(source.relative_path, now=now)
            self._measures.note_stage(Stage.SETTLE, seconds)
            note(source)

        claimed = self._claimer.claim_all(
            [] if room.is_paused else complete, staged=feed_of.keys(), may_go_on=self._may_go_on, note=note_claim
        )
        room = self._pausing.look()
        return Scan(
            claimed=claimed,
            waiting=tuple((candidate, feed_of[candidate.relative_path]) for candidate in settled.waiting),
            wait_seconds=self._settler.get_wait_seconds(now=now) if settled.waiting else None,
            left_alone=len(found.left_alone),
            pause=room if room.is_paused else None,
            hindrance=self._claimer.find_hindrance(),
        )

    def _may_go_on(self) -> bool:
        return not self._pausing.look().is_paused

    def _warn_once(self, left_alone: tuple[Obstacle, ...]) -> None:
        for obstacle in left_alone:
            if obstacle not in self._warned:
                _LOG.warning("file_left_alone", file=display_path(obstacle.relative_path), reason=obstacle.reason)
        self._warned = set(left_alone)
