"""Why complete files cannot be claimed: told once for each reason, and noted for people as long as it is so."""

from __future__ import annotations

import datetime
import errno
import itertools
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import structlog

from sftp_orchestrator.config.model import BlockedProfiles, Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import LocalFault, NoSpace
from sftp_orchestrator.intake.claim_files import HINT
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Untaken, display_path

_LOG = structlog.get_logger()

MOST_NOTED = 200
"""Where so many files cannot be claimed, few reasons stand behind them, and nobody reads more."""
_MACHINE_FAULTS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENODEV,
        errno.ENOTCONN,
    }
)
"""What the next file would meet as well. Anything else (permission, a name too long, a mount point) is one file's."""


class Hindrances:
    """What kept files from being claimed when it was last tried. Blocking, as the intake is."""

    def __init__(self, configuration: Configuration, ledger: Ledger) -> None:
        self._configuration = configuration
        self._ledger = ledger
        self._reasons: dict[bytes, tuple[str, str]] = {}
        """by path: feed and reason, in the order in which they were tried last"""
        self._kept_back: dict[bytes, tuple[str, str]] = {}
        """the same of events that stay for the sake of others"""
        self._told: dict[bytes, str] = {}
        """by path: the reason that the log has"""
        self._noted: list[Untaken] | None = None
        """what the ledger has; None as long as nobody looked"""
        self._tried = set[bytes]()
        """in this scan"""
        self._lacking: dict[str, str] = {}
        """by destination: the profiles, by name, for which there is no space, and which events must not overtake"""

    def begin(self, staged: AbstractSet[bytes]) -> None:
        """Forget what was said of others than those in staging, where a scan begins; of these, until they are tried.

        What the process before us noted counts as well. Raises ``LocalFault``.
        """
        if self._noted is None:
            self._noted = self._ledger.untaken.list_all()
            self._reasons = {one.relative_path: (one.feed, one.reason) for one in self._noted} | self._reasons
        known = self._reasons | self._kept_back
        self._reasons = {path: said for path, said in known.items() if path in staged}
        self._told = {path: reason for path, reason in self._told.items() if path in staged}
        self._kept_back, self._lacking, self._tried = {}, {}, set()

    def note_try(self, relative_path: bytes) -> None:
        """Forget what was said of a file that is tried now."""
        self._tried.add(relative_path)
        self._reasons.pop(relative_path, None)

    def tell(self, relative_path: bytes, feed: str, failure: OSError | LocalFault) -> None:
        """Warn of what is one file's, once for each reason.

        Raises:
            LocalFault: it is this machine's, and stands in the way of any file.
        """
        reason = _explain(failure)
        self._reasons[relative_path] = (feed, reason)
        self._tried.add(relative_path)
        if is_of_this_machine(failure):
            if isinstance(failure, LocalFault):
                raise failure
            raise LocalFault("claim", display_path(relative_path), reason, hint=HINT) from failure
        if isinstance(failure, NoSpace):
            self.note_lack(relative_path, feed)
        if self._told.get(relative_path) != reason:
            self._told[relative_path] = reason
            _LOG.warning("claim_failed", file=display_path(relative_path), reason=reason)

    def note_claimed(self, relative_path: bytes) -> None:
        """Forget all of a file that is ours now: a later one may have its name."""
        self._reasons.pop(relative_path, None)
        self._told.pop(relative_path, None)

    def keeps_back(self, relative_path: bytes, feed: str) -> bool:
        """Return whether a file of events stays, so that it does not overtake profiles for which there is no space."""
        destination = self._configuration.get_destination_name(feed)
        if self._configuration.feeds[feed].type is FeedType.PROFILE or destination not in self._lacking:
            return False
        reason = f"waits for the profiles of {self._lacking[destination]}, which cannot be taken yet"
        self._reasons.pop(relative_path, None)
        self._kept_back[relative_path] = (feed, reason)
        return True

    def note_lack(self, relative_path: bytes, feed: str) -> None:
        """Note that there is no space for a file: from now on no events are claimed that must not overtake it."""
        destination = self._configuration.get_destination_name(feed)
        policy = self._configuration.destinations[destination].blocked_profiles
        if self._configuration.feeds[feed].type is FeedType.PROFILE and policy is BlockedProfiles.HOLD:
            self._lacking.setdefault(destination, display_path(relative_path))

    def note_all(self) -> None:
        """Have the ledger know what is so now, for people to see; raises ``LocalFault``."""
        noted = self._noted or []
        since = {self._identify(one.relative_path, one.feed, one.reason): one.since for one in noted}
        now = datetime.datetime.now(datetime.UTC)
        found = [
            Untaken(
                relative_path=path,
                feed=feed,
                reason=reason,
                since=since.get(self._identify(path, feed, reason), now),
            )
            for path, (feed, reason) in itertools.islice(self._list_all(), MOST_NOTED)
        ]
        if found != noted:
            self._ledger.untaken.replace(found)
            self._noted = found

    def _identify(self, relative_path: bytes, feed: str, reason: str) -> tuple[bytes, str, str]:
        """Return what stays the same while a file is kept back: for whose sake may change from scan to scan."""
        return (relative_path, feed, "" if relative_path in self._kept_back else reason)

    def find_failure(self) -> LocalFault | None:
        """Return what kept the first of them from being claimed, as a failure of the pass; None where nothing did."""
        looked_at = self._tried | self._kept_back.keys()
        failed = [(path, reason) for path, (_, reason) in self._list_all() if path in looked_at]
        if not failed:
            return None
        (path, reason), *others = failed
        more = f"; {len(others):,} more file{'s' * (len(others) != 1)} cannot be taken" if others else ""
        return LocalFault("take in", display_path(path), f"{reason}{more}")

    def _list_all(self) -> Iterator[tuple[bytes, tuple[str, str]]]:
        return itertools.chain(self._reasons.items(), self._kept_back.items())


def is_of_this_machine(failure: OSError | LocalFault) -> bool:
    """Return whether the next file would meet the same. Pure."""
    if isinstance(failure, LocalFault):
        return not isinstance(failure, NoSpace)
    return failure.errno in _MACHINE_FAULTS


def _explain(failure: OSError | LocalFault) -> str:
    if isinstance(failure, LocalFault):
        return f"{failure.cause}; {failure.hint}" if failure.hint else failure.cause
    return failure.strerror or type(failure).__name__
