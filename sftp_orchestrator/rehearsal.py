"""What would happen to a file, found out without writing or sending anything: ``plan`` and ``validate``."""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

from sftp_orchestrator.config.model import Configuration, Encoding, Feed
from sftp_orchestrator.destination import names
from sftp_orchestrator.destination.declared import Declared, read_declared
from sftp_orchestrator.errors import ConfigurationError, InputRefused
from sftp_orchestrator.intake.matching import explain_mismatch, list_matching_feeds
from sftp_orchestrator.ledger.records import PlannedPart, display_path
from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.prepare.inspect import Inspection, inspect
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION
from sftp_orchestrator.prepare.report import Finding, NothingNew, RowsRefused, Tally, get_tallies, list_findings
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.unpack.formats import Compression, Content, get_format

_LOG = structlog.get_logger()


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
    """left out because the same file, or what was sent earlier as far as that is known, has them"""
    size: int
    parts: tuple[PlannedPart, ...]
    header_bytes: int
    tallies: tuple[Tally, ...]
    """what breaks rules: warnings, and errors"""
    brings: tuple[Declared, ...] = ()
    """the properties that it declares"""
    are_types_compared: bool = False
    """whether these were compared with what was delivered"""
    held_for: str | None = None
    """why it would be held: it is a copy, or properties would change their type"""
    refusal: InputRefused | None = None
    """why it would be quarantined"""
    changes: tuple[str, ...] = ()
    """what would be done to what is sent; nothing where that is the file byte for byte, or a range of it"""
    sha256: str | None = None
    """of the whole file; None where it would be quarantined"""
    misfit: str | None = None
    """why it would be left alone in staging, where its feed was named"""
    goes: str | None = None
    """when it would go, were it complete in staging now, for people; None where that is not looked up"""
    goes_at: datetime.datetime | None = None
    """None where nothing keeps it"""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The first places of each rule."""
        return list_findings(self.tallies)

    @property
    def is_refused(self) -> bool:
        """Whether the file would be quarantined."""
        return self.refusal is not None

    @property
    def verdict(self) -> str:
        """What would become of the file."""
        return "quarantined" if self.is_refused else "held" if self.held_for is not None else "delivered"

    @property
    def summary(self) -> str:
        """What would become of the file as a whole, and why, where the places do not say it."""
        if self.refusal is None:
            return f"It would be held: {self.held_for}" if self.held_for is not None else ""
        is_told = not isinstance(self.refusal, RowsRefused | NothingNew)
        said = self.refusal.why if isinstance(self.refusal, RowsRefused) else self.refusal.cause
        return "It would be quarantined" + ("." if is_told else f", and no row of it sent: {said}")

    @property
    def remedy(self) -> str | None:
        """What to do about a file that would be quarantined, for people."""
        if isinstance(self.refusal, RowsRefused):
            return f"correct these rows; or {self.refusal.hint}"
        return self.refusal.hint if self.refusal is not None else None

    def get_bytes(self, part: PlannedPart) -> int:
        """Return the plaintext bytes of a part; encrypted it has others, below the receiver's limit."""
        return self.header_bytes + part.end - part.start

    def to_json(self, *, parts: bool = True) -> dict[str, Any]:
        """Return the documented fields, with or without what becomes of the good rows."""
        found = self._to_json()
        if not parts:
            for name in ("destination", "encrypted", "parts", "types_compared", "held_for", "goes", "goes_at"):
                del found[name]
        return found

    def _to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "feed": self.feed,
            "type": self.type,
            "destination": self.destination,
            "encrypted": self.encrypted,
            "verdict": self.verdict,
            "size": self.size,
            "rows": self.rows,
            "refused_rows": self.refused_rows,
            "duplicate_rows": self.duplicate_rows,
            "refused_for": self.refusal.cause if self.refusal is not None else None,
            "hint": self.remedy,
            "changes": list(self.changes),
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
            "types_compared": self.are_types_compared,
            "held_for": self.held_for,
            "goes": self.goes,
            "goes_at": self.goes_at.isoformat() if self.goes_at is not None else None,
        }


def rehearse(
    configuration: Configuration,
    path: Path,
    *,
    operation: str,
    named: str | None = None,
    earlier: Mapping[str, Sequence[Path]] = MappingProxyType({}),
    progress: Callable[[int], None] = lambda _: None,
) -> Plan:
    """Return what would happen to ``path`` if it lay in staging; may be repeated. Blocking.

    ``operation`` is what errors call it, ``named`` the feed to look at it by, whatever fits it, ``earlier`` are the
    fingerprints of rows sent before, by feed.

    Raises:
        ConfigurationError: there is no such file, its path is no UTF-8, or not exactly one feed fits it.
        LocalFault: it cannot be read.
    """
    require_file(operation, path)
    name, misfit = _choose_feed(configuration, path, operation, named)
    feed, destination = configuration.feeds[name], configuration.get_destination(name)
    found = _look(configuration, name, path, earlier.get(name, ()), progress)
    inspection = found.inspection
    return Plan(
        file=display_path(os.fsencode(path)),
        feed=name,
        type=feed.type.value,
        destination=configuration.get_destination_name(name),
        encrypted=destination.encryption is not None,
        rows=found.rows,
        refused_rows=found.refused_rows,
        duplicate_rows=found.duplicate_rows,
        size=path.stat().st_size,
        parts=found.parts,
        header_bytes=len(inspection.header.header_bytes) if inspection else 0,
        tallies=found.tallies,
        refusal=found.refusal,
        changes=list_changes(feed, path.name, inspection) if inspection else (),
        sha256=inspection.sha256 if inspection else None,
        brings=_read_brought(found),
        misfit=misfit,
    )


def require_feed(configuration: Configuration, name: str, operation: str) -> None:
    """Raise ``ConfigurationError`` where no feed is called so; it lists those that there are. Pure."""
    if name not in configuration.feeds:
        known = ", ".join(configuration.feeds) or "none"
        raise ConfigurationError(
            operation, f"by feed {name}", "there is no feed of this name", hint=f"known are {known}"
        )


def _choose_feed(configuration: Configuration, path: Path, operation: str, named: str | None) -> tuple[str, str | None]:
    """Return the one feed that the file fits; or the one that is ``named``, and why it would not be taken so."""
    relative = get_relative_path(configuration, path)
    feeds = list_matching_feeds(relative, configuration.feeds)
    misfit = explain_mismatch(feeds, configuration.feeds) if len(feeds) != 1 else None
    if named is not None:
        if misfit is None and feeds != (named,):
            misfit = f"it is one of feed {feeds[0]}"
        return named, misfit
    if misfit is not None:
        raise ConfigurationError(operation, display_path(relative), misfit, hint="see feeds.*.files")
    return feeds[0], None


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What a look at a file found, as far as it came."""

    inspection: Inspection | None = None
    parts: tuple[PlannedPart, ...] = ()
    tallies: tuple[Tally, ...] = ()
    rows: int | None = None
    refused_rows: int | None = None
    duplicate_rows: int = 0
    refusal: InputRefused | None = None


def _read_brought(found: _Found) -> tuple[Declared, ...]:
    """Return the properties that the parts declare."""
    if found.inspection is None or not found.parts:
        return ()
    return read_declared(found.parts[0].manifest, found.inspection.header.header_bytes)


def _look(
    configuration: Configuration, name: str, path: Path, earlier: Sequence[Path], progress: Callable[[int], None]
) -> _Found:
    """Inspect a file as one of the feed ``name``, and plan its parts."""
    feed, destination = configuration.feeds[name], configuration.get_destination(name)
    now, found = datetime.datetime.now(datetime.UTC), _Found()
    try:
        with open_scratch(configuration) as scratch:
            inspection = inspect(
                path,
                feed,
                now=now,
                outlet=scratch,
                retention_days=destination.retention_days,
                earlier=_hold(earlier, scratch),
                watch=Watch(progress=progress),
            )
            found = _Found(
                inspection=inspection,
                tallies=inspection.tallies,
                rows=inspection.original.records,
                refused_rows=inspection.refused_rows,
                duplicate_rows=inspection.duplicate_rows,
            )
            ranges = planning.split_for(inspection, destination)
        parts = planning.plan_parts(
            name, feed, destination, inspection.header.names, ranges, short_id=names.make_short_id(), at=now
        )
    except InputRefused as refused:
        found = replace(found, tallies=(*found.tallies, *get_tallies(refused)), refusal=refused)
        match refused:
            case RowsRefused():
                return replace(found, rows=refused.records, refused_rows=refused.refused_rows)
            case NothingNew(records=rows, repeated_rows=repeated):
                return replace(found, rows=rows, refused_rows=rows - repeated, duplicate_rows=repeated)
            case _:
                return replace(found, rows=None, refused_rows=None, duplicate_rows=0)
    return replace(found, parts=tuple(parts))


def _hold(earlier: Sequence[Path], scratch: Path) -> list[Path]:
    """Return files that stay while a large one is looked at, whatever a daemon does with its own meanwhile."""
    held = []
    for number, path in enumerate(earlier):
        link = scratch / f"earlier_{number}.parquet"
        try:
            link.hardlink_to(path)
        except FileNotFoundError:
            continue  # It counts no more.
        except OSError:
            link = path  # On another file system, or another's: then it is read where it lies.
        held.append(link)
    return held


def list_changes(feed: Feed, name: str, inspection: Inspection) -> tuple[str, ...]:
    """Return what is done to a file called ``name`` before it is sent, for people. Pure."""
    if not inspection.is_rewritten:
        return ()
    format_ = get_format(name)
    # Refused rows that come back are in UTF-8, and have commas by then.
    is_producers = format_.content is Content.TEXT and not inspection.is_returned
    done = {
        "unpacked": format_.compression is not Compression.NONE,
        "made CSV": format_.content is not Content.TEXT,
        f"made UTF-8 of {feed.encoding}": is_producers and feed.encoding is not Encoding.UTF_8,
        "with a comma as its delimiter": is_producers and feed.delimiter != ",",
        f"without its column '{DESCRIPTION}'": inspection.is_returned,
        "renamed in its header": bool(feed.rename),
        "with an event name in each row": feed.event_name is not None,
        "sorted by time": feed.sort_by_time,
        "without duplicates": bool(inspection.duplicate_rows),
        "without refused rows": bool(inspection.refused_rows),
    }
    return tuple(said for said, is_done in done.items() if is_done)


@contextlib.contextmanager
def open_scratch(configuration: Configuration) -> Iterator[Path]:
    """Give a folder for what is made on the way, gone afterwards: in the workspace, where its data is at home.

    Where there is no workspace yet, or it is not ours, it is the system's folder for such.
    """
    workspace = configuration.workspace
    parent = workspace if workspace.is_dir() and os.access(workspace, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=parent) as scratch:
        yield Path(scratch)


def get_relative_path(configuration: Configuration, path: Path) -> bytes:
    """Return the path below staging that ``path`` has, or would have: for a file elsewhere, its name."""
    absolute = path.resolve()
    staging = configuration.staging.resolve()
    inside = absolute.is_relative_to(staging)
    return os.fsencode(absolute.relative_to(staging) if inside else absolute.name)
