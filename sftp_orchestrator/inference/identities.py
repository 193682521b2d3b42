"""Which columns say who: by their names, else by how often their values come again. Pure.

In profiles what says who tells the rows apart; in events it comes again, and what does not numbers an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sftp_orchestrator import units
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.inference import headers, languages
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.role import Role, find
from sftp_orchestrator.inference.traits import Trait

_WELL_FILLED = 0.9
"""An identity that is filled less often gives way to the next."""
_DIFFERENT = 0.7
"""A column tells its rows apart from this share of different values on; they are counted to within about a tenth."""
_REPEATING = 0.5
"""Below this share the rows belong to fewer people than there are rows."""
_ENOUGH_ROWS = 20
"""In fewer rows it may be chance that no value comes again."""
_SHOWN_OTHERS = 3
_LIKELY = (*headers.LIKELY_IDENTITY_NAMES, *headers.EMAIL_NAMES, *headers.PHONE_NAMES)
_ALL_NAMES = (*headers.IDENTITY_NAMES, *_LIKELY, *headers.ROW_NAMES)
_OWN = "nearly every row has another value: is it a person's, or the row's own?"


def choose_identities(evidence: Evidence, type_: FeedType) -> list[Role]:
    """Return the columns that say who: by their names, else the one that looks most like it by its values."""
    others = [
        Role(header=found.header, property_name=property_name)
        for property_name, names in headers.OTHER_IDENTITY_NAMES.items()
        if (found := find(evidence, names)) is not None
    ]
    found = _find_named(evidence, headers.IDENTITY_NAMES, type_)
    if found is not None:
        return [_judge(found, evidence, type_), *others]
    filled = {column.header: column.filled for column in evidence.columns}
    if any(filled[role.header] >= _WELL_FILLED * evidence.rows for role in others):
        return others
    return [*_choose_weak(evidence, type_), *others]


def are_named(evidence: Evidence) -> bool:
    """Return whether the name of any column says who, more or less surely."""
    return _find_named(evidence, _ALL_NAMES, FeedType.PROFILE) is not None


def are_repeating(evidence: Evidence) -> bool:
    """Return whether the rows belong to fewer people than there are rows, whatever the rows are."""
    found = _find_named(evidence, _ALL_NAMES, FeedType.EVENT)
    return found is not None and _is_repeating(found) and not _has_operations(evidence)


def _choose_weak(evidence: Evidence, type_: FeedType) -> list[Role]:
    found = _find_named(evidence, _list_weak_names(type_), type_)
    if found is not None:
        is_sure = type_ is FeedType.PROFILE and headers.fold(found.header) in headers.ROW_NAMES
        return [_judge(found, evidence, type_, None if is_sure else "no column says more surely who")]
    by_values = next(iter(_list_by_values(evidence, type_)), None)
    if by_values is not None:
        return [_judge(by_values, evidence, type_, _explain_values(by_values))]
    own = _find_named(evidence, (*headers.IDENTITY_NAMES, *headers.ROW_NAMES), FeedType.PROFILE)
    return [_judge(own, evidence, type_, _OWN)] if own is not None else []


def _list_weak_names(type_: FeedType) -> tuple[str, ...]:
    return (*headers.ROW_NAMES, *_LIKELY) if type_ is FeedType.PROFILE else (*_LIKELY, *headers.ROW_NAMES)


def _explain_values(column: ColumnEvidence) -> str:
    rows = units.format_count(column.rows)
    filled = "always filled" if column.filled == column.rows else f"filled in {units.format_count(column.filled)}"
    return f"by its values alone: {filled}, about {_count_different(column)} different in {rows} rows"


def _count_different(column: ColumnEvidence) -> str:
    return units.format_count(min(column.distinct, column.filled))


def _judge(column: ColumnEvidence, evidence: Evidence, type_: FeedType, doubt: str | None = None) -> Role:
    if doubt is None and type_ is FeedType.PROFILE and _is_repeating(column) and not _has_operations(evidence):
        rows = units.format_count(evidence.rows)
        doubt = f"about {_count_different(column)} different in {rows} rows: it tells few of them apart"
    doubts = [doubt] if doubt else []
    if doubt or column.filled < column.rows:
        doubts += _name_others(column, evidence, type_)
    return Role(header=column.header, property_name=headers.IDENTITY, doubts=tuple(doubts))


def _name_others(chosen: ColumnEvidence, evidence: Evidence, type_: FeedType) -> Iterator[str]:
    """Yield which other columns may say who, with what speaks for them."""
    named = [column for column in evidence.columns if headers.translate(column.header) in _ALL_NAMES]
    able = [column for column in named if column.filled and not _is_own(column, type_)]
    able += [column for column in _list_by_values(evidence, type_) if column not in able]
    shown = [_describe(column) for column in able if column is not chosen][:_SHOWN_OTHERS]
    if shown:
        yield f"what else may say who: {', '.join(shown)}; profiles and events must have the same"


def _describe(column: ColumnEvidence) -> str:
    empty = column.rows - column.filled
    filled = f"{units.format_count(empty)} rows empty" if empty else "always filled"
    return f"'{column.header}' (about {_count_different(column)} different, {filled})"


def _find_named(evidence: Evidence, names: Sequence[str], type_: FeedType) -> ColumnEvidence | None:
    """Return the surest column of these names that is well filled, else the one that is filled most."""
    order = {name: place for place, name in enumerate(names)}
    named = [
        column
        for column in evidence.columns
        if headers.translate(column.header) in order and column.filled and not _is_own(column, type_)
    ]
    named.sort(key=lambda column: order[headers.translate(column.header)])
    well_filled = [column for column in named if column.filled >= _WELL_FILLED * column.rows]
    return next(iter(well_filled), max(named, key=lambda column: column.filled, default=None))


def _is_own(column: ColumnEvidence, type_: FeedType) -> bool:
    """Return whether in a file of events the value is the row's own, by name and by values."""
    name = headers.translate(column.header)
    return type_ is FeedType.EVENT and _is_different(column) and name in {*headers.ROW_NAMES, *headers.ROW_LIKE_NAMES}


def _list_by_values(evidence: Evidence, type_: FeedType) -> list[ColumnEvidence]:
    """Return the columns that may say who by their values, the surest first."""
    fitting = [
        column
        for column in evidence.columns
        if not column.count(Trait.FLOAT | Trait.BOOLEAN | Trait.DATE_LIKE | Trait.YES_NO)
        and not headers.is_date(column.header)
        and not languages.is_thing(headers.split(column.header))
        and _is_free(column.header)
    ]
    if type_ is FeedType.PROFILE:
        able = [column for column in fitting if column.filled == column.rows and tells_apart(column)]
        return sorted(able, key=lambda column: not headers.is_code(column.header))
    return [
        column
        for column in fitting
        if column.filled >= _WELL_FILLED * column.rows
        and headers.is_code(column.header)
        and column.distinct > 1
        and not _is_different(column)
    ]


def _is_free(header: str) -> bool:
    """Return whether no table knows a name as that of something other than an identity."""
    known = {name for names in headers.PROFILE_NAMES.values() for name in names}
    return headers.fold(header) not in known | {*headers.EVENT_NAMES, *headers.TIME_NAMES}


def tells_apart(column: ColumnEvidence) -> bool:
    """Return whether nearly every row that has a value has another."""
    return column.distinct >= _DIFFERENT * column.filled


def _is_different(column: ColumnEvidence) -> bool:
    """Return whether nearly every row has another value, in rows enough to tell."""
    return column.filled >= _ENOUGH_ROWS and tells_apart(column)


def _is_repeating(column: ColumnEvidence) -> bool:
    return column.filled > 1 and column.distinct < _REPEATING * column.filled


def _has_operations(evidence: Evidence) -> bool:
    return any(header.endswith(clevertap.OPERATION_SUFFIX) for header in evidence.headers)
