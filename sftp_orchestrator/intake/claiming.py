"""Makes a complete file ours: intent into the ledger, one rename into the workspace, outcome into the ledger.

Where staging lies on another file system the rename becomes copy, fsync, rename, unlink. A crash at any point leaves
the file in staging, or ours with its intent noted; ``recover`` finishes what was begun.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from sftp_orchestrator import files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination import names
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.staging import Candidate, Staging, open_folder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Source, display_path
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace

_LOG = structlog.get_logger()
_COPY_BYTES = 4 * 1024 * 1024


class Claimer:
    """Turns candidates into sources."""

    def __init__(self, configuration: Configuration, staging: Staging, workspace: Workspace, ledger: Ledger) -> None:
        self._configuration = configuration
        self._staging = staging
        self._workspace = workspace
        self._ledger = ledger

    def claim_all(self, matched: Sequence[tuple[Candidate, str]]) -> list[Source]:
        """Claim complete files with the feed each belongs to, in this order; return those that became ours.

        A file that changed or vanished since it was looked at stays where it is, without an error.
        """
        claims = [self._make_claim(candidate, feed) for candidate, feed in matched]
        if not claims:
            return []
        self._ledger.sources.begin_claims(claims)
        return [self._finish(claim) for claim in claims if self._take(claim)]

    def recover(self) -> list[Source]:
        """Finish or forget every claim whose outcome is not noted; part of every start."""
        recovered = []
        for claim in self._ledger.sources.list_claims():
            if self._workspace.get_source(claim.source_id).exists():
                self._remove_copied(claim)
                recovered.append(self._finish(claim))
            else:
                self._forget(claim)
        return recovered

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

    def _take(self, claim: Claim) -> bool:
        folder, _, name = claim.relative_path.rpartition(b"/")
        try:
            staged = open_folder(self._staging.root, folder)
        except OSError:
            self._forget(claim)
            return False
        try:
            return self._move(claim, staged, name)
        except FileNotFoundError:
            self._forget(claim)
            return False
        except OSError as error:
            self._forget(claim)
            raise LocalFault(
                "claim",
                display_path(claim.relative_path),
                error.strerror or str(error),
                hint="staging and workspace must be writable for us, with space for the file",
            ) from error
        finally:
            os.close(staged)

    def _move(self, claim: Claim, staged: int, name: bytes) -> bool:
        target = self._workspace.get_source(claim.source_id)
        target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if not _is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
            self._forget(claim)
            return False
        try:
            os.rename(name, target, src_dir_fd=staged)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            if not _copy(claim, staged, name, target):
                self._forget(claim)
                return False
        taken = target.lstat()
        if not stat.S_ISREG(taken.st_mode):
            # Swapped between the look and the rename: give back what is none of ours, unopened.
            os.rename(target, name, dst_dir_fd=staged)
            self._forget(claim)
            return False
        os.fsync(staged)
        files.fsync_directory(target.parent)
        files.fsync_directory(self._workspace.work)
        return True

    def _finish(self, claim: Claim) -> Source:
        target = self._workspace.get_source(claim.source_id)
        if target.stat().st_uid == os.geteuid():
            target.chmod(0o600)
        self._remove_marker(claim)
        source = self._ledger.sources.finish_claim(claim)
        _LOG.info("source_claimed", source=source.id, feed=source.feed, file=source.name, size=source.size)
        return source

    def _forget(self, claim: Claim) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._workspace.get_folder(claim.source_id))
        self._ledger.sources.abandon_claim(claim)

    def _remove_marker(self, claim: Claim) -> None:
        folder, _, name = claim.relative_path.rpartition(b"/")
        marker = self._staging.get_marker_name(name)
        if marker is None:
            return
        with contextlib.suppress(FileNotFoundError), _opened(self._staging.root, folder) as staged:
            os.unlink(marker, dir_fd=staged)
            os.fsync(staged)

    def _remove_copied(self, claim: Claim) -> None:
        """Remove the original of a copy that was finished just before a crash; anything else of its name stays."""
        folder, _, name = claim.relative_path.rpartition(b"/")
        with contextlib.suppress(FileNotFoundError), _opened(self._staging.root, folder) as staged:
            if _is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
                os.unlink(name, dir_fd=staged)
                os.fsync(staged)


@contextlib.contextmanager
def _opened(root: Path, folder: bytes) -> Iterator[int]:
    descriptor = open_folder(root, folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_same(claim: Claim, found: os.stat_result) -> bool:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) == (
        claim.device,
        claim.inode,
        claim.size,
        claim.mtime_ns,
    )


def _copy(claim: Claim, staged: int, name: bytes, target: Path) -> bool:
    """Copy across file systems; False, with nothing left behind, where the file changed meanwhile."""
    unfinished = target.with_suffix(".copying")
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=staged)
    with os.fdopen(source, "rb") as reader, unfinished.open("xb") as writer:
        os.fchmod(writer.fileno(), 0o600)
        shutil.copyfileobj(reader, writer, _COPY_BYTES)
        writer.flush()
        # As a rename keeps it: whoever looks later compares with what was claimed.
        os.utime(writer.fileno(), ns=(claim.mtime_ns, claim.mtime_ns))
        os.fsync(writer.fileno())
        unchanged = _is_same(claim, os.fstat(reader.fileno()))
    if not unchanged:
        unfinished.unlink()
        return False
    unfinished.rename(target)
    files.fsync_directory(target.parent)
    os.unlink(name, dir_fd=staged)
    return True
