"""CSV files without a name, which are gone with us however we end, and which DuckDB reads by their descriptor."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from sftp_orchestrator.prepare.text.header import Header


def make_plain_header(header: Header, *before: str) -> bytes:
    """Return a header without quotes for the columns of ``header``, with others ``before`` them. Pure."""
    names = (*before, *("c" for _ in header.names))
    return header.delimiter.join(names).encode() + header.newline


def get_descriptor_path(file: IO[bytes]) -> Path:
    """Return where this process can open a file that has no name (proc_pid_fd(5))."""
    return Path(f"/proc/self/fd/{file.fileno()}")
