"""The configuration as types: one model for validation, the commented sample, the reference page and the JSON Schema.

Each field's docstring is its ``description``: the comment in the sample and the meaning in the reference.
``examples[0]`` is the value shown in the sample where the default would tell nothing. Sizes are bytes, times seconds.

Validators raise ``ValueError`` with a text that reads on after the key: ``must be …``.
"""

from __future__ import annotations

import enum
import hashlib
import re
from pathlib import PurePosixPath
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from sftp_orchestrator.config import alerting, bandwidth, examples, scheduling
from sftp_orchestrator.config import web as web_section
from sftp_orchestrator.config.alerting import Alerts
from sftp_orchestrator.config.bandwidth import Bandwidth
from sftp_orchestrator.config.connections import AUTO, Connections
from sftp_orchestrator.config.keeping import Archive, Ledger, Quarantine, Space
from sftp_orchestrator.config.paths import ConfigPath
from sftp_orchestrator.config.scheduling import Expected, OwnSchedule, Schedule, Timezone
from sftp_orchestrator.config.secrets import CREDENTIAL_PATTERN, SecretReference
from sftp_orchestrator.config.section import Section
from sftp_orchestrator.config.web import Web
from sftp_orchestrator.destination.clevertap import (
    DATE_FORMATS,
    ENCRYPTED_LIMIT_BYTES,
    MAX_EVENT_NAME_CHARACTERS,
    PLAIN_LIMIT_BYTES,
    DataType,
    FeedType,
)
from sftp_orchestrator.destination.rules import Severity

DELIMITERS = (",", ";", "\t", "|")
SMALLEST_ENCRYPTED_LIMIT_BYTES = 4096
"""Below this the OpenPGP envelope and armor alone (about 1 KiB) would leave no room for records."""

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_EMAIL = r"^[^@\s,;<>\"]+@[^@\s,;<>\".]+(\.[^@\s,;<>\".]+)+$"
_NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"

_FILLED = r"\S"

_HOST = r"^[^\s/@,]+$"

PATTERN_MEANINGS = {
    _UUID: "must be a UUID, such as ec491319-9823-48cd-b6a1-6bb0bc666d75",
    _EMAIL: "must be one e-mail address",
    _NAME: "this name must be 1 to 40 characters of a-z, 0-9, '-' and '_', the first a letter or digit",
    _HOST: "must be a host name or an address",
    _FILLED: "must not be blank",
    CREDENTIAL_PATTERN: "must be a plain file name",
    **alerting.PATTERN_MEANINGS,
    **bandwidth.PATTERN_MEANINGS,
    **scheduling.PATTERN_MEANINGS,
    **web_section.PATTERN_MEANINGS,
}
"""What each pattern of the model asks for, in words."""

Name = Annotated[str, StringConstraints(pattern=_NAME)]
"""A feed's or destination's name: it becomes part of remote file names, so it is plain lower-case ASCII."""


def _require_relative(pattern: str) -> str:
    path = PurePosixPath(pattern)
    if not pattern.strip() or path.is_absolute() or ".." in path.parts:
        msg = "must be a pattern relative to staging, without '..'"
        raise ValueError(msg)
    return pattern


FilePattern = Annotated[str, AfterValidator(_require_relative)]
"""A shell pattern of files below staging."""


class Intake(Section):
    """When a file in staging is complete."""

    settle_seconds: float = Field(default=10, ge=0)
    """size and mtime unchanged for this long = complete"""
    ready_marker: str | None = None
    """null, or a pattern such as "{name}.ready": wait for that file; {name} = its name, {stem} = without .csv"""
    rescan_seconds: float = Field(default=30, gt=0)
    """the scan is the truth, inotify only makes it quick"""
    ignore: tuple[str, ...] = (".*", "*.tmp", "*.part", "*.partial")
    """shell patterns of file and folder names that are never looked at"""

    @field_validator("ready_marker")
    @classmethod
    def _marker_names_the_file(cls, marker: str | None) -> str | None:
        if marker is None:
            return None
        if "/" in marker or not ("{name}" in marker or "{stem}" in marker) or marker in {"{name}", "{stem}"}:
            msg = "must be a file name that contains {name} or {stem}, such as '{name}.ready'"
            raise ValueError(msg)
        pattern = re.escape(marker).replace(r"\{name\}", ".+").replace(r"\{stem\}", ".+")
        if re.fullmatch(pattern, "0000.csv", re.DOTALL | re.IGNORECASE):
            msg = "must not fit every CSV file: a marker is never taken; such as '{name}.ready'"
            raise ValueError(msg)
        return marker


class Encryption(Section):
    """The OpenPGP key that CleverTap decrypts with."""

    public_key: SecretReference = Field(examples=[examples.ENCRYPTION["public_key"]])
    """the receiver's public key, ASCII-armored"""
    key_id: str = Field(pattern=_UUID, examples=[examples.ENCRYPTION["key_id"]])
    """the UUID CleverTap issued, not the PGP fingerprint"""


class Limits(Section):
    """Sizes a data file must stay below."""

    plain_bytes: int = Field(default=PLAIN_LIMIT_BYTES, gt=0, le=PLAIN_LIMIT_BYTES)
    """a plain .csv stays below this"""
    encrypted_bytes: int = Field(
        default=ENCRYPTED_LIMIT_BYTES, ge=SMALLEST_ENCRYPTED_LIMIT_BYTES, le=ENCRYPTED_LIMIT_BYTES
    )
    """a .csv.asc, as uploaded, stays below this"""


class Verify(enum.StrEnum):
    """What is asked of the remote size after a data file was put."""

    REQUIRED = "required"
    BEST_EFFORT = "best_effort"
    NEVER = "never"


class BlockedProfiles(enum.StrEnum):
    """What events do when a profile source that was claimed before them is quarantined or held."""

    HOLD = "hold"
    CONTINUE = "continue"


class Destination(Section):
    """One receiver and how to reach it."""

    host: str = Field(min_length=1, pattern=_HOST, examples=[examples.DESTINATION["host"]])
    """the SFTP host"""
    port: int = Field(default=22, ge=1, le=65535)
    """its port"""
    username: str = Field(min_length=1, examples=[examples.DESTINATION["username"]])
    """CleverTap: the account id"""
    private_key: SecretReference = Field(examples=[examples.DESTINATION["private_key"]])
    """the SSH key to log in with"""
    private_key_passphrase: SecretReference | None = None
    """null, or {file: …} | {env: NAME} | {credential: name} (systemd)"""
    known_hosts: ConfigPath | None = Field(default=None, examples=[examples.DESTINATION["known_hosts"]])
    """and/or host_keys; one is required: an unknown host is refused"""
    host_keys: tuple[str, ...] = ()
    """pinned keys, each "ssh-ed25519 AAAA…"; several, so that a rotation needs no downtime"""
    remote_dir: str = Field(default=".", min_length=1)
    """the folder to upload into; CleverTap: the login folder"""
    client_email: str = Field(pattern=_EMAIL, examples=[examples.DESTINATION["client_email"]])
    """CleverTap sends its notices about the import there; one address"""
    connections: Connections = Field(default=AUTO, examples=[4])
    """data files going up at the same time; auto, the default: 4, and up to 8 where the line gives more for it"""
    bandwidth: Bandwidth | None = None
    """null, or the most that all connections send together: 10 MB/s, or {"08:00": 5 MB/s, "19:00": off}"""
    schedule: OwnSchedule | None = None
    """null, or its own, such as {deliver: "0 4 * * *", only: "22:00-06:00"}; the rest of it is the outermost one's"""
    verify: Verify = Verify.REQUIRED
    """remote size after each put: required | best_effort | never"""
    rename: bool = False
    """true: put under a temporary name, then rename"""
    encryption: Encryption | None = Field(default=None, examples=[examples.ENCRYPTION])
    """leave out to send plain .csv"""
    limits: Limits = Limits()
    """sizes that data files stay below; a test may set them small"""
    blocked_profiles: BlockedProfiles = BlockedProfiles.HOLD
    """events whose earlier profiles are quarantined or held: hold (wait for a person) | continue"""
    retention_days: int | None = Field(default=None, ge=1)
    """null, or for how many days back the account keeps events; older ones break the rule ts.retention"""
    timeout_seconds: float = Field(default=60, gt=0)
    """every single remote operation is given up after this long without an answer"""
    attempts: int = Field(default=5, ge=1, le=100)
    """tries of one remote step within a run, with exponential back-off; the rest waits for the next run"""

    @model_validator(mode="after")
    def _host_key_is_pinned(self) -> Self:
        if self.known_hosts is None and not self.host_keys:
            msg = "needs known_hosts or host_keys: an unknown host is never trusted; ssh-keyscan shows its key"
            raise ValueError(msg)
        return self


class BadRows(enum.StrEnum):
    """What happens to a file in which some rows break the receiver's rules."""

    REJECT = "reject"
    QUARANTINE = "quarantine"


class SameFile(enum.StrEnum):
    """What happens to a file whose very content was sent before, for the same feed."""

    HOLD = "hold"
    SEND = "send"


class Encoding(enum.StrEnum):
    """How the text of a file is encoded; the receiver takes UTF-8 alone."""

    UTF_8 = "utf-8"
    LATIN_1 = "latin-1"
    WINDOWS_1252 = "windows-1252"
    UTF_16 = "utf-16"


class Deduplicate(Section):
    """Rows that were there before are left out: in the same file, and over the last days."""

    columns: tuple[str, ...] = Field(min_length=1, examples=[["user_id", "event_name", "time_stamp"]])
    """headers (as renamed); rows that agree in all of them are the same row, and the first of them is sent"""
    days: int = Field(default=0, ge=0)
    """for how many days back the rows sent of this feed are remembered; 0 = within one file only"""
    max_rows: int = Field(default=100_000_000, ge=1)
    """rows that are remembered at most, 16 bytes each; the files sent last count"""


class Column(Section):
    """How one CSV column maps to a CleverTap property."""

    ct_name: str | None = Field(default=None, pattern=_FILLED, max_length=120, examples=["identity"])
    """the property's name; left out: the header itself"""
    type: DataType = DataType.STRING
    """STRING | INTEGER | LONG | FLOAT | BOOLEAN | DATE"""
    date_format: str | None = Field(
        default=None, examples=["dd/MM/yyyy HH:mm:ss"], json_schema_extra={"enum": [*DATE_FORMATS, None]}
    )
    """for DATE only: one of the documented formats"""

    @field_validator("date_format")
    @classmethod
    def _known_format(cls, date_format: str | None) -> str | None:
        if date_format is None or date_format in DATE_FORMATS:
            return date_format
        msg = f"must be one of {', '.join(DATE_FORMATS)}; case counts"
        raise ValueError(msg)

    @model_validator(mode="after")
    def _date_has_format(self) -> Self:
        if self.type is DataType.DATE and self.date_format is None:
            msg = f"is a DATE and needs a date_format: {', '.join(DATE_FORMATS)}"
            raise ValueError(msg)
        if self.type is not DataType.DATE and self.date_format is not None:
            msg = f"has a date_format, which is for type DATE only; its type is {self.type}"
            raise ValueError(msg)
        return self


class Feed(Section):
    """Which files belong together, where they go, and how their columns map."""

    type: FeedType
    """profile | event"""
    files: tuple[FilePattern, ...] = Field(min_length=1, examples=[examples.FEEDS["customers"]["files"]])
    """shell patterns relative to staging; ** stands for any number of folders"""
    destination: str | None = Field(default=None, examples=["production"])
    """may be left out where there is only one"""
    columns: dict[str, Column] = Field(default_factory=dict)
    """CSV header -> CleverTap property; a header not listed keeps its name, as STRING"""
    on_bad_rows: BadRows = BadRows.REJECT
    """reject: send the good rows, keep the bad ones | quarantine: hold the whole file"""
    max_bad_rows: float = Field(default=0.01, ge=0, le=1)
    """share of rows above which the whole file is quarantined"""
    same_file: SameFile | None = None
    """a file whose content was sent before: hold (until released) | send; null = hold events, send profiles"""
    encoding: Encoding = Encoding.UTF_8
    """utf-8 | latin-1 | windows-1252 | utf-16: what the producer writes; it is sent as UTF-8"""
    delimiter: str = Field(default=",", json_schema_extra={"enum": list(DELIMITERS)})
    """what the producer puts between fields: "," | ";" | "\\t" | "|"; it is sent with commas"""
    rename: dict[str, str] = Field(default_factory=dict)
    """header in the file -> header that is sent and that `columns` speaks of, such as {"Order No.": order_no}"""
    event_name: str | None = Field(default=None, min_length=1, max_length=MAX_EVENT_NAME_CHARACTERS)
    """null, or the name of every event in files that have no column for it"""
    sort_by_time: bool = False
    """true: the events of a file are sent by their ts, the oldest first"""
    deduplicate: Deduplicate | None = None
    """null, or such as {columns: [user_id, event_name, time_stamp], days: 30}: rows seen before are left out"""
    schedule: OwnSchedule | None = None
    """null, or its own, such as {deliver: ["0 4 * * *", "0 16 * * 1-5"]}; the rest of it is its destination's"""
    expected: Expected | None = None
    """null, or by when a file has to be there, such as {by: "03:00", days: mon-fri}; where none is, it is told"""
    rules: dict[str, Severity] = Field(default_factory=dict, examples=[{"column.unmapped": "off"}])
    """rules to re-grade, each error | warning | off; docs/reference/rules.md lists them"""

    @field_validator("delimiter")
    @classmethod
    def _known_delimiter(cls, delimiter: str) -> str:
        if delimiter not in DELIMITERS:
            msg = 'must be one of "," ";" "\\t" "|"'
            raise ValueError(msg)
        return delimiter

    @field_validator("rename")
    @classmethod
    def _renames_to_something(cls, rename: dict[str, str]) -> dict[str, str]:
        if any(not name.strip() for name in rename.values()):
            msg = "must give every header a name"
            raise ValueError(msg)
        return rename

    @property
    def holds_same_file(self) -> bool:
        """Whether a file with the content of one sent before waits for a person."""
        if self.same_file is None:
            return self.type is FeedType.EVENT
        return self.same_file is SameFile.HOLD


class Configuration(Section):
    """Everything one daemon needs to know."""

    def digest(self) -> str:
        """Return what tells it from one with other settings, in whatever words they are written. Pure."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    staging: ConfigPath = Field(examples=["/var/lib/sftp-orchestrator/staging"])
    """producers drop files here (watched with its sub-folders)"""
    workspace: ConfigPath = Field(examples=["/var/lib/sftp-orchestrator/workspace"])
    """ours alone, mode 0700: ledger, work, archive, quarantine"""
    timezone: Timezone = "UTC"
    """for schedules that name none, for `bandwidth`, and for the folder names of the archive"""
    ledger: Ledger = Ledger()
    """the durable record of every file and every step"""
    intake: Intake = Intake()
    """when a file in staging is complete"""
    destinations: dict[Name, Destination] = Field(min_length=1, examples=[{"production": examples.DESTINATION}])
    """the receivers, each under a name of your own"""
    schedule: Schedule = Schedule()
    """when deliveries start"""
    web: Web = Web()
    """the status page and the probes"""
    alerts: Alerts = Alerts()
    """who is told when a person is needed"""
    archive: Archive = Archive()
    """what happens to originals at their end"""
    quarantine: Quarantine = Quarantine()
    """what happens to what was refused and nobody mends"""
    space: Space = Space()
    """what happens when the disk runs short"""
    feeds: dict[Name, Feed] = Field(min_length=1, examples=[examples.FEEDS])
    """which files go where, and how; each under a name of your own, which the remote file names begin with"""

    def get_destination_name(self, feed_name: str) -> str:
        """Return the name of the destination that ``feed_name`` delivers to (its own, or the only one)."""
        return self.feeds[feed_name].destination or next(iter(self.destinations))

    def get_destination(self, feed_name: str) -> Destination:
        """Return the destination that ``feed_name`` delivers to (its own, or the only one)."""
        return self.destinations[self.get_destination_name(feed_name)]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone for schedules and archive folders."""
        return ZoneInfo(self.timezone)
