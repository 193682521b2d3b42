"""The workspace's folders: one place knows where everything of ours lies, all of it readable by us alone."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.errors import LocalFault

FOLDER_MODE = 0o700
READ_ONLY = (
    "mount its file system writable, or set workspace to a folder of one that is (ReadWritePaths= of a systemd unit,"
    " a volume of a container); after a fault of the disk the system's log says why it is read-only"
)
"""What to do where nothing can be made: no permission of ours is the matter."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Paths below the workspace's root. Nothing here touches the disk but ``prepare``."""

    root: Path

    def prepare(self) -> None:
        """Make the root and its folders, for us alone; may be repeated. Raises ``LocalFault``."""
        try:
            self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            for folder in (
                self.work,
                self.archive,
                self.quarantine,
                self.rejected,
                self.openpgp,
                self.fingerprints,
            ):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
                give_to_owner(folder)
            if self.root.stat().st_mode & 0o077:
                self.root.chmod(FOLDER_MODE)
            files.fsync_directory(self.root)
        except OSError as error:
            hint = READ_ONLY if error.errno == errno.EROFS else "it must be a folder of ours"
            raise LocalFault("prepare", f"workspace {self.root}", error.strerror or str(error), hint=hint) from error

    @property
    def work(self) -> Path:
        """Sources that are ours and not done."""
        return self.root / "work"

    @property
    def archive(self) -> Path:
        """Delivered originals by day."""
        return self.root / "archive"

    @property
    def quarantine(self) -> Path:
        """Refused originals with their reports, by source id."""
        return self.root / "quarantine"

    @property
    def rejected(self) -> Path:
        """Refused rows of sources whose other rows are sent, by source id."""
        return self.root / "rejected"

    @property
    def openpgp(self) -> Path:
        """Private GNUPGHOMEs, one a destination."""
        return self.root / "gnupg"

    @property
    def fingerprints(self) -> Path:
        """What is remembered of rows that were sent, by feed."""
        return self.root / "fingerprints"

    @property
    def lock(self) -> Path:
        """Held by the process that owns the workspace."""
        return self.root / "lock"

    @property
    def configuration(self) -> Path:
        """What was gone by last, without secrets."""
        return self.root / "configuration.json"

    @property
    def pause(self) -> Path:
        """There for as long as the intake is paused."""
        return self.root / "intake-paused"

    @property
    def clock(self) -> Path:
        """What the clock said when it was last looked at."""
        return self.root / "clock.json"

    def get_folder(self, source_id: str) -> Path:
        """Return the folder in which a source's files lie while it is on its way."""
        return self.work / source_id

    def get_source(self, source_id: str) -> Path:
        """Return where a claimed original lies while it is on its way."""
        return self.get_folder(source_id) / "source.csv"

    def get_copying(self, source_id: str) -> Path:
        """Return where an original from another file system is copied to; half of it may be missing."""
        return self.get_folder(source_id) / "source.copying"

    def get_copied(self, source_id: str) -> Path:
        """Return where a whole copy lies for as long as its original is its producer's."""
        return self.get_folder(source_id) / "source.copied"

    def get_removing(self, source_id: str) -> Path:
        """Return where the copy lies that counts from here on: its original is about to be removed, or gone."""
        return self.get_folder(source_id) / "source.removing"

    def get_good_rows(self, source_id: str) -> Path:
        """Return where what is sent of a source lies, where that is not the original."""
        return self.get_folder(source_id) / "good_rows.csv"

    def get_fingerprints(self, feed: str, source_id: str) -> Path:
        """Return where the fingerprints of a source's rows lie."""
        return self.fingerprints / feed / f"{source_id}.parquet"

    def get_rejected(self, source_id: str) -> Path:
        """Return the folder in which the refused rows of a source wait whose other rows are sent."""
        return self.rejected / source_id

    def get_spool(self, source_id: str, part: int) -> Path:
        """Return where the encrypted piece of a part lies until it is delivered."""
        return self.get_folder(source_id) / f"part-{part}.csv.asc"

    def get_quarantine(self, source_id: str) -> Path:
        """Return the folder in which a quarantined source lies with its report."""
        return self.quarantine / source_id

    def get_archive(self, source_id: str, day: str) -> Path:
        """Return the folder that a source delivered on ``day`` (YYYY-MM-DD) is archived in."""
        return self.archive / day / source_id


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours with everything in it; may be repeated, a missing one is fine."""
    for parent, folders, others in os.walk(folder, topdown=False):
        for name in others:
            remove_file(Path(parent, name))
        for name in folders:
            child = Path(parent, name)
            remove_file(child) if child.is_symlink() else _rmdir(child)
    if folder.exists():
        _rmdir(folder)


def remove_file(path: Path) -> None:
    """Remove a file of ours; may be repeated, a missing one is fine."""
    with failpoints.around("files.unlink"):
        path.unlink(missing_ok=True)


def _rmdir(folder: Path) -> None:
    with failpoints.around("files.rmdir"):
        folder.rmdir()


def give_to_owner(path: Path) -> None:
    """Give a file or folder that root made to whom its folder belongs; nothing happens for anybody else.

    Root asks for ``status`` before the daemon first ran: the daemon must be able to use what was made for it.
    """
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
