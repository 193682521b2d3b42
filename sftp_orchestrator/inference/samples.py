"""The files that a feed is proposed from: how they are written, made text, opened. Nothing else opens one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sftp_orchestrator.config.model import Column, Encoding, Feed
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.errors import ConfigurationError, InputRefused, SourceChanged
from sftp_orchestrator.inference import dialect
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.prepare.report import show
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.tables.reading import Reading, open_reading
from sftp_orchestrator.prepare.text.scan import read_header
from sftp_orchestrator.prepare.unpack.unpacking import Text, unpack
from sftp_orchestrator.progress import Board, Phase

_SHOWN_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file to look at."""

    path: Path
    name: str
    """what its producer calls it: its format, the feed's name and pattern come from it"""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where files are made text, and where it shows how far that is."""

    scratch: Path
    board: Board

    def detect(self, samples: Sequence[Sample]) -> Dialect:
        """Return how the text of all files is written. Blocking; may be repeated.

        Raises:
            InputRefused: one is damaged.
            ConfigurationError: they are not written alike.
            LocalFault: one cannot be read.
        """
        found = []
        for sample in samples:
            with self._show(sample) as watch, naming(sample):
                found.append(dialect.detect(sample.path, sample.name, watch))
        return dialect.agree([sample.name for sample in samples], found)

    def unpack(self, sample: Sample, written: Dialect) -> Text:
        """Return a file as text; moments of a table as dates that keep most of them. Blocking; may be repeated.

        Raises:
            InputRefused: it is damaged, or nothing that CSV can hold.
            SourceChanged: it was written to meanwhile.
            LocalFault: it cannot be read, or memory or disk ran out.
        """
        text = self.unpack_for(sample, make_neutral_feed(written, {}), asks_numbers=True)
        if not text.moments:
            return text
        text.path.unlink()
        again = self.unpack_for(sample, make_neutral_feed(written, text.moments))
        return replace(again, numbers=text.numbers)

    def unpack_for(self, sample: Sample, feed: Feed, *, asks_numbers: bool = False) -> Text:
        """Return a file as the text that ``feed`` makes of it; raises as ``unpack``."""
        outlet = Path(tempfile.mkdtemp(dir=self.scratch))
        with naming(sample), self._show(sample) as watch:
            return unpack(sample.path, sample.name, feed, outlet=outlet, watch=watch, asks_numbers=asks_numbers)

    @contextmanager
    def open(self, sample: Sample, text: Text) -> Iterator[Reading]:
        """Open the text of a file for the time of the context, and show that it is read; raises as ``open_reading``."""
        with (
            self._show(sample, text.path) as watch,
            open_reading(text.path, text.delimiter, outlet=self.scratch, watch=watch) as reading,
        ):
            yield reading

    @contextmanager
    def _show(self, sample: Sample, path: Path | None = None) -> Iterator[Watch]:
        self.board.begin(sample.name, Phase.INSPECT, (path or sample.path).stat().st_size)
        try:
            yield Watch(progress=lambda count: self.board.advance(sample.name, count))
        finally:
            self.board.end(sample.name)


def make_neutral_feed(written: Dialect, moments: Mapping[str, str]) -> Feed:
    """Return a feed that maps nothing but columns of moments, to dates. Pure."""
    return Feed(
        type=FeedType.PROFILE,
        files=("*",),
        encoding=written.encoding or Encoding.UTF_8,
        delimiter=written.delimiter or ",",
        columns={name: Column(type=DataType.DATE, date_format=format_) for name, format_ in moments.items()},
    )


def require_same_columns(samples: Sequence[Sample], texts: Sequence[Text]) -> None:
    """Raise where one feed does not fit all files, whatever the order of their columns; only headers are read.

    Raises:
        InputRefused: one has no usable header.
        ConfigurationError: they have not the same columns.
    """
    headers = []
    for sample, text in zip(samples, texts, strict=True):
        with naming(sample):
            headers.append(read_header(text.path, text.delimiter).names)
    for sample, names in zip(samples, headers, strict=True):
        differences = _list_differences(headers[0], names)
        if differences:
            raise ConfigurationError(
                "infer",
                sample.name,
                f"it has not the columns of {samples[0].name}: {', and '.join(differences)}",
                hint="one feed is for files with the same columns; infer one for each kind",
            )


def _list_differences(wanted: Sequence[str], given: Sequence[str]) -> list[str]:
    lacking = [name for name in wanted if name not in given]
    further = [name for name in given if name not in wanted]
    return [
        *([f"it lacks {_list_names(lacking)}"] if lacking else []),
        *([f"it has {_list_names(further)} besides"] if further else []),
    ]


def _list_names(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{show(name)}'" for name in names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


@contextmanager
def naming(sample: Sample) -> Iterator[None]:
    """Name the file in what the inspection says of it, which knows it under another name."""
    try:
        yield
    except InputRefused as refused:
        raise InputRefused("infer", sample.name, refused.cause, hint=refused.hint) from refused
    except SourceChanged as changed:
        raise SourceChanged("infer", sample.name, changed.cause) from changed
