"""What the cells of each column look like, counted over all rows of a file by DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.inference.traits import Trait, get_format_bit, write_traits
from sftp_orchestrator.prepare.reading import Reading, open_reading
from sftp_orchestrator.prepare.scan import Scan
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.table import Table
from sftp_orchestrator.prepare.type_forms import UNIX
from sftp_orchestrator.progress import Board, Phase


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file to look at."""

    path: Path
    """plain CSV: UTF-8, commas"""
    name: str
    """what its producer calls it: the feed's name and pattern come from it"""


@dataclass(frozen=True, kw_only=True)
class ColumnEvidence:
    """The cells of one column."""

    header: str
    traits: Mapping[int, int]
    """how many cells have exactly these traits"""
    distinct: int
    """about how many different values there are, within about a tenth; of several files the sum"""

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
    scan: Scan
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


@contextmanager
def open_sample(sample: Sample, *, scratch: Path, board: Board) -> Iterator[Reading]:
    """Open a file for the time of the context, and show on ``board`` that it is read; raises as ``open_reading``.

    The one place that opens a file for this package.
    """
    board.begin(sample.name, Phase.INSPECT, sample.path.stat().st_size)
    watch = Watch(progress=lambda count: board.advance(sample.name, count))
    try:
        with open_reading(sample.path, outlet=scratch, watch=watch) as reading:
            yield reading
    finally:
        board.end(sample.name)


def gather(sample: Sample, *, scratch: Path, board: Board) -> FileEvidence:
    """Read a file whole: is it CSV that can be sent, and what do its cells look like. Blocking; may be repeated.

    Raises:
        Refused: it is no RFC 4180 text in UTF-8, or a row has not the header's shape.
        LocalFault: it cannot be read, or memory or disk ran out.
    """
    with open_sample(sample, scratch=scratch, board=board) as reading:
        scanned, table = reading.read(), reading.table
        look = _show_progress(sample, table, board)
        found = reading.wait_for(lambda: table.count_cells(write_traits()), look=look)
    traits: list[dict[int, int]] = [{} for _ in reading.header.names]
    distinct = [0] * len(traits)
    for count in found:
        traits[count.position][count.trait] = count.cells
        # A value has the same traits wherever it stands: no two groups share one. Empty is no value.
        distinct[count.position] += count.distinct if count.trait else 0
    columns = (
        ColumnEvidence(header=header, traits=traits[place], distinct=distinct[place])
        for place, header in enumerate(reading.header.names)
    )
    return FileEvidence(sample=sample, scan=scanned, columns=tuple(columns))


def merge(files: Sequence[FileEvidence]) -> Evidence:
    """Return the evidence of all files together, column by column. Pure.

    Raises:
        ConfigurationError: they have not the same columns: one feed does not fit them all.
    """
    first = files[0]
    headers = {column.header for column in first.columns}
    for other in files[1:]:
        differing = headers ^ {column.header for column in other.columns}
        if differing:
            raise ConfigurationError(
                "infer",
                other.sample.name,
                f"it has not the columns of {first.sample.name}: they differ in '{min(differing)}'",
                hint="one feed is for files with the same columns; infer one for each kind",
            )
    by_header = {
        column.header: [found for file in files for found in file.columns if found.header == column.header]
        for column in first.columns
    }
    return Evidence(columns=tuple(_merge_column(header, found) for header, found in by_header.items()))


def _merge_column(header: str, found: Sequence[ColumnEvidence]) -> ColumnEvidence:
    traits: Counter[int] = Counter()
    for one in found:
        traits.update(one.traits)
    return ColumnEvidence(header=header, traits=dict(traits), distinct=sum(one.distinct for one in found))


def _show_progress(sample: Sample, table: Table, board: Board) -> Callable[[], None]:
    """Begin to show the counting on ``board``, and return what brings it up to date."""
    size = sample.path.stat().st_size
    board.begin(sample.name, Phase.INFER, size)
    shown = 0

    def look() -> None:
        nonlocal shown
        done = max(int(table.get_progress() * size), shown)
        board.advance(sample.name, done - shown)
        shown = done

    return look
