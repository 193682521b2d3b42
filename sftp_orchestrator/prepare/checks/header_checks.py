"""What the header and the feed's mapping must be for the receiver, checked before any row is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_property
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.report import Finding, show

TIME_RULE = "ts.no_column"
OBJECT_ID_RULE = "object_id.no_column"
"""Both are switched off where people mean it."""


def check_header(columns: Sequence[ImportedColumn], feed: Feed, *, decimals: Collection[str] = ()) -> list[Finding]:
    """Return what the header breaks, errors and warnings; rules that the feed switched off are left out. Pure.

    ``decimals`` are the columns of a table that are decimal numbers by their type.
    """
    found = []
    for rule, message in [*_list_all(columns, feed), *_check_decimals(columns, decimals)]:
        severity = get_severity(RULES[rule], feed)
        if severity is not Severity.OFF:
            found.append(Finding(rule=rule, message=message, line=1, severity=severity))
    return found


def _list_all(columns: Sequence[ImportedColumn], feed: Feed) -> Iterator[tuple[str, str]]:
    yield from _check_who_and_what(columns, feed)
    yield from _check_counts(columns, feed)
    for column in columns:
        yield from _check_name(column)
    for name, count in Counter(column.property_name for column in columns).items():
        if count > 1:
            headers = ", ".join(f"'{show(column.original)}'" for column in columns if column.property_name == name)
            yield "property.twice", f"the columns {headers} all become the property '{show(name)}'"
    for column in columns:
        if _looks_like_operation(column) and not column.is_operation:
            yield "operation.no_column", f"the column '{show(column.original)}' works on no column of this file"


def _check_who_and_what(columns: Sequence[ImportedColumn], feed: Feed) -> Iterator[tuple[str, str]]:
    if not any(column.is_identity for column in columns):
        yield "identity.no_column", f"no column becomes {', '.join(clevertap.IDENTITIES)}"
    elif find_property(columns, clevertap.OBJECT_ID) is None:
        yield (
            OBJECT_ID_RULE,
            f"no column becomes {clevertap.OBJECT_ID}: map one; where another identity is enough, switch the rule off",
        )
    if feed.type is FeedType.EVENT:
        name = find_property(columns, clevertap.EVENT_NAME)
        if name is None and feed.event_name is None:
            yield "event_name.no_column", f"no column becomes {clevertap.EVENT_NAME}"
        if name is not None and feed.event_name is not None:
            yield (
                "property.twice",
                f"the column '{show(name.original)}' becomes {clevertap.EVENT_NAME}, and event_name is set",
            )
        if find_property(columns, clevertap.TIME) is None:
            yield TIME_RULE, f"no column becomes {clevertap.TIME}: each event counts as of when it is processed"


def _check_decimals(columns: Sequence[ImportedColumn], decimals: Collection[str]) -> Iterator[tuple[str, str]]:
    for column in columns:
        if column.is_identity and column.original in decimals:
            said = f"the column '{show(column.original)}' says who, and is of decimal numbers: 123 is sent as 123.0"
            yield "identity.decimal", said


def _check_counts(columns: Sequence[ImportedColumn], feed: Feed) -> Iterator[tuple[str, str]]:
    counted = [column for column in columns if not column.is_identity and not column.is_operation]
    if feed.type is FeedType.EVENT:
        special = {clevertap.EVENT_NAME, clevertap.TIME}
        limit, what = clevertap.MAX_EVENT_PROPERTIES, "properties of an event"
    else:
        special = set(clevertap.SYSTEM_PROPERTIES)
        limit, what = clevertap.MAX_PROFILE_PROPERTIES, "custom keys of a profile"
    number = sum(column.property_name not in special for column in counted)
    if number > limit:
        yield "property.too_many", f"{number} {what}, {limit} are taken"


def _looks_like_operation(column: ImportedColumn) -> bool:
    return column.property_name.endswith(clevertap.OPERATION_SUFFIX)


def _check_name(column: ImportedColumn) -> Iterator[tuple[str, str]]:
    if _looks_like_operation(column):
        return
    if len(column.property_name) > clevertap.MAX_PROPERTY_NAME_CHARACTERS:
        yield (
            "property.name_length",
            f"the property '{show(column.property_name)}' has {len(column.property_name)} characters",
        )
    bad = sorted(set(column.property_name) & set(clevertap.REFUSED_PROPERTY_CHARACTERS))
    if bad:
        yield "property.name_characters", f"the property '{show(column.property_name)}' contains {' '.join(bad)}"
    if not column.is_mapped and column.property_name not in _OWN_NAMES:
        yield "column.unmapped", f"the column '{show(column.original)}' is not mapped: it is imported so, as STRING"


_OWN_NAMES = frozenset({*clevertap.IDENTITIES, clevertap.EVENT_NAME, clevertap.TIME, *clevertap.SYSTEM_PROPERTIES})
"""A header that is called so means what it says."""
