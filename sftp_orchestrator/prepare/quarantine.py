"""Where refused originals wait: ``quarantine/<source id>/`` with the original and ``report.json``. Blocking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.errors import DecisionNeeded, InputRefused
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.prepare import report
from sftp_orchestrator.prepare.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_file, remove_tree

REPORT_NAME = "report.json"


def quarantine(source: Source, error: InputRefused, workspace: Workspace, ledger: Ledger) -> None:
    """Write the report, note the move, then move the original: after a crash in between, a start finishes it.

    Raises:
        LocalFault: the disk is full, or the folder is not ours; the source stays as it was, or is moved at the next
            start.
    """
    folder = workspace.get_quarantine(source.id)
    content = report.render_quarantine(source_id=source.id, file=source.name, feed=source.feed, error=error)
    with _faults(source):
        files.make_folder(folder, FOLDER_MODE)
        files.write_durably(folder / REPORT_NAME, content)
        move_in(workspace.get_folder(source.id) / FAILED_ROWS_NAME, folder)
    ledger.sources.quarantine(source.id, error.cause)
    move_original(source, workspace)


def keep_refused_rows(source: Source, content: bytes, workspace: Workspace) -> None:
    """Put the refused rows of a source whose other rows are sent aside, with their report; may be repeated.

    Raises:
        LocalFault: the disk is full, or the folder not ours.
    """
    folder = workspace.get_rejected(source.id)
    with _faults(source):
        files.make_folder(folder, FOLDER_MODE)
        files.write_durably(folder / REPORT_NAME, content)
        move_in(workspace.get_folder(source.id) / FAILED_ROWS_NAME, folder)


def forget_findings(source: Source, workspace: Workspace) -> None:
    """Remove what an earlier inspection kept of a source that is read again; may be repeated. Raises ``LocalFault``.

    Its original lies in the workspace; in its quarantine there is at most what one wrote that was cut off, and what a
    person put there, which stays.
    """
    folder = workspace.get_quarantine(source.id)
    with _faults(source):
        remove_tree(workspace.get_rejected(source.id))
        if folder.exists():
            for path in (files.get_unfinished(folder / REPORT_NAME), folder / REPORT_NAME, folder / FAILED_ROWS_NAME):
                remove_file(path)
            if not any(folder.iterdir()):
                remove_tree(folder)


def move_in(path: Path, folder: Path) -> None:
    """Move a file into a folder, durably; nothing happens where it is gone already."""
    if path.exists():
        with failpoints.around("quarantine.rename_rows"):
            path.rename(folder / path.name)
        files.fsync_directory(folder)


def move_original(source: Source, workspace: Workspace) -> None:
    """Move the original of a quarantined source beside its report; may be repeated. Raises ``LocalFault``."""
    original = workspace.get_source(source.id)
    with _faults(source):
        if original.exists():
            folder = workspace.get_quarantine(source.id)
            files.make_folder(folder, FOLDER_MODE)
            with failpoints.around("quarantine.rename"):
                original.rename(folder / source.file_name)
            files.fsync_directory(folder)
        remove_tree(workspace.get_folder(source.id))


def bring_back(source: Source, workspace: Workspace, ledger: Ledger) -> None:
    """Fetch a claimed original from quarantine, where a person let it go on, as it is by now; may be repeated.

    Raises:
        DecisionNeeded: it is in neither place.
        LocalFault: the folders are not ours.
    """
    original = workspace.get_source(source.id)
    quarantined = workspace.get_quarantine(source.id) / source.file_name
    if not original.exists() and quarantined.exists():
        with _faults(source):
            status = quarantined.stat()
            # Before the move: whoever finds it in its place compares it with what is noted.
            ledger.sources.note_correction(source.id, size=status.st_size, mtime_ns=status.st_mtime_ns)
            files.make_folder(original.parent, FOLDER_MODE)
            with failpoints.around("quarantine.bring_back"):
                quarantined.rename(original)
            files.fsync_directory(original.parent)
            remove_tree(workspace.get_quarantine(source.id))
    if not original.exists():
        with _faults(source):
            # Whoever puts it back finds the folder for it.
            original.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        hint = f"put it back as {original}"
        raise DecisionNeeded("read", source.name, "the claimed file is gone from the workspace", hint=hint)


def _faults(source: Source) -> AbstractContextManager[None]:
    return files.as_local_fault("quarantine", source.name, hint="the workspace must be writable, with space")
