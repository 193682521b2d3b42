"""Cuts a source into parts at record ends: ``header + source[start:end]``, balanced, each strictly under the limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.text.lines import count_lines
from sftp_orchestrator.prepare.text.record_index import RecordEnds
from sftp_orchestrator.prepare.text.scan import Scan

ARMOR_FACTOR = 1.36
"""Bytes of ASCII armor for a byte of incompressible plaintext: base64 with line breaks is 1.3542, the rest of OpenPGP's
and deflate's framing at most 0.0005 (RFC 9580, RFC 1951)."""
ENVELOPE_BYTES = 1300
"""What an encrypted message has besides: session key for RSA 4096, headers, checksums, armor lines."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """The records of one part."""

    start: int
    end: int
    records: int


def get_plain_limit(encrypted_bytes: int) -> int:
    """Return what plaintext must stay below so that even incompressible data stays below ``encrypted_bytes``. Pure."""
    return max(1, math.floor((encrypted_bytes - ENVELOPE_BYTES) / ARMOR_FACTOR))


def get_encrypted_bound(plain_bytes: int) -> int:
    """Return what an encrypted part has at most, whatever its plaintext of ``plain_bytes`` is. Pure."""
    return math.ceil(plain_bytes * ARMOR_FACTOR) + ENVELOPE_BYTES


def split(scan: Scan, path: Path, *, max_bytes: int, tells_lines: bool = True) -> tuple[ByteRange, ...]:
    """Return the parts of a scanned file, in order; each with the header stays strictly below ``max_bytes``.

    A refusal names the line, unless the file is one of ours that nobody else sees.

    Raises:
        Refused: a single record is too large for a part.
    """
    ends = RecordEnds(path, scan.index)
    try:
        parts = _cut(scan, ends, path, max_bytes, tells_lines=tells_lines)
    finally:
        ends.close()
    if sum(part.records for part in parts) != scan.records:
        raise LocalFault("split", "the file", "the parts have not as many records as the file: a defect of ours")
    return tuple(parts)


def _cut(scan: Scan, ends: RecordEnds, path: Path, max_bytes: int, *, tells_lines: bool) -> list[ByteRange]:
    capacity = max_bytes - 1 - len(scan.header.header_bytes)
    parts: list[ByteRange] = []
    start, counted = scan.header.body_start, 1
    while start < scan.body_end:
        left = scan.body_end - start
        # Shared out anew for each part, so that what rounding to records took from one is spread over the others.
        wanted = start + math.ceil(left / max(1, math.ceil(left / max(1, capacity))))
        found = ends.find_last(after=start, up_to=wanted)
        following = ends.find_first(after=wanted) if found is None or found[0] != wanted else found
        if following[0] - start <= capacity and (found is None or following[0] - wanted < wanted - found[0]):
            found = following
        if found is None or found[0] - start > capacity:
            size = following[0] - start
            called = "the record that begins here" if tells_lines else f"row {counted:,} of what is sent"
            raise refuse(
                "record.too_large",
                f"{called} has {size} bytes and with the header of {len(scan.header.header_bytes)} bytes"
                f" fits into no part below {max_bytes} bytes",
                # In a file of ours lines are not those of the file that was dropped.
                line=count_lines(path, [start])[start] if tells_lines else None,
            )
        end, count = found
        parts.append(ByteRange(start=start, end=end, records=count - counted))
        start, counted = end, count
    return parts
