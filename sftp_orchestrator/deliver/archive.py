"""What happens to originals at the end: archived by day, delivered ones and those given up, or removed by policy."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config.keeping import Keep
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.repeating import REMIND_SECONDS, Repeating
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_tree

_LOG = structlog.get_logger()

_OF_ROWS = "-refused-rows"
"""Ends the name of a folder: what is kept of the same source by another policy may lie in the same day."""
AT_ONCE = 64
"""Put away together: the ledger is told of all of them at once."""


class Archive:
    """Puts originals away, delivered or discarded. Each step may be repeated; blocking, for threads."""

    def __init__(
        self,
        workspace: Workspace,
        ledger: Ledger,
        zone: ZoneInfo,
        *,
        keep_days: int | None,
        keep: Keep = Keep.ORIGINAL,
    ) -> None:
        self._workspace = workspace
        self._ledger = ledger
        self._zone = zone
        self._keep_days = keep_days
        self._keep = keep
        self._putting_away = threading.Lock()
        """a run puts away what it delivered while another destination's puts away all"""
        self._removed_on: datetime.date | None = None
        """when all that was discarded was looked through"""
        self._failing: dict[str, Repeating] = {}
        """by source or folder"""

    def put_away(self, sources: Sequence[Source]) -> None:
        """Archive delivered sources as the policy has it, and remove the rest of what lies in the workspace of them.

        What this machine stands in the way of is left for ``put_away_all``: the delivery itself is done.
        """
        with self._putting_away:
            found = self._ledger.sources.list_of([source.id for source in sources])
            put_away = [
                source.id
                for source in found
                if source.state is SourceState.DELIVERED and self._put_away_delivered(source)
            ]
            if put_away:
                self._ledger.sources.finish_archives(put_away)

    def put_away_all(self) -> None:
        """Put away every original that is at its end and was not put away yet; part of every start, and after runs.

        Raises:
            LocalFault: the workspace cannot be looked into.
        """
        delivered = self._ledger.sources.list_in({SourceState.DELIVERED})
        for start in range(0, len(delivered), AT_ONCE):
            self.put_away(delivered[start : start + AT_ONCE])
        for source in self._ledger.sources.list_discarded_of(
            self._list_lying(self._workspace.work, self._workspace.quarantine, self._workspace.rejected)
        ):
            with self._putting_away:
                self._put_away_discarded(source)
        given_up = self._ledger.discards.list_rows_given_up(self._list_lying(self._workspace.rejected))
        for source in self._ledger.sources.list_of(given_up):
            with self._putting_away:
                self._put_rows_away(source, given_up[source.id])

    def _tell_of_failure(self, error: LocalFault, **what: str) -> None:
        """Tell of what cannot be put away, the first time and then once an hour; after each run it is tried again."""
        now = time.monotonic()
        self._failing = {key: one for key, one in self._failing.items() if now - one.last_at < REMIND_SECONDS}
        if self._failing.setdefault(str(what), Repeating()).note(error).is_told:
            _LOG.error("archive_failed", **what, error=str(error))

    def _list_lying(self, *folders: Path) -> set[str]:
        """Return the ids of sources of which something lies in these folders; in one that is gone nothing does."""
        with files.as_local_fault(
            "look into", f"workspace {self._workspace.root}", hint="it must be ours, and readable"
        ):
            return {path.name for folder in folders if folder.exists() for path in folder.iterdir()}

    def _put_away_delivered(self, source: Source) -> bool:
        """Return whether nothing of it lies in the workspace any more."""
        original = self._workspace.get_source(source.id)
        try:
            with files.as_local_fault("archive", source.name, hint="the workspace must be writable, with space"):
                keep = self._keep if self._keep_days != 0 else Keep.NOTHING
                folder = get_archive_folder(self._workspace, source, self._zone)
                # What came after the last manifest is nowhere else: it is kept, whatever the policy says.
                if _find_late_rows(source, original) or keep is Keep.ORIGINAL:
                    move_in(original, folder, source.file_name)
                elif keep is Keep.ENCRYPTED:
                    self._keep_pieces(source, folder)
                remove_tree(self._workspace.get_folder(source.id))
        except LocalFault as error:
            self._tell_of_failure(error, source=source.id)
            return False
        return True

    def _keep_pieces(self, source: Source, folder: Path) -> None:
        """Archive the encrypted pieces of a source, each under the name that it has at the receiver."""
        for part in self._ledger.parts.list_of(source.id):
            move_in(self._workspace.get_spool(source.id, part.number), folder, part.data_name)

    def _put_away_discarded(self, source: Source) -> None:
        """Archive the original of a discarded source with its report and refused rows; remove what was made of it.

        Whatever the policy says it is not removed at once: a slip of the hand must not lose a file.
        """
        folder = get_archive_folder(self._workspace, source, self._zone)
        aside = (self._workspace.get_rejected(source.id), self._workspace.get_quarantine(source.id))
        try:
            with files.as_local_fault("archive", source.name, hint="the workspace must be writable, with space"):
                for path in [path for kept in aside if kept.exists() for path in sorted(kept.iterdir())]:
                    move_in(path, folder, path.name)
                move_in(self._workspace.get_source(source.id), folder, source.file_name)
                for kept in aside:
                    remove_tree(kept)
                remove_tree(self._workspace.get_folder(source.id))
        except LocalFault as error:
            self._tell_of_failure(error, source=source.id)
        else:
            _LOG.info("source_discarded", source=source.id, feed=source.feed, file=source.name, folder=str(folder))

    def _put_rows_away(self, source: Source, given_up_at: datetime.datetime) -> None:
        """Archive the refused rows of a delivered source that a person gave up, with their report; not removed at once.

        As what is discarded: a slip of the hand must not lose them.
        """
        folder = get_rows_folder(self._workspace, source.id, given_up_at, self._zone)
        rejected = self._workspace.get_rejected(source.id)
        try:
            with files.as_local_fault("archive", source.name, hint="the workspace must be writable, with space"):
                for path in sorted(rejected.iterdir()) if rejected.exists() else ():
                    move_in(path, folder, path.name)
                remove_tree(rejected)
        except LocalFault as error:
            self._tell_of_failure(error, source=source.id)
        else:
            _LOG.info(
                "refused_rows_discarded", source=source.id, feed=source.feed, file=source.name, folder=str(folder)
            )

    def remove_expired(self, today: datetime.date) -> int:
        """Remove days older than the policy keeps, and discarded plaintext that it does not want; return how many."""
        if self._keep is not Keep.ORIGINAL:
            self._remove_discarded(today)
        if self._keep_days is None:
            return 0
        oldest = today - datetime.timedelta(days=self._keep_days)
        removed = 0
        for folder in self._list_days():
            if not _is_older(folder.name, oldest) or not folder.is_dir():
                continue
            removed += self._remove(folder, day=folder.name)
        return removed

    def _remove_discarded(self, today: datetime.date) -> None:
        """Remove what was discarded before ``today``: it is plaintext, and nobody wanted it back."""
        if self._removed_on == today:
            return  # What was discarded since is for tomorrow.
        self._removed_on = today
        for source_id, folder in self._list_discarded():
            day = folder.parent.name
            if _is_older(day, today) and not self._remove(folder, day=day, source=source_id):
                self._removed_on = None

    def list_unwanted(self) -> set[str]:
        """Return the ids of sources of which discarded plaintext lies in the archive that the policy does not want.

        Without the ledger's word nobody would find it again. Raises ``LocalFault``.
        """
        if self._keep is Keep.ORIGINAL:
            return set()
        return {source_id for source_id, _ in self._list_discarded()}

    def _list_discarded(self) -> Iterator[tuple[str, Path]]:
        """Yield the folders of the archive that have what was discarded, each with its source's id."""
        folders = [
            (source.id, get_archive_folder(self._workspace, source, self._zone))
            for source in self._ledger.sources.list_in({SourceState.DISCARDED})
        ]
        folders += [
            (source_id, get_rows_folder(self._workspace, source_id, at, self._zone))
            for source_id, at in self._ledger.discards.list_rows_given_up().items()
        ]
        yield from ((source_id, folder) for source_id, folder in folders if folder.is_dir())

    def _remove(self, folder: Path, **told: str) -> bool:
        """Remove a folder of the archive and tell of it; return whether that could be done."""
        try:
            with files.as_local_fault("remove", str(folder), hint="it must be ours to remove"):
                remove_tree(folder)
        except LocalFault as error:
            self._tell_of_failure(error, folder=folder.name)
            return False
        _LOG.info("archive_removed", **told)
        return True

    def _list_days(self) -> list[Path]:
        """Return what lies in the archive; nothing where somebody removed it: it is made again with the next file."""
        folder = self._workspace.archive
        try:
            with files.as_local_fault("read", str(folder), hint="it must be a folder of ours"):
                return list(folder.iterdir()) if folder.exists() else []
        except LocalFault as error:
            self._tell_of_failure(error, folder=folder.name)
            return []


def get_archive_folder(workspace: Workspace, source: Source, zone: ZoneInfo) -> Path:
    """Return the folder that a source is archived in which is delivered, or discarded. Pure.

    The day is that of its last change, so that a repetition after a crash finds the same folder.
    """
    return workspace.get_archive(source.id, source.changed_at.astimezone(zone).date().isoformat())


def get_rows_folder(workspace: Workspace, source_id: str, given_up_at: datetime.datetime, zone: ZoneInfo) -> Path:
    """Return the folder that refused rows are archived in which were given up then. Pure.

    Not with the rest of their source: that may have been delivered long ago, and what is kept of it be removed today.
    """
    return workspace.get_archive(f"{source_id}{_OF_ROWS}", given_up_at.astimezone(zone).date().isoformat())


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
