"""What is remembered of rows that were sent, so that they are not sent again: a file of fingerprints for each source.

They lie in ``<workspace>/fingerprints/<feed>/<source id>.parquet``. The ledger tells which of them count: those of
sources that were sent, or are on their way, within the days and the number of rows that the feed asks for.
"""

from __future__ import annotations

import datetime
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import structlog

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.prepare.tables.duplicates import FINGERPRINTS_NAME
from sftp_orchestrator.workspace import FOLDER_MODE, Workspace

_LOG = structlog.get_logger()


def get_since(feed: Feed, *, now: datetime.datetime) -> datetime.datetime | None:
    """Return since when rows of earlier files count; None where they do not. Pure."""
    asked = feed.deduplicate
    return now - datetime.timedelta(days=asked.days) if asked is not None and asked.days else None


def limit(sent: Sequence[Source], feed: Feed) -> list[Source]:
    """Return the first of ``sent``, the newest, that have no more rows together than the feed asks for. Pure."""
    most = feed.deduplicate.max_rows if feed.deduplicate is not None else 0
    sums = itertools.accumulate(source.records or 0 for source in sent)
    return [source for source, rows in zip(sent, sums, strict=True) if rows <= most]


def find_earlier(
    workspace: Workspace, ledger: Ledger, *, name: str, destination: str, feed: Feed, now: datetime.datetime
) -> list[Path]:
    """Return the files of rows that a file of the feed ``name`` must not repeat; nothing is written. Blocking."""
    since = get_since(feed, now=now)
    sent = ledger.sources.list_sent(name, destination, since=since) if since is not None else []
    paths = [workspace.get_fingerprints(name, earlier.id) for earlier in limit(sent, feed)]
    return [path for path in paths if os.access(path, os.R_OK)]


class Fingerprints:
    """The fingerprints of one workspace. Blocking."""

    def __init__(self, workspace: Workspace, ledger: Ledger) -> None:
        self._workspace = workspace
        self._ledger = ledger

    def list_earlier(self, source: Source, feed: Feed, *, now: datetime.datetime) -> list[Path]:
        """Return the files of rows that a row of ``source`` must not repeat; files that do not count are removed.

        Raises:
            LocalFault: the folder is not ours.
        """
        if feed.deduplicate is None:
            return []
        since = get_since(feed, now=now)
        sent: list[Source] = []
        if since is not None:
            sent = self._ledger.sources.list_sent(source.feed, source.destination, since=since, besides=source.id)
        counted = [self._get_path(earlier) for earlier in limit(sent, feed)]
        if len(counted) < len(sent):
            left = sent[len(counted)].id
            _LOG.warning("fingerprints_limited", feed=source.feed, max_rows=feed.deduplicate.max_rows, since=left)
        self._remove_all_but(counted, source)
        return [path for path in counted if path.exists()]

    def keep(self, source: Source) -> None:
        """Put the fingerprints of an inspected source where later ones find them; may be repeated.

        Raises:
            LocalFault: the disk is full, or the folder not ours.
        """
        found = self._workspace.get_folder(source.id) / FINGERPRINTS_NAME
        target = self._get_path(source)
        with files.as_local_fault("keep", str(target), hint="the workspace must be writable, with space"):
            if not found.exists():
                return
            target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            found.chmod(files.WORK_MODE)
            files.fsync_file(found)
            with failpoints.around("fingerprints.rename"):
                found.rename(target)
            files.fsync_directory(target.parent)

    def _get_path(self, source: Source) -> Path:
        return self._workspace.get_fingerprints(source.feed, source.id)

    def _remove_all_but(self, counted: list[Path], source: Source) -> None:
        folder = self._get_path(source).parent
        with files.as_local_fault("tidy", str(folder), hint="the workspace must be writable"):
            for path in sorted(folder.iterdir()) if folder.exists() else ():
                if path not in counted:
                    path.unlink()
