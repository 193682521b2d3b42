"""What the cells of each column look like, counted over all rows of a file by DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.files import Fingerprint
from sftp_orchestrator.inference.samples import Sample, Workshop
from sftp_orchestrator.inference.traits import Trait, get_format_bit, write_traits
from sftp_orchestrator.prepare.checks.type_forms import UNIX
from sftp_orchestrator.prepare.tables.reading import Reading
from sftp_orchestrator.prepare.unpack.unpacking import Text
from sftp_orchestrator.progress import Board, Phase


@dataclass(frozen=True, kw_only=True)
class ColumnEvidence:
    """The cells of one column."""

    header: str
    traits: Mapping[int, int]
    """how many cells have exactly these traits"""
    distinct: int
    """about how many different values there are, within about a tenth; of several files the sum"""
    moment_format: str | None = None
    """of moments in a table, which become what the feed asks for, ``ts`` too: the ``date_format`` that keeps most"""
    is_number: bool = False
    """by its type in the table, or in all of them"""
    mixed: tuple[str, str] | None = None
    """of several files one where its numbers are whole, and one where they are written with a point"""

    @property
    def rows(self) -> int:
        """Cells, empty or not."""
        return sum(self.traits.values())

    @property
    def filled(self) -> int:
        """Cells that hold anything."""
        return self.count(Trait.FILLED)

    def count(self, trait: int) -> int:
        """Return how many cells have this trait, or any of these."""
        return sum(cells for traits, cells in self.traits.items() if traits & trait)

    def count_type(self, type_: DataType, date_format: str | None = None) -> int:
        """Return how many cells are of a type; of STRING all are."""
        if type_ is DataType.DATE and date_format == UNIX:
            whole = Trait.INTEGER | Trait.LONG
            return sum(n for traits, n in self.traits.items() if traits & whole and traits & Trait.SECONDS)
        if date_format is not None:
            return self.count(get_format_bit(date_format))
        return self.count(_OF_TYPE[type_])


_OF_TYPE = {
    DataType.STRING: Trait.FILLED,
    DataType.INTEGER: Trait.INTEGER,
    DataType.LONG: Trait.INTEGER | Trait.LONG,
    DataType.FLOAT: Trait.INTEGER | Trait.LONG | Trait.FLOAT,
    DataType.BOOLEAN: Trait.BOOLEAN,
}


@dataclass(frozen=True, kw_only=True)
class FileEvidence:
    """One file."""

    sample: Sample
    text: Text
    """of it"""
    fingerprint: Fingerprint
    """of the file itself when it was read"""
    columns: tuple[ColumnEvidence, ...]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All files of one kind, taken together."""

    columns: tuple[ColumnEvidence, ...]
    """in the order of the first file"""

    @property
    def rows(self) -> int:
        """Of all files."""
        return self.columns[0].rows

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.header for column in self.columns)


def gather(sample: Sample, text: Text, workshop: Workshop) -> FileEvidence:
    """Read a file whole: is it CSV that can be sent, and what do its cells look like. Blocking; may be repeated.

    Raises:
        Refused: it is no RFC 4180 text in UTF-8, or a row has not the header's shape.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    with workshop.open(sample, text) as reading:
        scanned, table = reading.read(), reading.table
        look = follow(sample, reading, workshop.board, Phase.INFER)
        found = reading.wait_for(lambda: table.count_cells(write_traits()), look=look)
    traits: list[dict[int, int]] = [{} for _ in reading.header.names]
    distinct = [0] * len(traits)
    for count in found:
        traits[count.position][count.trait] = count.cells
        # A value has the same traits wherever it stands: no two groups share one. Empty is no value.
        distinct[count.position] += count.distinct if count.trait else 0
    columns = (
        ColumnEvidence(
            header=header,
            traits=traits[place],
            distinct=distinct[place],
            moment_format=text.moments.get(header),
            is_number=header in text.numbers,
        )
        for place, header in enumerate(reading.header.names)
    )
    fingerprint = text.original.fingerprint if text.original is not None else scanned.fingerprint
    return FileEvidence(sample=sample, text=text, fingerprint=fingerprint, columns=tuple(columns))


def follow(sample: Sample, reading: Reading, board: Board, phase: Phase) -> Callable[[], None]:
    """Begin to show on ``board`` how far a query over a file is, and return what brings it up to date."""
    size = reading.path.stat().st_size
    board.begin(sample.name, phase, size)
    reading.table.follow()
    shown = 0

    def look() -> None:
        nonlocal shown
        done = max(int(reading.table.get_progress() * size), shown)
        board.advance(sample.name, done - shown)
        shown = done

    return look


def merge(files: Sequence[FileEvidence]) -> Evidence:
    """Return the evidence of all files together, which have the same columns, by column. Pure."""
    found = {
        column.header: [
            (file.sample.name, one) for file in files for one in file.columns if one.header == column.header
        ]
        for column in files[0].columns
    }
    return Evidence(columns=tuple(_merge_column(header, by_file) for header, by_file in found.items()))


def _merge_column(header: str, by_file: Sequence[tuple[str, ColumnEvidence]]) -> ColumnEvidence:
    traits: Counter[int] = Counter()
    for _, one in by_file:
        traits.update(one.traits)
    # What is text in one file is a date only where its cells say so.
    formats = {one.moment_format for _, one in by_file}
    return ColumnEvidence(
        header=header,
        traits=dict(traits),
        distinct=sum(one.distinct for _, one in by_file),
        moment_format=formats.pop() if len(formats) == 1 else None,
        is_number=all(one.is_number for _, one in by_file),
        mixed=_find_mixed(by_file),
    )


def _find_mixed(by_file: Sequence[tuple[str, ColumnEvidence]]) -> tuple[str, str] | None:
    pointed = [name for name, one in by_file if one.count(Trait.FLOAT)]
    whole = [name for name, one in by_file if one.count(_OF_TYPE[DataType.LONG]) and not one.count(Trait.FLOAT)]
    return (whole[0], pointed[0]) if whole and pointed else None
