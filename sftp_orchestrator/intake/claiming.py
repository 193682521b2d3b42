"""Makes a complete file ours: intent into the ledger, one rename into the workspace, outcome into the ledger.

Where staging lies on another file system the rename becomes copy, compare, unlink. What became of a claim is told by
what lies in the workspace alone, in a running daemon as after a crash: ``source.copied`` = a whole copy, whose original
may still be there; ``source.csv`` = ours; neither = the file still lies in staging, and the claim is forgotten.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination import names
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.copying import copy_original, is_same
from sftp_orchestrator.intake.staging import Candidate, Staging, open_folder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source, display_path
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_tree

_LOG = structlog.get_logger()
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
_HINT = "staging and workspace must be writable for us, with space for the file"


class Claimer:
    """Turns candidates into sources. Once ``stop`` is set it begins nothing more and drops the copy under way."""

    def __init__(
        self,
        configuration: Configuration,
        staging: Staging,
        workspace: Workspace,
        ledger: Ledger,
        *,
        stop: threading.Event,
    ) -> None:
        self._configuration = configuration
        self._staging = staging
        self._workspace = workspace
        self._ledger = ledger
        self._stop = stop
        self._begun: dict[str, Claim] = {}
        """by source id: what the ledger knows as intents, as far as we know"""
        self._told: dict[bytes, str] = {}
        """by path: why it could not be claimed when it was last tried"""

    def claim_all(self, matched: Sequence[tuple[Candidate, str]]) -> list[Source]:
        """Claim complete files with the feed each belongs to, in this order; return those that became ours.

        A file that changed or vanished since it was looked at stays where it is, without an error; one that cannot be
        claimed, with a warning. What an earlier call could not conclude is concluded first.

        Raises:
            LocalFault: this machine stands in the way of any file; what was begun and not acted on is forgotten.
        """
        claimed = self._conclude_begun()
        busy = {claim.relative_path for claim in self._begun.values()}
        paths = {candidate.relative_path for candidate, _ in matched} | busy
        self._told = {path: reason for path, reason in self._told.items() if path in paths}
        left = deque(
            self._make_claim(candidate, feed)
            for candidate, feed in matched
            if candidate.relative_path not in busy and not self._stop.is_set() and self._may_take(candidate)
        )
        if not left:
            return claimed
        self._ledger.sources.begin_claims(list(left))
        self._begun |= {claim.source_id: claim for claim in left}
        try:
            while left and not self._stop.is_set():
                source = self._claim(left.popleft())
                claimed += [source] if source is not None else []
        finally:
            for claim in left:
                self._forget(claim)
        return claimed

    def recover(self) -> list[Source]:
        """Finish or forget every claim whose outcome is not noted; part of every start, may be repeated.

        A claim about which this cannot be told now is warned of and stays for the next scan or start.

        Raises:
            LocalFault: this machine stands in the way of any claim.
        """
        self._begun = {claim.source_id: claim for claim in self._ledger.sources.list_claims()}
        return self._conclude_begun()

    def _make_claim(self, candidate: Candidate, feed: str) -> Claim:
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
        )

    def _may_take(self, candidate: Candidate) -> bool:
        """Ask the kernel whether we may take a name out of its folder, before anything is noted or copied in vain."""
        folder, name = _split(candidate.relative_path)
        try:
            with _opened(self._staging.root, folder) as staged:
                # Linux looks at the right to remove a name (folder, sticky bit, attributes, read-only mount) before it
                # looks at what the name is (vfs_rmdir): a plain file is never removed by this, and "not a directory"
                # means that we may. At worst an empty folder goes that was put in the file's place this instant.
                os.rmdir(name, dir_fd=staged)
        except NotADirectoryError:
            return True
        except FileNotFoundError:
            return False
        except OSError as error:
            self._tell(candidate.relative_path, error)
        return False

    def _claim(self, claim: Claim) -> Source | None:
        """Act on an intent and conclude it; None where the file stays in staging."""
        failure: OSError | LocalFault | None = None
        try:
            self._take(claim)
        except (FileNotFoundError, NotADirectoryError):
            # Vanished, with its folder perhaps: no error.
            pass
        except (OSError, LocalFault) as error:
            failure = error
        source = self._conclude(claim)
        if source is None and failure is not None:
            self._tell(claim.relative_path, failure)
        return source

    def _take(self, claim: Claim) -> None:
        """Move or copy the file into the workspace, unless it changed."""
        folder, name = _split(claim.relative_path)
        target = self._workspace.get_source(claim.source_id)
        with files.as_local_fault("claim", display_path(claim.relative_path), hint=_HINT):
            target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with _opened(self._staging.root, folder) as staged:
            if not is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
                return
            try:
                os.rename(name, target, src_dir_fd=staged)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copy_original(claim, staged, name, self._workspace, self._stop)

    def _conclude_begun(self) -> list[Source]:
        return [source for claim in list(self._begun.values()) if (source := self._conclude(claim)) is not None]

    def _conclude(self, claim: Claim) -> Source | None:
        """Finish or forget a claim; where that cannot be done now, it stays begun, and is told."""
        try:
            source = self._settle(claim)
        except OSError as error:
            self._tell(claim.relative_path, error)
            return None
        if source is not None:
            self._told.pop(claim.relative_path, None)
        return source

    def _settle(self, claim: Claim) -> Source | None:
        target = self._workspace.get_source(claim.source_id)
        copied = self._workspace.get_copied(claim.source_id)
        if _look_at(target) is not None and self._lies_in_staging(claim):
            # A rename would have taken it away: a copy, and a removal that was lost in a power cut.
            target.rename(copied)
        if _look_at(copied) is not None:
            self._replace_original(claim)
        found = _look_at(target)
        if found is not None and not stat.S_ISREG(found.st_mode):
            # Swapped between the look and the rename: give back what is none of ours, unopened.
            self._give_back(claim)
            found = None
        if found is None:
            self._forget(claim)
            return None
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._opened_folder_of(claim) as staged:
            os.fsync(staged)
        files.fsync_directory(target.parent)
        files.fsync_directory(self._workspace.work)
        return self._finish(claim, found)

    def _lies_in_staging(self, claim: Claim) -> bool:
        """Whether the claimed file, changed or not, still has its name in staging."""
        _, name = _split(claim.relative_path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._opened_folder_of(claim) as staged:
            found = os.stat(name, dir_fd=staged, follow_symlinks=False)
            return (found.st_dev, found.st_ino) == (claim.device, claim.inode)
        return False

    def _replace_original(self, claim: Claim) -> None:
        """Remove the original of a whole copy and make the copy the source.

        The copy is dropped where something else lies under the original's name, which then settles anew, or where it
        cannot be removed. An original that is gone was removed by us.
        """
        _, name = _split(claim.relative_path)
        copied = self._workspace.get_copied(claim.source_id)
        # The copy must be found after a power cut before the original may go.
        files.fsync_directory(copied.parent)
        files.fsync_directory(self._workspace.work)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), self._opened_folder_of(claim) as staged:
            if not is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
                copied.unlink()
                return
            try:
                os.unlink(name, dir_fd=staged)
            except FileNotFoundError:
                # Gone this instant: as if it had been removed by us.
                raise
            except OSError:
                copied.unlink()
                self._forget(claim)
                raise
            # Before the copy counts as the source: two file systems keep no order between them.
            os.fsync(staged)
        copied.rename(self._workspace.get_source(claim.source_id))

    def _give_back(self, claim: Claim) -> None:
        _, name = _split(claim.relative_path)
        with self._opened_folder_of(claim) as staged:
            with contextlib.suppress(FileNotFoundError):
                os.stat(name, dir_fd=staged, follow_symlinks=False)
                raise FileExistsError(errno.EEXIST, "something else lies in its place by now")
            os.rename(self._workspace.get_source(claim.source_id), name, dst_dir_fd=staged)

    def _finish(self, claim: Claim, found: os.stat_result) -> Source:
        if found.st_uid == os.geteuid():
            self._workspace.get_source(claim.source_id).chmod(files.WORK_MODE)
        self._remove_marker(claim)
        source = self._ledger.sources.finish_claim(claim)
        self._begun.pop(claim.source_id, None)
        _LOG.info("source_claimed", source=source.id, feed=source.feed, file=source.name, size=source.size)
        return source

    def _forget(self, claim: Claim) -> None:
        """Note that a file did not become ours. Its folder holds no more than a piece of a copy by now."""
        with files.as_local_fault("forget", f"the claim of {display_path(claim.relative_path)}", hint=_HINT):
            remove_tree(self._workspace.get_folder(claim.source_id))
        self._ledger.sources.abandon_claim(claim)
        self._begun.pop(claim.source_id, None)

    def _remove_marker(self, claim: Claim) -> None:
        _, name = _split(claim.relative_path)
        marker = self._staging.get_marker_name(name)
        if marker is None:
            return
        try:
            with self._opened_folder_of(claim) as staged:
                os.unlink(marker, dir_fd=staged)
                os.fsync(staged)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            # The file is ours all the same; but a later one of its name would count as complete at once.
            _LOG.warning("marker_left", file=display_path(claim.relative_path), reason=_explain(error))

    def _tell(self, relative_path: bytes, failure: OSError | LocalFault) -> None:
        """Warn of a fault of one file, once for each reason; raise ``LocalFault`` for one of this machine."""
        if isinstance(failure, LocalFault):
            raise failure
        reason = _explain(failure)
        if failure.errno in _MACHINE_FAULTS:
            raise LocalFault("claim", display_path(relative_path), reason, hint=_HINT) from failure
        if self._told.get(relative_path) != reason:
            self._told[relative_path] = reason
            _LOG.warning("claim_failed", file=display_path(relative_path), reason=reason)

    def _opened_folder_of(self, claim: Claim) -> contextlib.AbstractContextManager[int]:
        return _opened(self._staging.root, _split(claim.relative_path)[0])


@contextlib.contextmanager
def _opened(root: Path, folder: bytes) -> Iterator[int]:
    descriptor = open_folder(root, folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _split(relative_path: bytes) -> tuple[bytes, bytes]:
    folder, _, name = relative_path.rpartition(b"/")
    return folder, name


def _look_at(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _explain(error: OSError) -> str:
    return error.strerror or type(error).__name__
