"""The files of a claim: looks at them, and takes the steps that are judged. Thin; it knows nothing of the ledger."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from sftp_orchestrator import failpoints, files, space, units
from sftp_orchestrator.errors import NoSpace
from sftp_orchestrator.intake.copying import begins_with, copy_original
from sftp_orchestrator.intake.judging import LAST_STEPS, Found, Place, Staged, Step, is_same, judge
from sftp_orchestrator.intake.staging import Candidate, Staging, open_folder
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.records import Claim, display_path
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_tree

_LOG = structlog.get_logger()

HINT = "staging and workspace must be writable for us, with space for the file"
_MOST_STEPS = 8
"""Twice as many as any claim needs: a file system that forgets what it was told must not keep us for ever."""
_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.EROFS, errno.EBUSY})
"""A removal that failed by one of these was not done. After others, such as EIO from a server, it may have been."""
_GONE = (FileNotFoundError, NotADirectoryError)


class ClaimFiles:
    """What a claim has in staging and in the workspace. Every step may be repeated; foreign errors are ``OSError``."""

    def __init__(self, staging: Staging, workspace: Workspace, supervision: Supervision) -> None:
        self._staging = staging
        self._workspace = workspace
        self._supervision = supervision

    # Before a claim.

    def require_removable(self, relative_path: bytes) -> None:
        """Ask the kernel whether we may take a name out of its folder, before anything is noted or copied in vain.

        Raises ``OSError`` where we may not; ``FileNotFoundError`` where it is gone.
        """
        folder, name = _split(relative_path)
        # Linux looks at the right to remove a name (folder, sticky bit, attributes, read-only mount) before it looks
        # at what the name is (vfs_rmdir): a plain file is never removed by this, and "not a directory" means that we
        # may. At worst an empty folder goes that was put in the file's place this instant.
        with self._opened(folder) as staged, contextlib.suppress(NotADirectoryError):
            os.rmdir(name, dir_fd=staged)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def find_device(self) -> int:
        """Return the file system of the workspace; raises ``LocalFault``."""
        with files.as_local_fault("look into", str(self._workspace.work), hint=HINT):
            return self._workspace.work.stat().st_dev

    def require_room(self, candidate: Candidate, device: int) -> None:
        """Raise ``NoSpace`` where the file does not lie on the workspace's ``device``, and does not fit there."""
        if candidate.device != device:
            with self._fitting(candidate.relative_path, candidate.size):
                space.require_room(self._workspace.work, candidate.size)

    @contextlib.contextmanager
    def _fitting(self, relative_path: bytes, size: int) -> Iterator[None]:
        """Let a want of space come out in words that stay the same while it lasts: what is free is no part of it."""
        try:
            yield
        except NoSpace as error:
            needed, spare = units.format_bytes(size), units.format_bytes(space.SPARE_BYTES)
            raise NoSpace(
                "claim",
                display_path(relative_path),
                f"it does not fit: {needed}, and {spare} to spare, are not free in {self._workspace.root}, or held for"
                " other files",
                hint="make room there, and it is taken by itself",
            ) from error

    def identify_marker(self, relative_path: bytes) -> str | None:
        """Return what tells the ready marker of a file from a later one of its name; None where there is none."""
        folder, name = _split(relative_path)
        marker = self._staging.get_marker_name(name)
        if marker is None:
            return None
        with contextlib.suppress(*_GONE), self._opened(folder) as staged:
            return _identify(os.stat(marker, dir_fd=staged, follow_symlinks=False))
        return None

    # The claim.

    def take(self, claim: Claim) -> None:
        """Move or copy the file into the workspace, unless it changed or vanished; what became of it, ``settle`` tells.

        Raises:
            NoSpace: the workspace lacks the space for a copy.
            LocalFault: it is not ours to write.
        """
        folder, name = _split(claim.relative_path)
        target = self._workspace.get_source(claim.source_id)
        with (
            files.as_local_fault("claim", display_path(claim.relative_path), hint=HINT),
            failpoints.around("claim.make_folder"),
        ):
            target.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        with contextlib.suppress(*_GONE), self._opened(folder) as staged:
            if not is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
                return
            try:
                with failpoints.around("claim.rename"):
                    os.rename(name, target, src_dir_fd=staged)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                with (
                    self._fitting(claim.relative_path, claim.size),
                    space.reserve(self._workspace.work, claim.size) as held,
                    self._supervision.show(display_path(claim.relative_path), claim.size) as advance,
                ):
                    copy_original(claim, staged, name, self._workspace, held.watch(advance))

    def settle(self, claim: Claim) -> tuple[Step, OSError | None]:
        """Look, judge and act until one of ``LAST_STEPS`` is reached; return it, and why the original had to stay."""
        refusal: OSError | None = None
        for _ in range(_MOST_STEPS):
            step = judge(self.look(claim), may_remove=refusal is None)
            if step in LAST_STEPS:
                return step, refusal
            if step is Step.COMMIT:
                with failpoints.around("claim.rename_copied"):
                    self._workspace.get_copied(claim.source_id).rename(self._workspace.get_removing(claim.source_id))
            elif step is Step.REMOVE:
                refusal = self._remove_original(claim)
            elif step is Step.ADOPT:
                self._adopt(claim)
            else:
                self._give_back(claim)
        raise OSError(errno.EAGAIN, "its files change while we look at them")

    def look(self, claim: Claim) -> Found:
        """Return what lies where; staging is looked at only where it matters."""
        source = _look_at(self._workspace.get_source(claim.source_id))
        removing = _look_at(self._workspace.get_removing(claim.source_id))
        copied = _look_at(self._workspace.get_copied(claim.source_id))
        place = Place.NOTHING
        if source is not None:
            place = Place.FILE if _may_be_ours(claim, source) else Place.STRANGE
        is_kept = (source or removing or copied) is not None
        return Found(
            source=place,
            is_removing=removing is not None,
            is_copied=copied is not None,
            staged=self._look_into_staging(claim) if is_kept else Staged.UNKNOWN,
        )

    def secure(self, claim: Claim) -> bool:
        """Bring a file that is ours to the disk, its bytes and its name; return False where a stop came in between.

        The producer need not have done it, and after a power cut its rows would be missing without a word.
        """
        target = self._workspace.get_source(claim.source_id)
        # Root may close what is somebody else's, too; for anybody else a closed folder must do.
        if os.geteuid() in {0, target.stat().st_uid}:
            target.chmod(files.WORK_MODE)
        with self._supervision.show(display_path(claim.relative_path), claim.size) as advance:
            if not files.flush_file(target, advance):
                return False
        files.fsync_directory(target.parent)
        return True

    def secure_names(self, claims: Iterable[Claim]) -> None:
        """Make durable where the files of these claims lie now, and that they are gone from staging."""
        for folder in {_split(claim.relative_path)[0] for claim in claims}:
            with contextlib.suppress(*_GONE), self._opened(folder) as staged:
                files.fsync_opened_directory(staged)
        files.fsync_directory(self._workspace.work)

    def drop(self, claim: Claim) -> None:
        """Remove what is left of a claim in the workspace."""
        remove_tree(self._workspace.get_folder(claim.source_id))

    def remove_marker(self, claim: Claim) -> None:
        """Remove the marker that the claim found, durably; another one announces the next file and stays.

        Raises:
            OSError: it stays, and a later file of that name would count as complete at once.
        """
        folder, name = _split(claim.relative_path)
        marker = self._staging.get_marker_name(name)
        if marker is None:
            return
        with contextlib.suppress(*_GONE), self._opened(folder) as staged:
            if _identify(os.stat(marker, dir_fd=staged, follow_symlinks=False)) == claim.marker:
                with failpoints.around("claim.remove_marker"):
                    os.unlink(marker, dir_fd=staged)
                files.fsync_opened_directory(staged)

    # What is looked at.

    def _look_into_staging(self, claim: Claim) -> Staged:
        _, name = _split(claim.relative_path)
        try:
            with self._opened_folder_of(claim) as staged:
                found = os.stat(name, dir_fd=staged, follow_symlinks=False)
                if is_same(claim, found):
                    return Staged.ORIGINAL
                # Not the device: it may have another number after a reboot.
                if found.st_ino != claim.inode or not stat.S_ISREG(found.st_mode):
                    return Staged.OTHER
                return self._compare(claim, staged, name)
        except _GONE:
            # A staging that is not there at all, such as one that is not mounted, says nothing about its files.
            self._staging.root.stat()
            return Staged.NOTHING

    def _compare(self, claim: Claim, staged: int, name: bytes) -> Staged:
        """Tell a file that has the claimed one's number: itself, grown, or a later one that was given the number."""
        kept = self._workspace.get_source(claim.source_id), self._workspace.get_removing(claim.source_id)
        path = next((path for path in kept if path.exists()), None)
        if path is None:
            # The original is its producer's still: whatever it holds by now counts.
            return Staged.OTHER
        with contextlib.ExitStack() as stack:
            whole = _open_to_read(name, stack, folder=staged)
            beginning = _open_to_read(path, stack)
            # Swapped since it was looked at, it may be anybody's file: that is not read.
            opened = os.fstat(whole)
            if opened.st_ino != claim.inode or not stat.S_ISREG(opened.st_mode):
                return Staged.OTHER
            with self._supervision.show(display_path(claim.relative_path), os.fstat(beginning).st_size) as advance:
                holds_ours = begins_with(whole, beginning, advance)
        return {True: Staged.GROWN, False: Staged.OTHER, None: Staged.UNKNOWN}[holds_ours]

    # What is done.

    def _remove_original(self, claim: Claim) -> OSError | None:
        """Remove the original, unless it changed this instant; return why it was refused."""
        _, name = _split(claim.relative_path)
        # Ours must be found after a power cut before the original may go.
        files.fsync_directory(self._workspace.get_folder(claim.source_id))
        files.fsync_directory(self._workspace.work)
        with contextlib.suppress(*_GONE), self._opened_folder_of(claim) as staged:
            if not is_same(claim, os.stat(name, dir_fd=staged, follow_symlinks=False)):
                return None
            try:
                with failpoints.around("claim.remove_original"):
                    os.unlink(name, dir_fd=staged)
            except OSError as error:
                if error.errno in _REFUSALS:
                    return error
                raise
        return None

    def _adopt(self, claim: Claim) -> None:
        # The removal must be durable before the copy counts as the source: two file systems keep no order between them.
        with contextlib.suppress(*_GONE), self._opened_folder_of(claim) as staged:
            files.fsync_opened_directory(staged)
        with failpoints.around("claim.rename_removing"):
            self._workspace.get_removing(claim.source_id).rename(self._workspace.get_source(claim.source_id))

    def _give_back(self, claim: Claim) -> None:
        """Put what is none of ours back under its name; where that is taken by now, beside it, hidden.

        The name must not be blocked by it: what lies there now is to be claimed.
        """
        folder, name = _split(claim.relative_path)
        with self._opened_folder_of(claim) as staged:
            if _is_there(name, staged):
                name = f".{claim.source_id}.given_back".encode()
            with failpoints.around("claim.give_back"):
                os.rename(self._workspace.get_source(claim.source_id), name, dst_dir_fd=staged)
        _LOG.warning(
            "file_given_back",
            file=display_path(claim.relative_path),
            place=display_path(folder + b"/" + name if folder else name),
            reason="it was swapped for no plain file, or for one of several names, as it was claimed",
        )

    def _opened_folder_of(self, claim: Claim) -> contextlib.AbstractContextManager[int]:
        return self._opened(_split(claim.relative_path)[0])

    @contextlib.contextmanager
    def _opened(self, folder: bytes) -> Iterator[int]:
        descriptor = open_folder(self._staging.root, folder)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _split(relative_path: bytes) -> tuple[bytes, bytes]:
    folder, _, name = relative_path.rpartition(b"/")
    return folder, name


def _is_there(name: bytes, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _look_at(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _may_be_ours(claim: Claim, found: os.stat_result) -> bool:
    """Return whether what was renamed is a plain file that belonged in staging; swapped in between, it may be not.

    Another one with several names may be a hard link to anybody's file, put in the claimed one's place. The claimed one
    itself had one name when it was looked at, so whatever others it has since were given by who could read it.
    """
    return stat.S_ISREG(found.st_mode) and (found.st_ino == claim.inode or found.st_nlink == 1)


def _identify(marker: os.stat_result) -> str:
    return f"{marker.st_ino}:{marker.st_mtime_ns}"


def _open_to_read(path: bytes | Path, stack: contextlib.ExitStack, *, folder: int | None = None) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    stack.callback(os.close, descriptor)
    return descriptor
