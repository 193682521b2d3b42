"""The configuration that was gone by last, as the workspace keeps it: for looking, while the file is wrong."""

from __future__ import annotations

from pathlib import Path

import pydantic
import structlog

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config import effective, loading
from sftp_orchestrator.config.ledger_url import HIDDEN, hide_password
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.workspace import Workspace

_LOG = structlog.get_logger()


def keep(configuration: Configuration) -> None:
    """Note in the workspace, which is there, that this is gone by from now on; no secret is written. May be repeated.

    Where that cannot be written it is told, and nothing is raised, and a power cut may lose it: nobody but a person who
    looks later needs it, and what is not whole is not recalled.
    """
    path, content = Workspace(root=configuration.workspace).configuration, effective.render_json(configuration).encode()
    unfinished = files.get_unfinished(path)
    try:
        # A pass every minute need not write it every minute.
        if path.exists() and path.read_bytes() == content:
            return
        try:
            with failpoints.around("configuration.keep"):
                unfinished.touch(mode=files.WORK_MODE)
                unfinished.write_bytes(content)
                unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("configuration_not_kept", file=str(path), error=error.strerror or str(error))


def recall(path: Path) -> Configuration | None:
    """Return what was gone by last in the workspace that the file ``path`` names, whatever else is wrong in that file.

    None where it names none, or another than was gone by there, or where nothing was kept that can still be read.
    """
    workspace = loading.find_workspace(path)
    if workspace is None:
        return None
    try:
        content = Workspace(root=workspace).configuration.read_bytes()
        found = Configuration.model_validate_json(content, strict=True)
    except (OSError, pydantic.ValidationError):
        return None
    return _with_password(found, path) if found.workspace == workspace else None


def _with_password(kept: Configuration, path: Path) -> Configuration | None:
    """Return ``kept`` with its ledger's password, which the file ``path`` alone has; None where it is not there."""
    if HIDDEN not in kept.ledger.url:
        return kept
    url = loading.find_ledger_url(path)
    if url is None or hide_password(url) != kept.ledger.url:
        return None
    return kept.model_copy(update={"ledger": kept.ledger.model_copy(update={"url": url})})
