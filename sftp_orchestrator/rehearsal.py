"""What would happen to a file, found out without writing or sending anything: ``plan`` and ``validate``."""

from __future__ import annotations

import datetime
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination import names
from sftp_orchestrator.errors import ConfigurationError, InputRefused, LocalFault
from sftp_orchestrator.intake.matching import explain_mismatch, list_matching_feeds
from sftp_orchestrator.ledger.records import PlannedPart, display_path
from sftp_orchestrator.prepare import planning
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.report import Finding, Refused, Tally, get_tallies, list_findings
from sftp_orchestrator.prepare.stopping import Watch


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would happen to one file. Names carry the time and id of their planning: a delivery's own will differ."""

    file: str
    feed: str
    type: str
    destination: str
    encrypted: bool
    rows: int | None
    """in the file; None where it cannot be read"""
    refused_rows: int | None
    duplicate_rows: int
    """left out because the same file has them before; what was sent earlier is not known here"""
    size: int
    parts: tuple[PlannedPart, ...]
    header_bytes: int
    tallies: tuple[Tally, ...]
    """what breaks rules: warnings, and errors"""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first places of each rule."""
        return list_findings(self.tallies)

    @property
    def is_refused(self) -> bool:
        """Whether the file would be quarantined."""
        return not self.parts

    def get_bytes(self, part: PlannedPart) -> int:
        """Return the plaintext bytes of a part; encrypted it has others, below the receiver's limit."""
        return self.header_bytes + part.end - part.start

    def to_json(self, *, parts: bool = True) -> dict[str, Any]:
        """Return the documented fields, with or without what becomes of the good rows."""
        found = self._to_json()
        if not parts:
            for name in ("destination", "encrypted", "parts"):
                del found[name]
        return found

    def _to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "feed": self.feed,
            "type": self.type,
            "destination": self.destination,
            "encrypted": self.encrypted,
            "verdict": "quarantined" if self.is_refused else "delivered",
            "size": self.size,
            "rows": self.rows,
            "refused_rows": self.refused_rows,
            "duplicate_rows": self.duplicate_rows,
            "rules": [
                {"rule": found.rule, "severity": found.severity.value, "rows": found.rows} for found in self.tallies
            ],
            "findings": [vars(finding) for finding in self.findings],
            "parts": [
                {
                    "number": number,
                    "data_name": part.data_name,
                    "manifest_name": part.manifest_name,
                    "rows": part.records,
                    "bytes": self.get_bytes(part),
                }
                for number, part in enumerate(self.parts, start=1)
            ],
        }


def rehearse(
    configuration: Configuration, path: Path, *, operation: str, progress: Callable[[int], None] = lambda _: None
) -> Plan:
    """Return what would happen to ``path`` if it lay in staging; may be repeated. Blocking.

    ``operation`` is what errors call it.

    Raises:
        ConfigurationError: there is no such file, its path is no UTF-8, or not exactly one feed fits it.
        LocalFault: it cannot be read.
    """
    _require_file(path, operation)
    _require_utf8(path, operation)
    relative = get_relative_path(configuration, path)
    feeds = list_matching_feeds(relative, configuration.feeds)
    if len(feeds) != 1:
        raise ConfigurationError(operation, display_path(relative), explain_mismatch(feeds), hint="see feeds.*.files")
    feed, destination_name = feeds[0], configuration.get_destination_name(feeds[0])
    destination = configuration.destinations[destination_name]
    inspection: Inspection | None = None
    parts: list[PlannedPart] = []
    tallies: tuple[Tally, ...] = ()
    refused_rows: int | None = None
    now = datetime.datetime.now(datetime.UTC)
    try:
        with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-") as scratch:
            inspection = inspect(
                path,
                configuration.feeds[feed],
                now=now,
                outlet=Path(scratch),
                retention_days=destination.retention_days,
                watch=Watch(progress=progress),
            )
            tallies, refused_rows = inspection.tallies, inspection.refused_rows
            ranges = planning.split_for(inspection, destination)
        parts = planning.plan_parts(
            feed,
            configuration.feeds[feed],
            destination,
            inspection.header.names,
            ranges,
            short_id=names.make_short_id(),
            at=now,
        )
    except InputRefused as refused:
        tallies = (*tallies, *get_tallies(refused))
        refused_rows = refused.refused_rows if isinstance(refused, Refused) else None
    return Plan(
        file=display_path(os.fsencode(path)),
        feed=feed,
        type=configuration.feeds[feed].type.value,
        destination=destination_name,
        encrypted=destination.encryption is not None,
        rows=inspection.original.records if inspection else None,
        refused_rows=refused_rows,
        duplicate_rows=inspection.duplicate_rows if inspection else 0,
        size=path.stat().st_size,
        parts=tuple(parts),
        header_bytes=len(inspection.header.header_bytes) if inspection else 0,
        tallies=tallies,
    )


def _require_file(path: Path, operation: str) -> None:
    shown = display_path(os.fsencode(path))
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(operation, shown, "there is no such file") from error
    except OSError as error:
        raise LocalFault(operation, shown, error.strerror or type(error).__name__) from error
    if stat.S_ISDIR(mode):
        raise ConfigurationError(operation, shown, "it is a folder", hint="name the files in it")
    if not stat.S_ISREG(mode):
        raise ConfigurationError(operation, shown, "it is no plain file")


def _require_utf8(path: Path, operation: str) -> None:
    """Raise where DuckDB could not open the file; in the workspace every file has a name of ours, so ``run`` can."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(
            operation,
            display_path(os.fsencode(path)),
            "its path is no UTF-8, and only `run` can read it so",
            hint="take a copy under another name",
        ) from error


def get_relative_path(configuration: Configuration, path: Path) -> bytes:
    """Return the path below staging that ``path`` has, or would have: for a file elsewhere, its name."""
    absolute = path.resolve()
    staging = configuration.staging.resolve()
    inside = absolute.is_relative_to(staging)
    return os.fsencode(absolute.relative_to(staging) if inside else absolute.name)
