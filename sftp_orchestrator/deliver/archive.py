"""What happens to originals at the end: archived by day, delivered ones and those given up, or removed by policy."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_tree

_LOG = structlog.get_logger()


class Archive:
    """Puts originals away, delivered or discarded. Each step may be repeated; blocking, for threads."""

    def __init__(self, workspace: Workspace, ledger: Ledger, zone: ZoneInfo, *, keep_days: int | None) -> None:
        self._workspace = workspace
        self._ledger = ledger
        self._zone = zone
        self._keep_days = keep_days
        self._putting_away = threading.Lock()
        """a run puts away what it delivered while another destination's puts away all"""

    def put_away(self, source: Source) -> None:
        """Archive the original of a delivered source, or remove it by policy, with everything made of it.

        What this machine stands in the way of is left for ``put_away_all``: the delivery itself is done.
        """
        with self._putting_away:
            if self._ledger.sources.get(source.id).state is SourceState.DELIVERED:
                self._put_away_delivered(source)

    def put_away_all(self) -> None:
        """Put away every original that is at its end and was not put away yet; part of every start, and after runs."""
        for source in self._ledger.sources.list_in({SourceState.DELIVERED}):
            self.put_away(source)
        lying = {
            path.name for folder in (self._workspace.work, self._workspace.quarantine) for path in folder.iterdir()
        }
        for source in self._ledger.sources.list_in({SourceState.DISCARDED}):
            if source.id in lying:
                with self._putting_away:
                    self._put_away_discarded(source)

    def _put_away_delivered(self, source: Source) -> None:
        original = self._workspace.get_source(source.id)
        try:
            with files.as_local_fault("archive", source.name, hint="the workspace must be writable, with space"):
                # What came after the last manifest is nowhere else: it is kept, whatever the policy says.
                has_late_rows = _find_late_rows(source, original)
                if self._keep_days != 0 or has_late_rows:
                    move_in(original, get_archive_folder(self._workspace, source, self._zone), source.file_name)
                remove_tree(self._workspace.get_folder(source.id))
        except LocalFault as error:
            _LOG.error("archive_failed", source=source.id, error=str(error))
        else:
            self._ledger.sources.finish_archive(source.id)

    def _put_away_discarded(self, source: Source) -> None:
        """Archive the original of a discarded source with its report, and remove what was made of it.

        Whatever the policy says it is not removed at once: a slip of the hand must not lose a file.
        """
        folder = get_archive_folder(self._workspace, source, self._zone)
        quarantined = self._workspace.get_quarantine(source.id)
        try:
            with files.as_local_fault("archive", source.name, hint="the workspace must be writable, with space"):
                for path in sorted(quarantined.iterdir()) if quarantined.exists() else ():
                    move_in(path, folder, path.name)
                move_in(self._workspace.get_source(source.id), folder, source.file_name)
                remove_tree(quarantined)
                remove_tree(self._workspace.get_folder(source.id))
        except LocalFault as error:
            _LOG.error("archive_failed", source=source.id, error=str(error))
        else:
            _LOG.info("source_discarded", source=source.id, feed=source.feed, file=source.name, folder=str(folder))

    def remove_expired(self, today: datetime.date) -> int:
        """Remove the days older than the policy keeps; return how many."""
        if self._keep_days is None:
            return 0
        oldest = today - datetime.timedelta(days=self._keep_days)
        removed = 0
        for folder in self._list_days():
            if not _is_older(folder.name, oldest) or not folder.is_dir():
                continue
            try:
                with files.as_local_fault("remove", str(folder), hint="it must be ours to remove"):
                    remove_tree(folder)
            except LocalFault as error:
                _LOG.error("archive_failed", folder=folder.name, error=str(error))
            else:
                removed += 1
                _LOG.info("archive_removed", day=folder.name)
        return removed

    def _list_days(self) -> list[Path]:
        """Return what lies in the archive; nothing where somebody removed it: it is made again with the next file."""
        folder = self._workspace.archive
        try:
            with files.as_local_fault("read", str(folder), hint="it must be a folder of ours"):
                return list(folder.iterdir()) if folder.exists() else []
        except LocalFault as error:
            _LOG.error("archive_failed", folder=folder.name, error=str(error))
            return []


def get_archive_folder(workspace: Workspace, source: Source, zone: ZoneInfo) -> Path:
    """Return the folder that a source is archived in which is delivered, or discarded. Pure.

    The day is that of its last change, so that a repetition after a crash finds the same folder.
    """
    return workspace.get_archive(source.id, source.changed_at.astimezone(zone).date().isoformat())


def move_in(original: Path, folder: Path, name: str) -> None:
    """Move ``original`` into ``folder`` as ``name``; may be repeated: where it is gone already, nothing happens."""
    if not original.exists():
        return
    files.make_folder(folder.parent, FOLDER_MODE)
    files.make_folder(folder, FOLDER_MODE)
    with failpoints.around("archive.rename"):
        original.rename(folder / name)
    files.fsync_directory(folder)


def _find_late_rows(source: Source, original: Path) -> bool:
    if not original.exists():
        return False
    status = original.stat()
    changed = (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns)
    if changed:
        _LOG.error(
            "source_changed_late",
            source=source.id,
            file=source.name,
            size=status.st_size,
            delivered_size=source.size,
            hint="its producer wrote to it after its last manifest: what came then was not sent",
        )
    return changed


def _is_older(name: str, oldest: datetime.date) -> bool:
    try:
        return datetime.date.fromisoformat(name) < oldest
    except ValueError:
        return False
