"""Which type a column is proposed as, from what its cells look like. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator import units
from sftp_orchestrator.config import yaml_text
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.inference import headers
from sftp_orchestrator.inference.evidence import ColumnEvidence
from sftp_orchestrator.inference.traits import CALENDAR_FORMATS, FINER_UNITS, Trait
from sftp_orchestrator.prepare.checks.type_forms import UNIX

LEAST_SHARE = 0.95
"""Of the filled cells that must be of a type: fewer strays than one in twenty are mistakes, and more may be meant.

Types are for ever. A stray refused by a type that fits the others is seen, and can be mended; a column of numbers that
became STRING because of it cannot.
"""
WORTH_TELLING = 0.5
"""Where this share is of a type and too few are, a person should know."""


_WHOLE = Trait.INTEGER | Trait.LONG


@dataclass(frozen=True, kw_only=True)
class TypeChoice:
    """A type, and what a person should know of it."""

    type: DataType = DataType.STRING
    date_format: str | None = None
    doubts: tuple[str, ...] = ()
    almost: tuple[DataType, str | None] | None = None
    """another type, that most cells are of: the first that is not should be shown"""


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    type: DataType
    date_format: str | None
    cells: int


def choose_type(column: ColumnEvidence) -> TypeChoice:
    """Return the narrowest type that nearly all filled cells are of, else STRING, with doubts."""
    if not column.filled:
        return TypeChoice(doubts=("no row has a value",))
    if column.moment_format is not None:
        return TypeChoice(type=DataType.DATE, date_format=column.moment_format)
    if (code := _find_code(column)) is not None:
        return code
    best = _find_best(column)
    share = _share(column, best.cells)
    if share < LEAST_SHARE:
        return _stay_text(column, best, share)
    return _choose_date(column, best) if best.type is DataType.DATE else _choose_number(column, best)


def _find_code(column: ColumnEvidence) -> TypeChoice | None:
    """Return STRING where digits are a code by the column's name, or begin with a zero that a number would lose."""
    numbers = _share(column, column.count_type(DataType.FLOAT))
    if headers.is_code(column.header) and not _is_counted(column):
        said = "numbers alone, but by its name a code: STRING keeps it as it is"
        return TypeChoice(doubts=(said,) if numbers >= LEAST_SHARE else ())
    if padded := column.count(Trait.PADDED):
        said = f"{_say_rows(padded)} with a leading zero, which a number would lose: a code?"
        return TypeChoice(doubts=(said,) if numbers >= WORTH_TELLING else ())
    return None


def _is_counted(column: ColumnEvidence) -> bool:
    """Return whether its type in a table outweighs a name that may be a code's: ``page_no``, but not ``order_no``."""
    return column.is_number and headers.is_perhaps_code(column.header)


def _find_best(column: ColumnEvidence) -> _Candidate:
    """Return the type of most cells; of several that are equally good the narrowest, and the likelier format."""
    types: list[tuple[DataType, str | None]] = [(DataType.BOOLEAN, None)] if _has_words(column) else []
    types += [(type_, None) for type_ in (DataType.INTEGER, DataType.LONG, DataType.FLOAT)]
    types += [(DataType.DATE, written) for written in sorted(CALENDAR_FORMATS, key=_is_unusual)]
    candidates = [
        _Candidate(type=type_, date_format=written, cells=column.count_type(type_, written)) for type_, written in types
    ]
    return max(candidates, key=lambda candidate: candidate.cells)


def _is_unusual(date_format: str) -> bool:
    """Return whether hardly anybody writes so: the day between year and month."""
    return date_format.startswith("yyyy/dd")


def _has_words(column: ColumnEvidence) -> bool:
    return any(traits & Trait.BOOLEAN and not traits & Trait.INTEGER for traits in column.traits)


def _choose_date(column: ColumnEvidence, best: _Candidate) -> TypeChoice:
    """Return the format; day and month are told apart by the rows with a day above 12, and by how many."""
    doubts = []
    for written in CALENDAR_FORMATS:
        cells = column.count_type(DataType.DATE, written)
        if written == best.date_format or _share(column, cells) < LEAST_SHARE:
            continue
        if cells == best.cells:
            doubts.append(f"ambiguous: {written} fits as well, no row has a day above 12")
        else:
            doubts.append(f"only {_say_rows(best.cells - cells)} with a day above 12 against {written}")
    return TypeChoice(type=DataType.DATE, date_format=best.date_format, doubts=tuple(doubts))


def _choose_number(column: ColumnEvidence, best: _Candidate) -> TypeChoice:
    if best.type is DataType.BOOLEAN:
        return TypeChoice(type=DataType.BOOLEAN)
    if best.type is DataType.INTEGER and column.count_type(DataType.BOOLEAN) == best.cells:
        return _choose_bit(column)
    if _share(column, column.count_type(DataType.DATE, UNIX)) >= LEAST_SHARE:
        return _choose_seconds(column, best)
    doubts = []
    if beyond := column.count(Trait.BEYOND):
        return TypeChoice(doubts=(f"{_say_rows(beyond)} with a whole number beyond 64 bits, which FLOAT would round",))
    for trait, unit, factor in FINER_UNITS:
        if _share(column, column.count(trait)) >= LEAST_SHARE:
            seems = "epoch" if headers.is_date(column.header) else "perhaps epoch"
            doubts.append(f"{seems} {unit}: a date takes seconds, divided by {units.format_count(factor)}")
    if exponents := column.count(Trait.EXPONENT):
        doubts.append(f"{_say_rows(exponents)} with an exponent, such as 1e5: a code?")
    if headers.is_code(column.header):
        doubts.append("a number by its type in the file, perhaps a code by its name: STRING if it is one")
    if best.type is DataType.FLOAT and column.mixed is not None:
        whole, pointed = map(yaml_text.quote, column.mixed)
        doubts.append(f"whole numbers in {whole}, with a decimal point in {pointed}: FLOAT takes both")
    return TypeChoice(type=best.type, doubts=tuple(doubts), almost=_find_whole(column, best))


def _find_whole(column: ColumnEvidence, best: _Candidate) -> tuple[DataType, str | None] | None:
    """Return the whole type that nearly all cells of a FLOAT are of: the rest may be mistakes."""
    whole = column.count_type(DataType.LONG)
    if best.type is not DataType.FLOAT or _share(column, whole) < LEAST_SHARE:
        return None
    return (DataType.INTEGER if column.count_type(DataType.INTEGER) == whole else DataType.LONG), None


def _choose_seconds(column: ColumnEvidence, best: _Candidate) -> TypeChoice:
    if headers.is_date(column.header):
        said = "epoch seconds, by their size and the column's name"
        return TypeChoice(type=DataType.DATE, date_format=UNIX, doubts=(said,))
    said = f"they may be epoch seconds: {{type: DATE, date_format: {UNIX}}} then"
    return TypeChoice(type=best.type, doubts=(said,))


def _choose_bit(column: ColumnEvidence) -> TypeChoice:
    if headers.is_flag(column.header):
        return TypeChoice(type=DataType.BOOLEAN, doubts=("0 and 1 alone: INTEGER if it counts; BOOLEAN by its name",))
    return TypeChoice(type=DataType.INTEGER, doubts=("0 and 1 alone: BOOLEAN if it means yes or no",))


def _stay_text(column: ColumnEvidence, best: _Candidate, share: float) -> TypeChoice:
    """Return STRING, and what else it nearly is."""
    if _share(column, column.count(Trait.YES_NO)) >= LEAST_SHARE:
        return TypeChoice(doubts=("yes or no in words: BOOLEAN takes true, false, 1 and 0 alone",))
    if _share(column, column.count(Trait.DATE_LIKE)) >= LEAST_SHARE:
        return _explain_dates(column, best)
    if _share(column, column.count(Trait.COMMA | Trait.FLOAT | _WHOLE)) >= LEAST_SHARE and column.count(Trait.COMMA):
        said = f"{_say_rows(column.count(Trait.COMMA))} with a comma in a number: FLOAT takes a point, and nothing else"
        return TypeChoice(doubts=(said,), almost=(DataType.FLOAT, None))
    if share < WORTH_TELLING:
        return TypeChoice()
    return TypeChoice(almost=(best.type, best.date_format))


def _explain_dates(column: ColumnEvidence, best: _Candidate) -> TypeChoice:
    """Return STRING for dates of several formats, or of none that is documented."""
    counts = {written: column.count_type(DataType.DATE, written) for written in CALENDAR_FORMATS}
    found = sorted((written for written in counts if counts[written]), key=lambda written: -counts[written])
    if not found:
        said = "dates of a format that the receiver does not document; yyyy-MM-dd'T'HH:mm:ss is one that it does"
        return TypeChoice(doubts=(said,), almost=(DataType.DATE, CALENDAR_FORMATS[-1]))
    others = [written for written in found if written != best.date_format]
    shares = ", ".join(f"{units.format_percent(counts[written], column.filled)} {written}" for written in others[:3])
    said = f"dates of more than one format{f', also {shares}' if shares else ''}"
    return TypeChoice(doubts=(said,), almost=(DataType.DATE, best.date_format))


def _share(column: ColumnEvidence, cells: int) -> float:
    return cells / column.filled


def _say_rows(count: int) -> str:
    return "1 row" if count == 1 else f"{units.format_count(count)} rows"
