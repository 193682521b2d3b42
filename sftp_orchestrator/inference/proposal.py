"""A feed entry as it is proposed, and what a person should know of it."""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator.config.model import Column, Encoding, Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.rules import Severity
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.prepare.checks.header_checks import OBJECT_ID_RULE
from sftp_orchestrator.prepare.report import Finding


@dataclass(frozen=True, kw_only=True)
class ProposedColumn:
    """One column of the file, and what becomes of it."""

    header: str
    property_name: str
    type: DataType = DataType.STRING
    date_format: str | None = None
    doubts: tuple[str, ...] = ()
    almost: tuple[DataType, str | None] | None = None
    """a type that most cells are of, where it is not the one proposed"""
    explained: frozenset[str] = frozenset()
    """rules that its doubts have said enough about"""
    left_out: str | None = None
    """why it is not mapped"""

    def to_column(self, *, almost: bool = False) -> Column:
        """Return the mapping; with ``almost`` by the type that most cells are of."""
        type_, date_format = self.almost if almost and self.almost else (self.type, self.date_format)
        return Column(
            ct_name=self.property_name if self.property_name != self.header else None,
            type=type_,
            date_format=date_format,
        )


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a person may want of the feed, and why; nothing of it holds unless he says so."""

    reason: str
    key: str = ""
    """of the feed; empty where there is nothing to write"""
    value: str = ""
    """in YAML"""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One feed entry."""

    name: str
    type: FeedType
    reason: str
    """why it is of this type"""
    is_type_doubtful: bool
    patterns: tuple[str, ...]
    files: tuple[str, ...]
    """the names of the files it was made from"""
    rows: int
    written: Dialect
    """how their text is written"""
    columns: tuple[ProposedColumn, ...]
    findings: tuple[Finding, ...] = ()
    """what the header breaks with this feed, whatever is in the rows"""
    suggestions: tuple[Suggestion, ...] = ()

    def to_feed(self, *, almost: bool = False) -> Feed:
        """Return the feed as the configuration would have it; with ``almost`` by the types that most cells are of."""
        mapped = {column.header: column.to_column(almost=almost) for column in self.columns if column.left_out is None}
        return Feed(
            type=self.type,
            files=self.patterns,
            columns=mapped,
            encoding=self.written.encoding or Encoding.UTF_8,
            delimiter=self.written.delimiter or ",",
            rules={} if self.has_object_id or not self.has_identity else {OBJECT_ID_RULE: Severity.OFF},
        )

    @property
    def has_identity(self) -> bool:
        """Whether a column says who."""
        return any(column.property_name in clevertap.IDENTITIES for column in self.columns)

    @property
    def has_object_id(self) -> bool:
        """Whether a column is the objectId; else the rule that asks for one is off, for a person to think about."""
        return any(column.property_name == clevertap.OBJECT_ID for column in self.columns)
