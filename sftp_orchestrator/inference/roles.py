"""Which columns say what and when, and so what the rows of a file are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sftp_orchestrator import units
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.inference import headers, identities, languages
from sftp_orchestrator.inference.column_type import LEAST_SHARE
from sftp_orchestrator.inference.evidence import ColumnEvidence, Evidence
from sftp_orchestrator.inference.role import MOSTLY, Role, find, find_first
from sftp_orchestrator.inference.traits import CALENDAR_FORMATS, FINER_UNITS, Trait, get_format_bit
from sftp_orchestrator.prepare.checks.type_forms import UNIX

_TIME_TYPE_RULES = frozenset({"type.integer"})
"""What the rules about ``ts`` say better."""
_UNIT_RULES = _TIME_TYPE_RULES | {"ts.milliseconds", "ts.future"}
"""What times of a finer unit break, once the unit was told."""
_TIME_TRAITS = Trait.SECONDS | Trait.MILLISECONDS | Trait.MICROSECONDS
_DAY = "yyyy-MM-dd"
_MOMENT_TRAITS = _TIME_TRAITS | Trait.DATE_LIKE
_CLOCK_TRAITS = sum(get_format_bit(written) for written in CALENDAR_FORMATS if "HH" in written)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the rows are, and why."""

    type: FeedType
    reason: str
    is_doubtful: bool = False


def choose_kind(evidence: Evidence) -> Kind:
    """Return what the rows are, by the names of the columns and how often an identity comes."""
    event_name = find(evidence, headers.EVENT_NAMES)
    weak_name = find(evidence, headers.WEAK_EVENT_NAMES)
    time = find(evidence, headers.TIME_NAMES, _MOMENT_TRAITS)
    moment = time or _find_moment(evidence)
    repeats = identities.are_repeating(evidence)
    when = f", '{time.header}' its time" if time else ""
    no_name = "no column looks like an event's name"
    if event_name is not None:
        return Kind(type=FeedType.EVENT, reason=f"'{event_name.header}' looks like an event's name{when}")
    if weak_name is not None and (moment is not None or repeats):
        reason = f"'{weak_name.header}' may be an event's name{when}"
        return Kind(type=FeedType.EVENT, reason=reason, is_doubtful=True)
    if moment is not None and (repeats or (time is not None and not identities.are_named(evidence))):
        reason = f"'{moment.header}' looks like a time{' and identities repeat' if repeats else ''}, but {no_name}"
        return Kind(type=FeedType.EVENT, reason=reason, is_doubtful=True)
    if time is not None:
        reason = f"{no_name}, and most identities come once, but '{time.header}' looks like a time"
        return Kind(type=FeedType.PROFILE, reason=reason, is_doubtful=True)
    if repeats:
        return Kind(type=FeedType.PROFILE, reason=f"{no_name} or time, but identities repeat", is_doubtful=True)
    return Kind(type=FeedType.PROFILE, reason=f"{no_name} or time")


def choose_event_name(evidence: Evidence) -> Role | None:
    """Return the column that says what happened; None where none looks like it."""
    found = find(evidence, headers.EVENT_NAMES)
    doubt = None
    if found is None:
        found = find(evidence, headers.WEAK_EVENT_NAMES)
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
    times = [column for column in evidence.columns if _is_time(column, MOSTLY)]
    found = find_first(times, headers.TIME_NAMES)
    asked: tuple[str, ...] = ()
    if found is None:
        found, asked = _find_weak_time(evidence, times), ("is this when the event happened?",)
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


def _find_weak_time(evidence: Evidence, times: Sequence[ColumnEvidence]) -> ColumnEvidence | None:
    """Return the first column whose name says a time, one of times throughout before it, else the only one of all."""
    named = [column for column in times if headers.is_date(column.header)]
    throughout = (column for column in named if _is_time(column, LEAST_SHARE))
    only = _find_moment(evidence)
    return next(throughout, next(iter(named), only if only in times else None))


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
    named = find(evidence, headers.TIME_NAMES, Trait.DATE_LIKE)
    return named or _find_moment(evidence)


def list_profile_roles(evidence: Evidence, taken: Iterable[str]) -> list[Role]:
    """Return the columns that become properties which the receiver knows, but for those that are ``taken``."""
    used = set(taken)
    roles = []
    for property_name, names in headers.PROFILE_NAMES.items():
        free = [column for column in evidence.columns if column.header not in used]
        named_so = next((column for column in free if column.header == property_name), None)
        found = named_so or find_first(free, names)
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


def _find_moment(evidence: Evidence) -> ColumnEvidence | None:
    """Return the first column that says a day or a time by its name, else the only one that does by its cells."""
    named = next((column for column in evidence.columns if _is_moment(column)), None)
    clocks = [column for column in evidence.columns if _is_clock(column)]
    return named or (clocks[0] if len(clocks) == 1 else None)


def _is_clock(column: ColumnEvidence) -> bool:
    """Return whether most cells say a day with a time, whatever the column is called."""
    if column.moment_format is not None:
        return column.moment_format != _DAY and column.filled > 0
    return 0 < MOSTLY * column.filled <= column.count(_CLOCK_TRAITS)


def _is_moment(column: ColumnEvidence) -> bool:
    """Return whether a column says a day or a time, by its name and by most of its cells."""
    is_named = headers.is_date(column.header) and not languages.is_birth(headers.fold(column.header))
    return is_named and 0 < MOSTLY * column.filled <= column.count(_MOMENT_TRAITS)
