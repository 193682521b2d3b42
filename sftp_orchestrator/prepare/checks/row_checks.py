"""The rules for rows: for each a cheap screen that lets no bad row by, and as SQL the exact condition.

One pass over the file puts the rows aside that a screen stops; where there are none, and that is the rule, every row is
good. Only rows that a screen stopped are looked at exactly.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.rules import RULES, Rule, Severity
from sftp_orchestrator.prepare.checks import screens, terms, type_forms
from sftp_orchestrator.prepare.checks.columns import ImportedColumn, find_property
from sftp_orchestrator.prepare.checks.screens import Screen
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.report import show

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
_WHOLE_TYPES = {DataType.INTEGER: (32, 10), DataType.LONG: (64, 19)}
"""How many bits they have, and how many digits are surely read."""
_ANY_LONG = screens.AnyLong(max_bytes=min(clevertap.MAX_VALUE_CHARACTERS, clevertap.MAX_IDENTITY_CHARACTERS))
"""One for all limits of length: few rows are near any."""
_OBJECT_ID = r"[A-Za-z0-9()!:@$_-]{1,64}"
_PHONE = r"\+[1-9][0-9]{6,14}"
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


@dataclass(frozen=True, kw_only=True, eq=False)
class Check:
    """One rule for one column, or for the row as a whole; equal to itself alone, which is quick to see."""

    rule: Rule
    severity: Severity
    column: ImportedColumn | None
    screen: Screen
    """stops every row that breaks the rule"""
    broken: str
    """SQL; whether the row breaks the rule"""

    def describe(self) -> str:
        """Return what a row that breaks it did wrong."""
        words = self.rule.cell or f"{self.rule.explanation[0].lower()}{self.rule.explanation[1:]}".rstrip(".")
        if self.column is None:
            return words
        if self.rule.id == TYPE_RULES[DataType.DATE]:
            words = f"{words} ({self.column.date_format})"
        return f"{show(self.column.original)}: {words}"


@dataclass(frozen=True, kw_only=True)
class _Draft:
    rule: str
    broken: str
    screen: Screen
    column: ImportedColumn | None = None

    def is_on(self, feed: Feed) -> bool:
        return get_severity(RULES[self.rule], feed) is not Severity.OFF

    def unless(self, others: Sequence[_Draft]) -> _Draft:
        """Return the same for rows that break none of ``others``: one mistake is told once."""
        if not others:
            return self
        told = terms.any_of(f"coalesce({other.broken}, false)" for other in others)
        return replace(self, broken=f"({self.broken} AND NOT {told})")


def list_checks(
    columns: Sequence[ImportedColumn], feed: Feed, *, now: datetime.datetime, retention_days: int | None
) -> list[Check]:
    """Return what each row is checked for; rules that the feed switched off are left out. Pure."""
    is_event = feed.type is FeedType.EVENT
    drafts = list(_check_identity(columns))
    times = [draft for draft in _check_time(columns, now, retention_days if is_event else None) if draft.is_on(feed)]
    drafts += [*times, *_check_lengths(columns, is_event=is_event), *_check_types(columns, times)]
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
                    screen=draft.screen,
                    broken=draft.broken,
                )
            )
    return checks


class CheckLists:
    """Lists of checks, made once for files that come one after the other with the same columns."""

    def __init__(self) -> None:
        self._last: tuple[tuple[object, ...], list[Check]] | None = None

    def get(
        self, columns: Sequence[ImportedColumn], feed: Feed, *, now: datetime.datetime, retention_days: int | None
    ) -> list[Check]:
        """Return what ``list_checks`` returns."""
        asked = (tuple(columns), feed, now, retention_days)
        # Taken once: another thread may put its own in its place at any time.
        last = self._last
        if last is None or last[0] != asked:
            self._last = last = asked, list_checks(columns, feed, now=now, retention_days=retention_days)
        return last[1]


def _check_identity(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    identities = [column for column in columns if column.is_identity]
    if not identities:
        return
    # Where one column says who, its own screen knows as well whether it does.
    is_one = len(identities) == 1
    reserved = {column: _screen_identity(column, stops_empty=is_one) for column in identities}
    nobody = screens.Nobody(positions=tuple(column.position for column in identities))
    yield _Draft(
        rule="identity.missing",
        screen=reserved[identities[0]] if is_one else nobody,
        broken="(" + " AND ".join(terms.is_blank(column.sql) for column in identities) + ")",
    )
    for column in identities:
        yield _Draft(
            rule="identity.reserved",
            column=column,
            screen=reserved[column],
            broken=terms.is_one_of(column.sql, clevertap.REFUSED_IDENTITIES),
        )
        yield _Draft(
            rule="identity.length",
            column=column,
            screen=_ANY_LONG,
            broken=terms.is_longer(column.sql, clevertap.MAX_IDENTITY_CHARACTERS),
        )
        if column.property_name == clevertap.OBJECT_ID:
            screen = screens.ObjectId(position=column.position)
            yield _Draft(
                rule="object_id.form", column=column, screen=screen, broken=terms.is_not(column.sql, _OBJECT_ID)
            )


def _screen_identity(column: ImportedColumn, *, stops_empty: bool) -> Screen:
    return screens.Reserved(position=column.position, values=clevertap.REFUSED_IDENTITIES, stops_empty=stops_empty)


def _check_event_name(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    name = find_property(columns, clevertap.EVENT_NAME)
    if name is None:
        return
    items = next(
        (column for column in columns if column.property_name.lower() == clevertap.CHARGED_ITEMS.lower()), None
    )
    listed = (*clevertap.REFUSED_EVENTS, *clevertap.SUSPECT_EVENTS, *([clevertap.CHARGED] if items else []))
    # One screen for all that is in a name: each is judged once for all rules.
    screen = screens.EventName(position=name.position, listed=listed)
    conditions = {
        "event_name.missing": terms.is_blank(name.sql),
        "event_name.reserved": terms.is_one_of(name.sql, clevertap.REFUSED_EVENTS),
        "event_name.suspect": terms.is_one_of(name.sql, clevertap.SUSPECT_EVENTS),
        "event_name.characters": terms.contains_any(name.sql, clevertap.REFUSED_EVENT_CHARACTERS),
    }
    conditions["event_name.length"] = terms.is_longer(name.sql, clevertap.MAX_EVENT_NAME_CHARACTERS)
    for rule, broken in conditions.items():
        yield _Draft(rule=rule, column=name, screen=screen, broken=broken)
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
    whole = type_forms.is_whole(column.sql)
    milliseconds = terms.matches(column.sql, f"[0-9]{{{type_forms.MILLISECONDS_DIGITS}}}")
    screen = screens.Time(position=column.position, earliest=max(0, earliest), latest=latest)
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


def _check_lengths(columns: Sequence[ImportedColumn], *, is_event: bool) -> Iterator[_Draft]:
    """Check values of properties; of identities, and of the name of an event, other limits hold."""
    for column in columns:
        is_name = is_event and column.property_name == clevertap.EVENT_NAME
        if not column.is_identity and not is_name:
            yield _Draft(
                rule="value.length",
                column=column,
                screen=_ANY_LONG,
                broken=terms.is_longer(column.sql, clevertap.MAX_VALUE_CHARACTERS),
            )


def _check_types(columns: Sequence[ImportedColumn], times: Sequence[_Draft]) -> Iterator[_Draft]:
    for column in columns:
        if column.type is not DataType.STRING or _is_plain_text(column):
            told = times if column.property_name == clevertap.TIME else ()
            screen = _get_type_screen(column, columns)
            if isinstance(screen, screens.Whole) and told and isinstance(told[0].screen, screens.Time):
                screen = _choose_stricter(told[0].screen, screen)
            yield from (draft.unless(told) for draft in _check_type(column, screen))


def _choose_stricter(time: screens.Time, whole: screens.Whole) -> Screen:
    """Return the screen for times where what it lets by is within the span of the type, else the type's own."""
    return time if whole.lowest <= time.earliest and time.latest <= whole.highest else whole


def _is_plain_text(column: ImportedColumn) -> bool:
    return column.type is DataType.STRING and not column.is_identity


def _check_type(column: ImportedColumn, screen: Screen) -> Iterator[_Draft]:
    c = column.sql
    fits = type_forms.is_of_type(c, column.type, column.date_format)
    broken = f"({terms.is_filled(c)} AND NOT {fits})"
    yield _Draft(rule=TYPE_RULES[column.type], column=column, screen=screen, broken=broken)
    if column.date_format is not None:
        broken = type_forms.is_odd_date(c, column.date_format)
        yield _Draft(rule="date.range", column=column, screen=screen, broken=broken)


def _get_type_screen(column: ImportedColumn, columns: Sequence[ImportedColumn]) -> Screen:
    """Return what stops cells that are not of the column's type, and unusual dates; one for all ``columns`` of text."""
    position = column.position
    if column.date_format == type_forms.UNIX:
        lowest, highest = type_forms.USUAL_SECONDS
        return screens.Whole(position=position, digits=10, lowest=lowest, highest=highest)
    if column.date_format is not None:
        return screens.Date(position=position, date_format=column.date_format)
    if column.type in _WHOLE_TYPES:
        bits, digits = _WHOLE_TYPES[column.type]
        half = 1 << (bits - 1)
        return screens.Whole(position=position, digits=digits, lowest=-half, highest=half - 1)
    if column.type is DataType.FLOAT:
        return screens.Decimal(position=position)
    if column.type is DataType.BOOLEAN:
        return screens.OneOf(position=position, values=type_forms.BOOLEANS, ignore_case=True)
    texts = tuple(other.position for other in columns if _is_plain_text(other))
    lowest, highest = type_forms.EPOCH_TEXT_SECONDS
    start, digits = type_forms.EPOCH_TEXT_START, type_forms.EPOCH_TEXT_DIGITS
    return screens.EpochText(positions=texts, text=start, digits=digits, lowest=lowest, highest=highest)


def _check_listed(rule: str, column: ImportedColumn, values: Sequence[str], *, ignore_case: bool) -> _Draft:
    """Return the check of a column that may hold nothing but ``values``."""
    pattern = "|".join(terms.escape(value) for value in values)
    listed = tuple(value.lower() for value in values) if ignore_case else tuple(values)
    return _Draft(
        rule=rule,
        column=column,
        screen=screens.OneOf(position=column.position, values=listed, ignore_case=ignore_case),
        broken=terms.is_not(column.sql, pattern, ignore_case=ignore_case),
    )


def _check_operations(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    for column in columns:
        if column.is_operation:
            yield _check_listed("operation.unknown", column, clevertap.OPERATIONS, ignore_case=False)


def _check_profile(columns: Sequence[ImportedColumn]) -> Iterator[_Draft]:
    for column in columns:
        c, name = column.sql, column.property_name
        if name == "Phone":
            screen: Screen = screens.Phone(position=column.position)
            yield _Draft(rule="profile.phone", column=column, screen=screen, broken=terms.is_not(c, _PHONE))
        elif name == "Email":
            screen = screens.Email(position=column.position)
            yield _Draft(rule="profile.email", column=column, screen=screen, broken=terms.is_not(c, _EMAIL))
        elif name in clevertap.KNOWN_VALUES:
            yield _check_listed("profile.value", column, clevertap.KNOWN_VALUES[name], ignore_case=True)
        elif name.startswith(clevertap.FLAG_PREFIX):
            yield _check_listed("profile.flag", column, type_forms.BOOLEANS, ignore_case=True)
