"""The columns of one file as the receiver will see them: what each becomes, and of which type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sftp_orchestrator.config.model import Column, Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType


@dataclass(frozen=True, kw_only=True)
class ImportedColumn:
    """One column of a file."""

    position: int
    original: str
    """its header in the file"""
    header: str
    """its header as it is sent: renamed where the feed says so"""
    property_name: str
    """the name under which it is imported"""
    type: DataType
    date_format: str | None
    is_mapped: bool

    @property
    def sql(self) -> str:
        """Its name in every query: by number, so that nothing of the input is ever part of a statement."""
        return f"c{self.position}"

    @property
    def operand(self) -> str | None:
        """For a column of operations: the header of the column that it works on."""
        return self.header.removesuffix(clevertap.OPERATION_SUFFIX) if self.is_operation else None

    @property
    def is_operation(self) -> bool:
        """Whether its cells are operations on another column's values."""
        return not self.is_mapped and self.header.endswith(clevertap.OPERATION_SUFFIX)

    @property
    def is_identity(self) -> bool:
        """Whether it says who."""
        return self.property_name in clevertap.IDENTITIES


def get_mapping(header: str, feed: Feed) -> Column | None:
    """Return how the column that is sent as ``header`` is mapped; None where its own name counts. Pure."""
    if header == clevertap.EVENT_NAME and feed.event_name is not None:
        return Column(ct_name=clevertap.EVENT_NAME)
    return feed.columns.get(header)


def list_columns(header: Sequence[str], feed: Feed) -> list[ImportedColumn]:
    """Return what becomes of each column of a file. Pure."""
    columns = []
    for position, original in enumerate(header):
        name = feed.rename.get(original, original)
        mapped = feed.columns.get(name)
        columns.append(
            ImportedColumn(
                position=position,
                original=original,
                header=name,
                property_name=(mapped.ct_name if mapped else None) or name,
                type=mapped.type if mapped else DataType.STRING,
                date_format=mapped.date_format if mapped else None,
                is_mapped=mapped is not None,
            )
        )
    return columns


def find_property(columns: Sequence[ImportedColumn], name: str) -> ImportedColumn | None:
    """Return the column that becomes the property ``name``; None where none does."""
    return next((column for column in columns if column.property_name == name), None)


def find_time(columns: Sequence[ImportedColumn], feed: Feed) -> ImportedColumn | None:
    """Return the column that says when an event happened; None for profiles, and where none does."""
    return find_property(columns, clevertap.TIME) if feed.type is FeedType.EVENT else None
