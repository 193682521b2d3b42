"""Which columns say who, what and when, and so what the rows of a file are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sftp_orchestrator import units
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.inference import headers
from sftp_orchestrator.inference.column_type import LEAST_SHARE
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.traits import FINER_UNITS, Trait
from sftp_orchestrator.prepare.type_forms import UNIX

_MOSTLY = 0.5
"""A column plays a part where at least this share of its cells can."""
_WELL_FILLED = 0.9
"""An identity that is filled less often gives way to the next."""
_DIFFERENT = 0.7
"""A column tells its rows apart from this share of different values on; they are counted to within about a tenth."""
_REPEATING = 0.5
"""Below this share the rows belong to fewer people than there are rows."""
_TIME_TYPE_RULES = frozenset({"type.integer"})
"""What the rules about ``ts`` say better."""
_UNIT_RULES = _TIME_TYPE_RULES | {"ts.milliseconds", "ts.future"}
"""What times of a finer unit break, once the unit was told."""
_TIME_TRAITS = Trait.SECONDS | Trait.MILLISECONDS | Trait.MICROSECONDS
_DAY = "yyyy-MM-dd"
_MOMENT_TRAITS = _TIME_TRAITS | Trait.DATE_LIKE


@dataclass(frozen=True, kw_only=True)
class Role:
    """One column and the property that it gives."""

    header: str
    property_name: str
    doubts: tuple[str, ...] = ()
    explained: frozenset[str] = frozenset()
    """rules that need not be told of again"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the rows are, and why."""

    type: FeedType
    reason: str
    is_doubtful: bool = False


def choose_kind(evidence: Evidence) -> Kind:
    """Return what the rows are, by the names of the columns and how often an identity comes."""
    event_name = _find(evidence, headers.EVENT_NAMES)
    weak_name = _find(evidence, headers.WEAK_EVENT_NAMES)
    time = _find(evidence, headers.TIME_NAMES, _MOMENT_TRAITS)
    moment = time or next((column for column in evidence.columns if _is_moment(column)), None)
    identity = _find_identity(evidence, (*headers.IDENTITY_NAMES, *_list_weak_names(FeedType.EVENT)))
    repeats = identity is not None and _is_repeating(identity) and not _has_operations(evidence)
    when = f", '{time.header}' its time" if time else ""
    no_name = "no column looks like an event's name"
    if event_name is not None:
        return Kind(type=FeedType.EVENT, reason=f"'{event_name.header}' looks like an event's name{when}")
    if weak_name is not None and (moment is not None or repeats):
        reason = f"'{weak_name.header}' may be an event's name{when}"
        return Kind(type=FeedType.EVENT, reason=reason, is_doubtful=True)
    if moment is not None and (repeats or (time is not None and identity is None)):
        reason = f"'{moment.header}' looks like a time{' and identities repeat' if repeats else ''}, but {no_name}"
        return Kind(type=FeedType.EVENT, reason=reason, is_doubtful=True)
    if time is not None:
        reason = f"{no_name}, and identities do not repeat, but '{time.header}' looks like a time"
        return Kind(type=FeedType.PROFILE, reason=reason, is_doubtful=True)
    if repeats:
        return Kind(type=FeedType.PROFILE, reason=f"{no_name} or time, but identities repeat", is_doubtful=True)
    return Kind(type=FeedType.PROFILE, reason=f"{no_name} or time")


def choose_identities(evidence: Evidence, type_: FeedType) -> list[Role]:
    """Return the columns that say who: by their names, else the one that looks most like it by its values."""
    others = [
        Role(header=found.header, property_name=property_name)
        for property_name, names in headers.OTHER_IDENTITY_NAMES.items()
        if (found := _find(evidence, names)) is not None
    ]
    found = _find_identity(evidence, headers.IDENTITY_NAMES)
    if found is not None:
        return [_judge_identity(found, evidence, type_), *others]
    if any(_get(evidence, role.header).filled >= _WELL_FILLED * evidence.rows for role in others):
        return others
    return [*_choose_weak_identity(evidence, type_), *others]


def _choose_weak_identity(evidence: Evidence, type_: FeedType) -> list[Role]:
    found = _find_identity(evidence, _list_weak_names(type_))
    if found is not None:
        is_sure = type_ is FeedType.PROFILE and headers.fold(found.header) in headers.ROW_NAMES
        return [_judge_identity(found, evidence, type_, None if is_sure else "no column says more surely who")]
    by_values = _find_by_values(evidence, type_)
    if by_values is None:
        return []
    different = units.format_count(min(by_values.distinct, evidence.rows))
    said = (
        f"by its values alone: always filled, about {different} different in {units.format_count(evidence.rows)} rows"
    )
    return [Role(header=by_values.header, property_name=headers.IDENTITY, doubts=(said,))]


def _list_weak_names(type_: FeedType) -> tuple[str, ...]:
    likely = (*headers.LIKELY_IDENTITY_NAMES, *headers.EMAIL_NAMES, *headers.PHONE_NAMES)
    return (*headers.ROW_NAMES, *likely) if type_ is FeedType.PROFILE else (*likely, *headers.ROW_NAMES)


def choose_event_name(evidence: Evidence) -> Role | None:
    """Return the column that says what happened; None where none looks like it."""
    found = _find(evidence, headers.EVENT_NAMES)
    doubt = None
    if found is None:
        found = _find(evidence, headers.WEAK_EVENT_NAMES)
        doubt = "by its name it may be a property, too"
    if found is None:
        return None
    if found.distinct > clevertap.MAX_EVENT_TYPES:
        doubt = (
            f"about {units.format_count(found.distinct)} different names; an account takes {clevertap.MAX_EVENT_TYPES}"
        )
    return Role(header=found.header, property_name=clevertap.EVENT_NAME, doubts=(doubt,) if doubt else ())


def choose_time(evidence: Evidence) -> Role | None:
    """Return the column of epoch seconds, or of what is nearly that, which says when; None where none looks like it.

    Half of its cells are enough: no other column is surer, and without ``ts`` every event is dated wrong.
    """
    times = [column for column in evidence.columns if _is_time(column, _MOSTLY)]
    found = _find_first(times, headers.TIME_NAMES)
    asked: tuple[str, ...] = ()
    if found is None:
        found, asked = _find_weak_time(times), ("is this when the event happened?",)
    if found is None:
        return None
    wrong_unit = _explain_unit(found)
    return Role(
        header=found.header,
        property_name=clevertap.TIME,
        doubts=(wrong_unit,) if wrong_unit else (*asked, *_say_share_of_times(found)),
        explained=_UNIT_RULES if wrong_unit else _TIME_TYPE_RULES,
    )


def _is_time(column: ColumnEvidence, share: float) -> bool:
    """Return whether so many cells can become epoch seconds, or could if divided."""
    if column.moment_format is not None:
        return column.filled > 0
    return 0 < share * column.filled <= column.count(_TIME_TRAITS)


def _find_weak_time(times: Sequence[ColumnEvidence]) -> ColumnEvidence | None:
    """Return the first column whose name says a time; one of times throughout goes before."""
    named = [column for column in times if headers.is_date(column.header)]
    throughout = (column for column in named if _is_time(column, LEAST_SHARE))
    return next(throughout, next(iter(named), None))


def _say_share_of_times(column: ColumnEvidence) -> Iterator[str]:
    """Yield how many rows have a time, where not all have; an empty cell is none, too."""
    if column.moment_format == _DAY:
        yield "a day without a time becomes midnight, UTC"
    is_moment = column.moment_format is not None
    fitting = column.filled if is_moment else column.count_type(DataType.DATE, UNIX)
    if fitting < column.rows:
        what = "have a time" if is_moment else "are epoch seconds"
        yield f"{units.format_percent(fitting, column.rows)} of rows {what}"


def find_date_for_time(evidence: Evidence) -> ColumnEvidence | None:
    """Return the column of dates that says when, where epoch seconds should; None where none looks like it."""
    named = _find(evidence, headers.TIME_NAMES, Trait.DATE_LIKE)
    return named or next((column for column in evidence.columns if _is_moment(column)), None)


def list_profile_roles(evidence: Evidence, taken: Iterable[str]) -> list[Role]:
    """Return the columns that become properties which the receiver knows, but for those that are ``taken``."""
    used = set(taken)
    roles = []
    for property_name, names in headers.PROFILE_NAMES.items():
        free = [column for column in evidence.columns if column.header not in used]
        named_so = next((column for column in free if column.header == property_name), None)
        found = named_so or _find_first(free, names)
        if found is not None:
            used.add(found.header)
            roles.append(Role(header=found.header, property_name=property_name))
    return roles


def _explain_unit(column: ColumnEvidence) -> str | None:
    for trait, unit, factor in FINER_UNITS:
        fitting = column.count(trait)
        if fitting > column.count(Trait.SECONDS):
            what = "it is" if fitting == column.rows else f"{units.format_percent(fitting, column.rows)} of rows are"
            divided = f"the producer must divide by {units.format_count(factor)}"
            return f"{what} in {unit}, and the receiver takes epoch seconds: {divided}"
    return None


def _judge_identity(column: ColumnEvidence, evidence: Evidence, type_: FeedType, doubt: str | None = None) -> Role:
    if doubt is None and type_ is FeedType.PROFILE and _is_repeating(column) and not _has_operations(evidence):
        different = units.format_count(column.distinct)
        doubt = f"about {different} different in {units.format_count(evidence.rows)} rows: it tells few of them apart"
    return Role(header=column.header, property_name=headers.IDENTITY, doubts=(doubt,) if doubt else ())


def _find_by_values(evidence: Evidence, type_: FeedType) -> ColumnEvidence | None:
    """Return a column that is always filled and may say who; in profiles it tells the rows apart, too."""
    fitting = [
        column
        for column in evidence.columns
        if column.filled == evidence.rows
        and not column.count(Trait.FLOAT | Trait.BOOLEAN | Trait.DATE_LIKE | Trait.YES_NO)
        and not headers.is_date(column.header)
        and _is_free(column.header)
    ]
    if type_ is FeedType.PROFILE:
        fitting = [column for column in fitting if column.distinct >= _DIFFERENT * column.rows]
    else:
        fitting = [column for column in fitting if headers.is_code(column.header) and column.distinct > 1]
    return next((column for column in fitting if headers.is_code(column.header)), next(iter(fitting), None))


def _is_free(header: str) -> bool:
    """Return whether no table knows a name as that of something other than an identity."""
    known = {name for names in headers.PROFILE_NAMES.values() for name in names}
    return headers.fold(header) not in known | {*headers.EVENT_NAMES, *headers.TIME_NAMES}


def _find_identity(evidence: Evidence, names: Sequence[str]) -> ColumnEvidence | None:
    """Return the surest column that is well filled, else the one that is filled most."""
    order = {name: place for place, name in enumerate(names)}
    named = [column for column in evidence.columns if headers.fold(column.header) in order and column.filled]
    named.sort(key=lambda column: order[headers.fold(column.header)])
    well_filled = [column for column in named if column.filled >= _WELL_FILLED * column.rows]
    return next(iter(well_filled), max(named, key=lambda column: column.filled, default=None))


def _find(evidence: Evidence, names: Sequence[str], traits: int = Trait.FILLED) -> ColumnEvidence | None:
    """Return the surest column of these names most of whose cells have one of ``traits``."""
    fitting = [
        column for column in evidence.columns if column.filled and column.count(traits) >= _MOSTLY * column.filled
    ]
    return _find_first(fitting, names)


def _find_first(columns: Iterable[ColumnEvidence], names: Sequence[str]) -> ColumnEvidence | None:
    by_name: dict[str, ColumnEvidence] = {}
    for column in columns:
        by_name.setdefault(headers.fold(column.header), column)
    return next((by_name[name] for name in names if name in by_name), None)


def _get(evidence: Evidence, header: str) -> ColumnEvidence:
    return next(column for column in evidence.columns if column.header == header)


def _is_repeating(column: ColumnEvidence) -> bool:
    return column.filled > 1 and column.distinct < _REPEATING * column.filled


def _is_moment(column: ColumnEvidence) -> bool:
    """Return whether a column says a day or a time, by its name and by most of its cells."""
    return headers.is_date(column.header) and 0 < _MOSTLY * column.filled <= column.count(_MOMENT_TRAITS)


def _has_operations(evidence: Evidence) -> bool:
    return any(header.endswith(clevertap.OPERATION_SUFFIX) for header in evidence.headers)
