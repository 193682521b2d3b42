"""Where refused originals wait: ``quarantine/<source id>/`` with the original and ``report.json``. Blocking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.errors import DecisionNeeded, InputRefused
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.prepare import report
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace, remove_file, remove_tree

REPORT_NAME = "report.json"


def quarantine(
    source: Source, error: InputRefused, workspace: Workspace, ledger: Ledger, *, command: str = COMMAND
) -> None:
    """Write the report, note the move, then move the original: after a crash in between, a start finishes it.

    ``command`` is how a person calls us.

    Raises:
        LocalFault: the disk is full, or the folder is not ours; the source stays as it was, or is moved at the next
            start.
    """
    folder = workspace.get_quarantine(source.id)
    with _faults(source):
        content = report.render_quarantine(
            source_id=source.id,
            file=source.name,
            feed=source.feed,
            error=error,
            failed_rows=describe_failed_rows(workspace.get_folder(source.id)),
            command=command,
        )
        files.make_folder(folder, FOLDER_MODE)
        files.write_durably(folder / REPORT_NAME, content)
        move_in(workspace.get_folder(source.id) / FAILED_ROWS_NAME, folder)
    ledger.sources.quarantine(source.id, error.cause)
    move_original(source, workspace)


def read_report(source: Source, workspace: Workspace) -> report.KeptReport | None:
    """Return what lies beside a quarantined original; None where it cannot be read: then the reason says it alone."""
    return read_report_in(workspace.get_quarantine(source.id))


def read_report_in(folder: Path) -> report.KeptReport | None:
    """Return the report in a folder; None where there is none that can be read."""
    try:
        return report.parse((folder / REPORT_NAME).read_bytes())
    except OSError:
        return None


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


def describe_failed_rows(folder: Path) -> report.Written | None:
    """Return what the file of refused rows in a folder is now; None where there is none. Raises OSError."""
    try:
        status = (folder / FAILED_ROWS_NAME).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return report.Written(size=status.st_size, mtime_ns=status.st_mtime_ns)


def require_untouched(source: Source, folder: Path) -> None:
    """Raise where a person changed the file of refused rows in ``folder``, which goes when its source is read again.

    Raises:
        DecisionNeeded: it is not as its report says.
        LocalFault: the folder is not ours.
    """
    found, noted = _look_for_rows(source, folder)
    if found != noted:
        raise DecisionNeeded(
            "read again",
            source.name,
            f"{folder / FAILED_ROWS_NAME} was changed since it was written, and would be lost",
            hint="move it into staging as a file of its own, or put the corrections into the original and remove "
            f"{FAILED_ROWS_NAME}",
        )


def has_refused_rows(source: Source, workspace: Workspace) -> bool:
    """Return whether the rows that were refused of a source lie where they were kept, as they were written.

    Else a person took them, or is at them: they may come as a file of their own. Raises ``LocalFault``.
    """
    found, noted = _look_for_rows(source, workspace.get_rejected(source.id))
    return found is not None and found == noted


def _look_for_rows(source: Source, folder: Path) -> tuple[report.Written | None, report.Written | None]:
    """Return what the file of refused rows in a folder is, and what it was when its report was written."""
    with _faults(source):
        found, path = describe_failed_rows(folder), folder / REPORT_NAME
        return found, report.read_failed_rows(path.read_bytes()) if found is not None and path.exists() else None


def forget_findings(source: Source, workspace: Workspace) -> None:
    """Remove what an earlier inspection kept of a source that is read again; may be repeated.

    Its original lies in the workspace; in its quarantine there is at most what one wrote that was cut off, and what a
    person put there, which stays.

    Raises:
        DecisionNeeded: a person changed the refused rows.
        LocalFault: the folders are not ours.
    """
    folder = workspace.get_quarantine(source.id)
    for kept in (workspace.get_rejected(source.id), folder):
        require_untouched(source, kept)
    with _faults(source):
        _remove_findings(workspace.get_rejected(source.id))
        if folder.exists():
            for path in (folder / FAILED_ROWS_NAME, files.get_unfinished(folder / REPORT_NAME), folder / REPORT_NAME):
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
        DecisionNeeded: it is in neither place; or a person changed the refused rows beside it, which would be lost.
        LocalFault: the folders are not ours.
    """
    original = workspace.get_source(source.id)
    quarantined = workspace.get_quarantine(source.id) / source.file_name
    if not original.exists() and quarantined.exists():
        require_untouched(source, workspace.get_quarantine(source.id))
        with _faults(source):
            status = quarantined.stat()
            # Before the move: whoever finds it in its place compares it with what is noted.
            ledger.sources.note_correction(source.id, size=status.st_size, mtime_ns=status.st_mtime_ns)
            files.make_folder(original.parent, FOLDER_MODE)
            with failpoints.around("quarantine.bring_back"):
                quarantined.rename(original)
            files.fsync_directory(original.parent)
            _remove_findings(workspace.get_quarantine(source.id))
    if not original.exists():
        with _faults(source):
            # Whoever puts it back finds the folder for it.
            original.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        hint = f"put it back as {original}"
        raise DecisionNeeded("read", source.name, "the claimed file is gone from the workspace", hint=hint)


def _remove_findings(folder: Path) -> None:
    # The report after the rows: without it nobody could tell whether somebody changed them.
    if folder.is_dir():
        remove_file(folder / FAILED_ROWS_NAME)
    remove_tree(folder)


def _faults(source: Source) -> AbstractContextManager[None]:
    return files.as_local_fault("quarantine", source.name, hint="the workspace must be writable, with space")
