"""Why complete files cannot be claimed: told once for each reason, and noted for people as long as it is so."""

from __future__ import annotations

import datetime
import errno
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
        """by path: feed and reason, in the order of the claims"""
        self._noted: list[Untaken] | None = None
        """what the ledger has; None as long as nobody looked"""
        self._lacking: dict[str, str] = {}
        """by destination: the profiles, by name, for which there is no space, and which events must not overtake"""

    def begin(self, paths: AbstractSet[bytes]) -> None:
        """Forget what was said of others than ``paths``, which are tried anew."""
        self._reasons = {path: said for path, said in self._reasons.items() if path in paths}
        self._lacking = {}

    def tell(self, relative_path: bytes, feed: str, failure: OSError | LocalFault) -> None:
        """Warn of what is one file's, once for each reason.

        Raises:
            LocalFault: it is this machine's, and stands in the way of any file.
        """
        reason = _explain(failure)
        was_told = self._reasons.get(relative_path) == (feed, reason)
        self._reasons[relative_path] = (feed, reason)
        if is_of_this_machine(failure):
            if isinstance(failure, LocalFault):
                raise failure
            raise LocalFault("claim", display_path(relative_path), reason, hint=HINT) from failure
        if isinstance(failure, NoSpace):
            self._note_lacking(relative_path, feed)
        if not was_told:
            _LOG.warning("claim_failed", file=display_path(relative_path), reason=reason)

    def note_claimed(self, relative_path: bytes) -> None:
        """Forget what was said of a file that is ours now."""
        self._reasons.pop(relative_path, None)

    def keeps_back(self, relative_path: bytes, feed: str) -> bool:
        """Return whether a file of events stays, so that it does not overtake profiles for which there is no space."""
        destination = self._configuration.get_destination_name(feed)
        if self._configuration.feeds[feed].type is FeedType.PROFILE or destination not in self._lacking:
            return False
        reason = f"waits for the profiles of {self._lacking[destination]}, which cannot be taken yet"
        self._reasons[relative_path] = (feed, reason)
        return True

    def _note_lacking(self, relative_path: bytes, feed: str) -> None:
        destination = self._configuration.get_destination_name(feed)
        policy = self._configuration.destinations[destination].blocked_profiles
        if self._configuration.feeds[feed].type is FeedType.PROFILE and policy is BlockedProfiles.HOLD:
            self._lacking.setdefault(destination, display_path(relative_path))

    def note_all(self) -> None:
        """Have the ledger know what is so now, for people to see; raises ``LocalFault``."""
        if self._noted is None:
            self._noted = self._ledger.untaken.list_all()
        since = {(one.relative_path, one.feed, one.reason): one.since for one in self._noted}
        now = datetime.datetime.now(datetime.UTC)
        found = [
            Untaken(relative_path=path, feed=feed, reason=reason, since=since.get((path, feed, reason), now))
            for path, (feed, reason) in list(self._reasons.items())[:MOST_NOTED]
        ]
        if found != self._noted:
            self._ledger.untaken.replace(found)
            self._noted = found

    def find_failure(self) -> LocalFault | None:
        """Return what kept the first of them from being claimed, as a failure of the pass; None where nothing did."""
        for path, (_, reason) in self._reasons.items():
            more = f"; {len(self._reasons) - 1:,} more files cannot be taken" if len(self._reasons) > 1 else ""
            return LocalFault("take in", display_path(path), f"{reason}{more}")
        return None


def is_of_this_machine(failure: OSError | LocalFault) -> bool:
    """Return whether the next file would meet the same. Pure."""
    if isinstance(failure, LocalFault):
        return not isinstance(failure, NoSpace)
    return failure.errno in _MACHINE_FAULTS


def _explain(failure: OSError | LocalFault) -> str:
    if isinstance(failure, LocalFault):
        return f"{failure.cause}; {failure.hint}" if failure.hint else failure.cause
    return failure.strerror or type(failure).__name__
