"""A file of refused rows that was corrected and dropped again: ours, or the receiver's own, in the form sent."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sftp_orchestrator.config.model import DELIMITERS, Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.tables.reading import Reading
from sftp_orchestrator.prepare.tables.table import Rewriting
from sftp_orchestrator.prepare.text.header import Header
from sftp_orchestrator.prepare.text.scan import read_header


def is_returned(header: Header, feed: Feed) -> bool:
    """Return whether a file is one of refused rows, ours or the receiver's own, that comes back."""
    return len(header.names) > 1 and header.names[-1] == DESCRIPTION and DESCRIPTION not in feed.columns


def find_delimiter(path: Path, feed: Feed) -> str:
    """Return what separates the columns of a text: the feed's delimiter, but for refused rows that come back.

    The receiver's own file has commas, as they are sent; and a spreadsheet program saves with what its country uses.
    """
    with contextlib.suppress(Refused):
        # One look tells of nearly every file that none of them makes it one that comes back.
        if DESCRIPTION.encode() not in read_header(path, feed.delimiter).header_bytes:
            return feed.delimiter
    known = (found for found in dict.fromkeys((feed.delimiter, *DELIMITERS)) if _is_returned_by(path, found, feed))
    return next(known, feed.delimiter)


def _is_returned_by(path: Path, delimiter: str, feed: Feed) -> bool:
    try:
        return is_returned(read_header(path, delimiter), feed)
    except Refused:
        return False


def leave_out_description(reading: Reading, target: Path, feed: Feed) -> None:
    """Write the file to ``target`` as its producer would: without what we and the receiver added; in its order.

    May be repeated.

    Raises:
        LocalFault: the disk is full, or the folder not ours.
    """
    added = {DESCRIPTION, *([clevertap.EVENT_NAME] if feed.event_name is not None else [])}
    positions = [place for place, name in enumerate(reading.header.names) if name not in added]
    names, table = [reading.header.names[place] for place in positions], reading.table
    reading.wait_for(lambda: table.rewrite(Rewriting(names=names, positions=positions), target))
