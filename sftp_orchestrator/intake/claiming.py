"""Makes complete files ours: intents into the ledger, one rename each into the workspace, outcomes into the ledger.

Where staging lies on another file system the rename becomes copy, compare, remove. What became of a claim is judged
from what lies where (``judging``), in a running daemon as after a crash: there is one way for both.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination import names
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault, NoSpace
from sftp_orchestrator.intake.claim_files import HINT, ClaimFiles
from sftp_orchestrator.intake.hindrances import Hindrances, is_of_this_machine
from sftp_orchestrator.intake.judging import Step
from sftp_orchestrator.intake.staging import Candidate, Staging
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source, display_path
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()

CLAIMS_AT_ONCE = 200
"""Concluded together: the disk and the ledger are asked once for all of them, and a stop waits for no more."""
CLAIM_SECONDS = 1.0
"""After this time those that were taken are concluded, however few they are: nobody waits for a copy behind them."""


class Claimer:
    """Turns candidates into sources. Once it is told to stop it begins nothing more and drops the copy under way."""

    def __init__(
        self,
        configuration: Configuration,
        staging: Staging,
        workspace: Workspace,
        ledger: Ledger,
        supervision: Supervision,
    ) -> None:
        self._configuration = configuration
        self._ledger = ledger
        self._stop = supervision.stop
        self._beat = supervision.beat
        self._files = ClaimFiles(staging, workspace, supervision)
        self._begun: dict[str, Claim] = {}
        """by source id: what the ledger knows as intents, as far as we know"""
        self._hindrances = Hindrances(configuration, ledger)

    def claim_all(
        self,
        matched: Sequence[tuple[Candidate, str]],
        *,
        staged: AbstractSet[bytes],
        may_go_on: Callable[[], bool] = lambda: True,
        note: Callable[[Source], None] = lambda _: None,
    ) -> int:
        """Claim complete files with the feed each belongs to, in this order; return how many became ours.

        ``staged`` are the paths of all files in staging that fit a feed, complete or not. ``note`` is told of each that
        became ours; none is kept here, for there may be 100,000 of them, and the ledger has all.

        A file that changed or vanished since it was looked at stays where it is, without an error; one that cannot be
        claimed, with a warning; and so do events behind profiles for which there is no space. What an earlier call
        could not conclude is concluded first. ``may_go_on`` is asked between batches, none of which has more than one
        long copy; those that are left stay in staging.

        Raises:
            LocalFault: this machine stands in the way of any file; what was begun and not acted on is forgotten.
        """
        self._hindrances.begin(staged | {claim.relative_path for claim in self._begun.values()})
        claimed = _tell_all(note, self._conclude_begun())
        busy = {claim.relative_path for claim in self._begun.values()}
        coming = self._make_claims(match for match in matched if match[0].relative_path not in busy)
        left: deque[Claim] = deque()
        try:
            while not self._stop.is_set() and may_go_on() and (left or self._begin(left, coming)):
                claimed += _tell_all(note, self._claim_some(left))
        finally:
            self._abandon(left)
            self._hindrances.note_all()
        return claimed

    def find_hindrance(self) -> LocalFault | None:
        """Return why files could not be claimed, as the first of them tells; None where all could."""
        return self._hindrances.find_failure()

    def recover(self) -> list[Source]:
        """Finish or forget every claim whose outcome is not noted; part of every start, may be repeated.

        A claim about which this cannot be told now is warned of and stays for the next scan or start; so do those that
        are left when a stop comes in between.

        Raises:
            LocalFault: this machine stands in the way of any claim.
        """
        # As they were claimed, as far as that can be told: the order in which they are noted is that of arrival.
        found = sorted(
            self._ledger.sources.list_claims(),
            key=lambda claim: (claim.type is not FeedType.PROFILE, claim.relative_path),
        )
        self._begun = {claim.source_id: claim for claim in found}
        return self._conclude_begun()

    def _begin(self, left: deque[Claim], coming: Iterator[Claim]) -> bool:
        """Note the intent to claim the next few; return whether there are any."""
        left.extend(itertools.islice(coming, CLAIMS_AT_ONCE))
        if left:
            self._begun |= {claim.source_id: claim for claim in left}
            self._ledger.sources.begin_claims(left)
        return bool(left)

    def _make_claims(self, matched: Iterable[tuple[Candidate, str]]) -> Iterator[Claim]:
        """Yield the claims of those that we may take out of their folders, until a stop."""
        device: int | None = None
        for candidate, feed in matched:
            if self._stop.is_set():
                return
            self._beat()
            if self._hindrances.keeps_back(candidate.relative_path, feed):
                continue
            self._hindrances.note_try(candidate.relative_path)
            device = device if device is not None else self._files.find_device()
            try:
                self._files.require_removable(candidate.relative_path)
                self._files.require_room(candidate, device)
                marker = self._files.identify_marker(candidate.relative_path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, NoSpace) as error:
                self._hindrances.tell(candidate.relative_path, feed, error)
                continue
            yield self._make_claim(candidate, feed, marker)

    def _make_claim(self, candidate: Candidate, feed: str, marker: str | None) -> Claim:
        return Claim(
            source_id=names.make_short_id(),
            feed=feed,
            type=self._configuration.feeds[feed].type,
            destination=self._configuration.get_destination_name(feed),
            relative_path=candidate.relative_path,
            device=candidate.device,
            inode=candidate.inode,
            size=candidate.size,
            mtime_ns=candidate.mtime_ns,
            marker=marker,
        )

    def _claim_some(self, left: deque[Claim]) -> list[Source]:
        """Act on the next intents and conclude them together; those that failed stay in staging."""
        taken: list[Claim] = []
        failures: dict[str, OSError | LocalFault] = {}
        until = time.monotonic() + CLAIM_SECONDS
        while left and len(taken) < CLAIMS_AT_ONCE and time.monotonic() < until and not self._stop.is_set():
            claim = left.popleft()
            taken.append(claim)
            self._beat()
            if self._hindrances.keeps_back(claim.relative_path, claim.feed):
                continue
            try:
                self._files.take(claim)
            except (OSError, LocalFault) as error:
                failures[claim.source_id] = error
                if isinstance(error, NoSpace):
                    self._hindrances.note_lack(claim.relative_path, claim.feed)
                if is_of_this_machine(error):
                    break
        sources = self._conclude(taken)
        ours = {source.id for source in sources}
        for claim in taken:
            if claim.source_id in failures and claim.source_id not in ours:
                self._hindrances.tell(claim.relative_path, claim.feed, failures[claim.source_id])
        return sources

    def _conclude_begun(self) -> list[Source]:
        begun = list(self._begun.values())
        sources: list[Source] = []
        for start in range(0, len(begun), CLAIMS_AT_ONCE):
            if self._stop.is_set():
                break
            sources += self._conclude(begun[start : start + CLAIMS_AT_ONCE])
        return sources

    def _conclude(self, claims: Sequence[Claim]) -> list[Source]:
        """Finish or forget claims, all of them in one go; what cannot be concluded now stays begun, and is told."""
        outcomes: dict[Step, list[Claim]] = {step: [] for step in Step}
        failures: list[tuple[Claim, OSError]] = []
        for claim in claims:
            self._beat()
            try:
                step, failure = self._settle(claim)
                outcomes[step].append(claim)
            except OSError as error:
                failure = error
            if failure is not None:
                failures.append((claim, failure))
                if is_of_this_machine(failure):
                    break
        sources = self._finish(outcomes[Step.FINISH])
        self._abandon(outcomes[Step.FORGET])
        for claim, failure in failures:
            self._hindrances.tell(claim.relative_path, claim.feed, failure)
        return sources

    def _settle(self, claim: Claim) -> tuple[Step, OSError | None]:
        """Return how a claim ends, with its files where they belong then, and why the original had to stay."""
        step, refusal = self._files.settle(claim)
        if step is Step.FINISH and not self._files.secure(claim):
            step = Step.WAIT
        elif step is Step.FORGET:
            self._files.drop(claim)
        return step, refusal

    def _finish(self, claims: Sequence[Claim]) -> list[Source]:
        """Note the files that are ours; from here on their producers may take the names again."""
        if not claims:
            return []
        with files.as_local_fault("claim", f"{len(claims)} files", hint=HINT):
            self._files.secure_names(claims)
        for claim in claims:
            self._remove_marker(claim)
        sources = self._ledger.sources.finish_claims(claims)
        for source in sources:
            self._begun.pop(source.id, None)
            self._hindrances.note_claimed(source.relative_path)
            _LOG.info("source_claimed", source=source.id, feed=source.feed, file=source.name, size=source.size)
        return sources

    def _remove_marker(self, claim: Claim) -> None:
        try:
            self._files.remove_marker(claim)
        except OSError as error:
            # The file is ours all the same; but a later one of its name would count as complete at once.
            _LOG.warning("marker_left", file=display_path(claim.relative_path), reason=_explain(error))

    def _abandon(self, claims: Sequence[Claim]) -> None:
        """Note that these files did not become ours; nothing of them lies in the workspace."""
        self._ledger.sources.abandon_claims(claims)
        for claim in claims:
            self._begun.pop(claim.source_id, None)


def _tell_all(note: Callable[[Source], None], sources: Sequence[Source]) -> int:
    for source in sources:
        note(source)
    return len(sources)


def _explain(error: OSError) -> str:
    return error.strerror or type(error).__name__
