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

    is_operation: bool
    """its cells are operations on the values of the column that it is named after, which is there (profiles)"""

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
    sent = {feed.rename.get(original, original) for original in header}
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
                is_operation=_is_operation(name, mapped, feed, sent),
            )
        )
    return columns


def _is_operation(name: str, mapped: Column | None, feed: Feed, sent: set[str]) -> bool:
    operand = name.removesuffix(clevertap.OPERATION_SUFFIX)
    keeps_name = mapped is None or mapped.ct_name in {None, name}
    return feed.type is FeedType.PROFILE and keeps_name and operand != name and operand in sent


def find_property(columns: Sequence[ImportedColumn], name: str) -> ImportedColumn | None:
    """Return the column that becomes the property ``name``; None where none does."""
    return next((column for column in columns if column.property_name == name), None)


def find_operand(columns: Sequence[ImportedColumn], operation: ImportedColumn) -> ImportedColumn | None:
    """Return the column on whose values ``operation`` says what is done; None where it is no such column. Pure."""
    operand = operation.header.removesuffix(clevertap.OPERATION_SUFFIX)
    return next((column for column in columns if operation.is_operation and column.header == operand), None)


def find_time(columns: Sequence[ImportedColumn], feed: Feed) -> ImportedColumn | None:
    """Return the column that says when an event happened; None for profiles, and where none does."""
    return find_property(columns, clevertap.TIME) if feed.type is FeedType.EVENT else None
