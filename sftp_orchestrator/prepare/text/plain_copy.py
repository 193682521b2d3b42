"""A copy of a file's rows where DuckDB would misread the file's begin or end: a plain header, and nothing behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sftp_orchestrator import files, space
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.nameless import get_descriptor_path, make_plain_header
from sftp_orchestrator.prepare.text.scan import Scan

_HINT = "the workspace must be writable, with space for the file"
_COPY_BYTES = 1024 * 1024


def must_copy(scan: Scan) -> bool:
    """Return whether DuckDB would read other rows in the file itself. Pure.

    It takes the first line break for that of all rows, be it within quotes; and where there is one column, a blank
    line at the end for a row.
    """
    header = scan.header
    inner = header.header_bytes.removesuffix(header.newline)
    has_blanks = scan.body_end < scan.fingerprint.size
    return b"\n" in inner or b"\r" in inner or (len(header.names) == 1 and has_blanks)


@contextmanager
def copy_plainly(path: Path, scan: Scan, *, folder: Path, watch: Watch) -> Iterator[Path]:
    """Give the rows of ``path`` as a file without a name in ``folder``, for the time of the context and this process.

    Raises:
        LocalFault: the disk is full, or the folder not ours.
        Stopped: ``watch`` said so.
    """
    with files.as_local_fault("write", str(folder), hint=_HINT):
        target = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below; it is open while others read it
    with target:
        with space.reserve(folder, scan.fingerprint.size), files.as_local_fault("write", str(folder), hint=_HINT):
            target.write(make_plain_header(scan.header))
            _copy(path, scan, target, watch)
            target.flush()
        yield get_descriptor_path(target)


def _copy(path: Path, scan: Scan, target: IO[bytes], watch: Watch) -> None:
    with path.open("rb") as source:
        offset = scan.header.body_start
        while offset < scan.body_end:
            watch.advance(0)
            piece = os.pread(source.fileno(), min(_COPY_BYTES, scan.body_end - offset), offset)
            if not piece:
                # Cut off meanwhile: the number of rows will tell.
                return
            target.write(piece)
            offset += len(piece)
