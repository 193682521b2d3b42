"""What the ledger knows, as values: a record is a snapshot and never changes; read it again after a move."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass

from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.ledger.states import PartState, SourceState


def display_path(relative_path: bytes) -> str:
    """Return a file name as people see it: what is no UTF-8, and control characters, as escapes. Pure."""
    text = relative_path.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The intent to make a file ours: what it was when it was found complete."""

    source_id: str
    feed: str
    type: FeedType
    destination: str
    relative_path: bytes
    device: int
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class InspectedFile:
    """What the inspection found in a claimed file; the fields are those of ``Source``."""

    size: int
    mtime_ns: int
    sha256: str
    records: int
    header_bytes: bytes
    earliest_ts: int | None
    refused_rows: int = 0
    duplicate_rows: int = 0
    is_rewritten: bool = False


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file a producer dropped, claimed by us."""

    number: int
    """rises with each claim: the order of arrival"""
    id: str
    feed: str
    type: FeedType
    destination: str
    relative_path: bytes
    state: SourceState
    claimed_at: datetime.datetime
    changed_at: datetime.datetime
    size: int
    mtime_ns: int
    sha256: str | None
    records: int | None
    """rows to be sent, once it is inspected"""
    refused_rows: int
    """rows of it that break a rule and are not sent"""
    duplicate_rows: int
    """rows of it that are left out because they were there before"""
    is_rewritten: bool
    """what is sent is a file of ours, made of the original"""
    header_bytes: bytes | None
    plan_key: str | None
    """a digest of the settings that its parts were planned by"""
    earliest_ts: int | None
    """epoch seconds of the earliest event, where the feed maps ``ts``"""
    sendings: int
    """how many generations of names its parts have had"""
    reason: str | None
    """why it waits, is quarantined or held"""
    attempts: int
    retry_at: datetime.datetime | None
    released: bool
    """a person said that it may go on"""

    @property
    def name(self) -> str:
        """The path below staging, as people see it."""
        return display_path(self.relative_path)

    @property
    def is_wanted(self) -> bool:
        """Whether a person wants it tried now, and nothing came in the way since."""
        return self.attempts == 0 and self.retry_at is not None

    @property
    def file_name(self) -> str:
        """The last component of the path, as the file system takes it."""
        return os.fsdecode(self.relative_path).rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data file of a source together with its manifest."""

    source_id: str
    number: int
    of: int
    state: PartState
    start: int
    """offset in the source of its first byte after the header"""
    end: int
    records: int
    data_name: str
    manifest_name: str
    manifest: bytes
    size: int | None
    """bytes at the receiver; None until it is ready"""
    delivered_at: datetime.datetime | None


@dataclass(frozen=True, kw_only=True)
class PlannedPart:
    """What planning fixes of a part before a byte of it leaves."""

    start: int
    end: int
    records: int
    data_name: str
    manifest_name: str
    manifest: bytes


@dataclass(frozen=True, kw_only=True)
class Move:
    """One line of the history."""

    at: datetime.datetime
    source_id: str
    part: int | None
    before: str | None
    after: str
    reason: str | None
    by: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One delivery pass."""

    number: int
    trigger: str
    started_at: datetime.datetime
    finished_at: datetime.datetime | None
    verdict: str | None
    delivered: int | None
    not_delivered: int | None


@dataclass(frozen=True, kw_only=True)
class Property:
    """One property at a destination, and where the type that it has comes from."""

    destination: str
    kind: FeedType
    """whether it is a profile's or an event's: the two do not know each other"""
    name: str
    type: DataType
    date_format: str | None
    column: str
    """the header that became it"""
    source_id: str
    feed: str
    relative_path: bytes
    since: datetime.datetime
    """when that source was delivered, or its types accepted; of one on its way, when it last moved"""
    accepted_by: str | None
    """who accepted the type, where a person did"""
    is_on_its_way: bool = False
    """it is not registered yet: its source is not delivered"""

    @property
    def file(self) -> str:
        """The path below staging of its source, as people see it."""
        return display_path(self.relative_path)
