"""The rules for rows as SQL: a cheap screen that lets no bad row by, and an exact condition for each rule.

One pass over the file counts the rows that a screen stops; where there are none, and that is the rule, every row is
good. Only rows that a screen stopped are looked at exactly.
"""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.rules import RULES, Rule, Severity
from sftp_orchestrator.prepare import cells, terms
from sftp_orchestrator.prepare.columns import ImportedColumn, find_property
from sftp_orchestrator.prepare.report import show
from sftp_orchestrator.prepare.severities import get_severity

FUTURE_SECONDS = 86400
"""How far ahead of our clock an event may lie: time zones and clocks that are a little off."""
TYPE_RULES = {
    DataType.STRING: "type.epoch_text",
    DataType.INTEGER: "type.integer",
    DataType.LONG: "type.long",
    DataType.FLOAT: "type.float",
    DataType.BOOLEAN: "type.boolean",
    DataType.DATE: "type.date",
}
"""Which rule a cell breaks that is not of its column's type."""
_OBJECT_ID = r"[A-Za-z0-9()!:@$_-]{1,64}"
_PHONE = r"\+[1-9][0-9]{6,14}"
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


class Hint(enum.Enum):
    """What the scan of the bytes must have seen for a check to be able to fail: else its screen costs nothing."""

    LONG_RECORD = enum.auto()
    """a record longer than the longest value that is taken"""
    EPOCH_TEXT = enum.auto()
    """``$D_`` somewhere"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule for one column, or for the row as a whole."""

    rule: Rule
    severity: Severity
    column: ImportedColumn | None
    screen: str
    """SQL; true wherever ``broken`` is, and cheap"""
    broken: str
    """SQL; whether the row breaks the rule"""
    hint: Hint | None = None

    def can_fail(self, *, longest_record: int, has_epoch_text: bool) -> bool:
        """Return whether it can fail in a file of which the scan says this much; else no cell need be looked at."""
        if self.hint is Hint.LONG_RECORD:
            return longest_record > clevertap.MAX_VALUE_CHARACTERS
        return self.hint is not Hint.EPOCH_TEXT or has_epoch_text

    def describe(self) -> str:
        """Return what a row that breaks it did wrong."""
        words = f"{self.rule.explanation[0].lower()}{self.rule.explanation[1:]}".rstrip(".")
        said = f"{show(self.column.original)}: {words}" if self.column is not None else words
        return f"{said} ({self.rule.vendor})" if self.rule.vendor else said


@dataclass(frozen=True, kw_only=True)
class _Draft:
    rule: str
    broken: str
    screen: str | None = None
    column: ImportedColumn | None = None
    hint: Hint | None = None

    def is_on(self, feed: Feed) -> bool:
        return get_severity(RULES[self.rule], feed) is not Severity.OFF

    def unless(self, others: Sequence[_Draft]) -> _Draft:
        """Return the same for rows that break none of ``others``: one mistake is told once."""
        if not others:
            return self
        told = terms.any_of(f"coalesce({other.broken}, false)" for other in others)
        return replace(self, screen=self.screen or self.broken, broken=f"({self.broken} AND NOT {told})")


def list_checks(
    columns: Sequence[ImportedColumn], feed: Feed, *, now: datetime.datetime, retention_days: int | None
) -> list[Check]:
    """Return what each row is checked for; rules that the feed switched off are left out. Pure."""
    is_event = feed.type is FeedType.EVENT
    drafts = list(_check_identity(columns))
    times = [draft for draft in _check_time(columns, now, retention_days if is_event else None) if draft.is_on(feed)]
    drafts += [*times, *_check_values(columns, times)]
    if is_event:
        drafts += _check_event_name(columns)
    else:
        drafts += [*_check_operations(columns), *_check_profile(columns)]
    checks = []
    for draft in drafts:
        severity = get_severity(RULES[draft.rule], feed)
        if severity is not Severity.OFF:
            checks.append(
                Check(
                    rule=RULES[draft.rule],
                    severity=severity,
                    column=draft.column,
                    screen=draft.screen or draft.broken,
                    broken=draft.broken,
                    hint=draft.hint,
                )
            )
    return checks


def _check_identity(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    identities = [column for column in columns if column.is_identity]
    if not identities:
        return
    yield _Draft(
        rule="identity.missing", broken="(" + " AND ".join(terms.is_blank(column.sql) for column in identities) + ")"
    )
    for column in identities:
        yield _Draft(
            rule="identity.reserved", column=column, broken=terms.is_one_of(column.sql, clevertap.REFUSED_IDENTITIES)
        )
        yield _Draft(
            rule="identity.length",
            column=column,
            broken=terms.is_longer(column.sql, clevertap.MAX_IDENTITY_CHARACTERS),
            hint=Hint.LONG_RECORD,
        )
        if column.property_name == clevertap.OBJECT_ID:
            yield _Draft(rule="object_id.form", column=column, broken=terms.is_not(column.sql, _OBJECT_ID))


def _check_event_name(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    name = find_property(columns, clevertap.EVENT_NAME)
    if name is None:
        return
    # One pattern for all that is in a name: it is matched once a row, not once a rule.
    listed = "|".join(
        terms.SPACE + text.replace(" ", "[ ]") + terms.SPACE
        for text in ("", *clevertap.REFUSED_EVENTS, *clevertap.SUSPECT_EVENTS, clevertap.CHARGED)
    )
    in_name = f"^({listed})$|[{terms.escape(clevertap.REFUSED_EVENT_CHARACTERS)}]"
    screen = f"({name.sql} IS NULL OR regexp_matches({name.sql}, {terms.quote(in_name)}, 'i'))"
    conditions = {
        "event_name.missing": terms.is_blank(name.sql),
        "event_name.reserved": terms.is_one_of(name.sql, clevertap.REFUSED_EVENTS),
        "event_name.suspect": terms.is_one_of(name.sql, clevertap.SUSPECT_EVENTS),
        "event_name.characters": terms.contains_any(name.sql, clevertap.REFUSED_EVENT_CHARACTERS),
    }
    for rule, broken in conditions.items():
        yield _Draft(rule=rule, column=name, screen=screen, broken=broken)
    yield _Draft(
        rule="event_name.length",
        column=name,
        broken=terms.is_longer(name.sql, clevertap.MAX_EVENT_NAME_CHARACTERS),
        hint=Hint.LONG_RECORD,
    )
    items = next(
        (column for column in columns if column.property_name.lower() == clevertap.CHARGED_ITEMS.lower()), None
    )
    if items is not None:
        broken = f"({terms.is_one_of(name.sql, [clevertap.CHARGED])} AND {terms.is_filled(items.sql)})"
        yield _Draft(rule="charged.items", column=items, screen=screen, broken=broken)


def _check_time(
    columns: Sequence[ImportedColumn], now: datetime.datetime, retention_days: int | None
) -> Iterator[_Draft]:
    column = find_property(columns, clevertap.TIME)
    if column is None:
        return
    seconds = f"TRY_CAST({column.sql} AS HUGEINT)"
    latest = int(now.timestamp()) + FUTURE_SECONDS
    earliest = int(now.timestamp()) - retention_days * 86400 if retention_days is not None else 0
    whole = cells.is_whole(column.sql)
    milliseconds = terms.matches(column.sql, f"[0-9]{{{cells.MILLISECONDS_DIGITS}}}")
    screen = (
        f"({terms.is_not(column.sql, '[0-9]{9,10}')}"
        f" OR TRY_CAST({column.sql} AS BIGINT) NOT BETWEEN {max(0, earliest)} AND {latest})"
    )
    conditions = {
        "ts.form": f"({terms.is_filled(column.sql)} AND NOT {whole})",
        "ts.milliseconds": milliseconds,
        "ts.before_1970": f"({whole} AND starts_with({column.sql}, '-'))",
        # A whole number too long for HUGEINT lies in the future, too.
        "ts.future": f"({whole} AND NOT starts_with({column.sql}, '-') AND NOT {milliseconds}"
        f" AND coalesce({seconds} > {latest}, true))",
    }
    if retention_days is not None:
        conditions["ts.retention"] = f"({whole} AND {seconds} BETWEEN 0 AND {earliest - 1})"
    for rule, broken in conditions.items():
        yield _Draft(rule=rule, column=column, screen=screen, broken=broken)


def _check_values(columns: Sequence[ImportedColumn], times: Sequence[_Draft]) -> Iterator[_Draft]:
    for column in columns:
        if not column.is_identity and column.property_name != clevertap.EVENT_NAME:
            yield _Draft(
                rule="value.length",
                column=column,
                broken=terms.is_longer(column.sql, clevertap.MAX_VALUE_CHARACTERS),
                hint=Hint.LONG_RECORD,
            )
        is_time = column.property_name == clevertap.TIME
        yield from (draft.unless(times if is_time else ()) for draft in _check_type(column))


def _check_type(column: ImportedColumn) -> Iterator[_Draft]:
    if column.type is DataType.STRING and column.is_identity:
        return
    c, form = column.sql, cells.get_form(column.sql, column.type, column.date_format)
    yield _Draft(
        rule=TYPE_RULES[column.type],
        column=column,
        screen=form.screen,
        broken=f"({terms.is_filled(c)} AND NOT {form.fits})",
        hint=Hint.EPOCH_TEXT if column.type is DataType.STRING else None,
    )
    if column.date_format is not None:
        broken = cells.is_odd_date(c, column.date_format)
        yield _Draft(rule="date.range", column=column, screen=form.screen, broken=broken)


def _check_operations(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    for column in columns:
        if column.is_operation:
            pattern = "|".join(terms.escape(operation) for operation in clevertap.OPERATIONS)
            yield _Draft(rule="operation.unknown", column=column, broken=terms.is_not(column.sql, pattern))


def _check_profile(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    for column in columns:
        c, name = column.sql, column.property_name
        if name == "Phone":
            yield _Draft(rule="profile.phone", column=column, broken=terms.is_not(c, _PHONE))
        elif name == "Email":
            yield _Draft(rule="profile.email", column=column, broken=terms.is_not(c, _EMAIL))
        elif name in clevertap.KNOWN_VALUES:
            known = "|".join(clevertap.KNOWN_VALUES[name])
            yield _Draft(rule="profile.value", column=column, broken=terms.is_not(c, known, ignore_case=True))
        elif name.startswith(clevertap.FLAG_PREFIX):
            yield _Draft(rule="profile.flag", column=column, broken=cells.get_form(c, DataType.BOOLEAN).screen)
