"""What the ledger knows, as values: a record is a snapshot and never changes; read it again after a move."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.ledger.pause_kinds import PauseKind
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
    marker: str | None = None
    """what tells its ready marker from a later one of that name; None where it had none"""


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


@dataclass(frozen=True, kw_only=True, slots=True)
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
    """how often something came in its way since it last got on, whatever that was; for people"""
    failures: int
    """runs in a row in which the receiver did not take this very file; runs that did not get that far do not count"""
    retry_at: datetime.datetime | None
    """when it is tried again by itself, whatever the schedule says; None where nothing came in its way"""
    wanted_at: datetime.datetime | None
    """when a person asked for it to be tried at once; None where nobody did, or something came in its way since"""
    released: bool
    """a person said that it may go on"""
    lacks_configuration: bool = False
    """it is held only for its feed or destination, which the configuration has no longer"""

    @property
    def name(self) -> str:
        """The path below staging, as people see it."""
        return display_path(self.relative_path)

    @property
    def is_wanted(self) -> bool:
        """Whether a person wants it tried now, and nothing came in the way since."""
        return self.wanted_at is not None

    @property
    def file_name(self) -> str:
        """The last component of the path, as the file system takes it."""
        return os.fsdecode(self.relative_path).rsplit("/", 1)[-1]


def to_source(row: Mapping[str, Any]) -> Source:
    """Return a row of the table as a record. Pure."""
    return Source(**{**row, "state": SourceState(row["state"]), "type": FeedType(row["type"])})


@dataclass(frozen=True, kw_only=True)
class RowsLeftOut:
    """How many rows were not sent of what was delivered."""

    refused: int
    """they break a rule"""
    duplicates: int
    """they were there before"""


NONE_LEFT_OUT = RowsLeftOut(refused=0, duplicates=0)


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What became of files within one hour."""

    begin: datetime.datetime
    delivered: int = 0
    """files whose last manifest was published"""
    delivered_bytes: int = 0
    """of data files, as they lie at the receiver; also of sources that are delivered in part so far"""
    set_aside: int = 0
    """times that a file was quarantined or held"""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What was ever delivered of one feed to one destination."""

    feed: str
    destination: str
    sources: int
    bytes: int
    """as they were dropped"""
    records: int
    last_at: datetime.datetime | None
    """None: nothing was so far"""


@dataclass(frozen=True, kw_only=True)
class PendingProfiles:
    """A profile source that is not delivered, as far as the events behind it ask: thousands are listed at once."""

    number: int
    id: str
    relative_path: bytes
    state: SourceState
    released: bool

    @property
    def name(self) -> str:
        """The path below staging, as people see it."""
        return display_path(self.relative_path)


def to_pending(source: Source) -> PendingProfiles:
    """Return what events ask of a profile source. Pure."""
    return PendingProfiles(**{field.name: getattr(source, field.name) for field in fields(PendingProfiles)})


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
class Leftover:
    """A data file that may lie at a receiver and belongs to no part any more."""

    data_name: str
    destination: str
    source_id: str


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A destination whose last runs failed as a whole."""

    destination: str
    failures: int
    """runs in a row"""
    refusals: int
    """how many of these, the last ones, because it did not let us in"""
    since: datetime.datetime
    """when the first of them failed"""
    until: datetime.datetime
    """not tried again by itself before this"""
    reason: str
    """of the last failure"""
    signature: str
    """of address and keys that it was tried with"""
    kind: PauseKind
    """of the last failure"""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that is worth an alert, and whether that was told."""

    kind: str
    subject: str
    """which of its kind: a source's id, a destination, a feed"""
    level: str
    """how bad it is, where that is told anew"""
    since: datetime.datetime
    """when it came up, or to this level"""
    first_told_at: datetime.datetime | None = None
    """None: not so far, or not at this level"""
    told_at: datetime.datetime | None = None
    """when it was told last, at any level"""
    over_at: datetime.datetime | None = None
    """when it was seen to be over, which is not told so far"""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One alert on its way to one channel."""

    channel: str
    """a digest of where its URL lies"""
    made_at: datetime.datetime
    is_good: bool
    """it tells that something is over"""
    title: str
    body: str
    number: int = 0
    """given by the ledger"""


@dataclass(frozen=True, kw_only=True)
class MissingFile:
    """A deadline by which no file of a feed had come."""

    feed: str
    due_at: datetime.datetime
    noticed_at: datetime.datetime
    arrived_at: datetime.datetime | None = None
    """when one was claimed after all"""
    source_id: str | None = None
    """that one; it counts for no later deadline"""


@dataclass(frozen=True, kw_only=True)
class Untaken:
    """A complete file in staging that cannot be claimed."""

    relative_path: bytes
    feed: str
    reason: str
    since: datetime.datetime
    """when it was found to be so"""

    @property
    def name(self) -> str:
        """The path below staging, as people see it."""
        return display_path(self.relative_path)


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
    destination: str | None = None
    """where all of it goes; None where that is several, or an earlier version noted it"""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A run that a person asked for."""

    number: int
    destination: str
    feed: str | None
    """None: for everything that waits for the destination"""
    asked_at: datetime.datetime
    by: str


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
