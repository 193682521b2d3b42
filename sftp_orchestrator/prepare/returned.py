"""A ``failed_rows.csv`` that was corrected and dropped again: its last column is ours, and is left out."""

from __future__ import annotations

from pathlib import Path

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.prepare.header import Header
from sftp_orchestrator.prepare.reading import Reading
from sftp_orchestrator.prepare.rejecting import DESCRIPTION
from sftp_orchestrator.prepare.table import Rewriting


def is_returned(header: Header, feed: Feed) -> bool:
    """Return whether a file is one of refused rows, ours or the receiver's own, that comes back."""
    return len(header.names) > 1 and header.names[-1] == DESCRIPTION and DESCRIPTION not in feed.columns


def leave_out_description(reading: Reading, target: Path) -> None:
    """Write the file without its last column to ``target``; rows keep their order. May be repeated.

    Raises:
        LocalFault: the disk is full, or the folder not ours.
    """
    names, table = reading.header.names[:-1], reading.table
    reading.wait_for(lambda: table.rewrite(Rewriting(names=names, positions=range(len(names))), target))
