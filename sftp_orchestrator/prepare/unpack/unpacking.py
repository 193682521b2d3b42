"""The first step with a claimed file: what is no UTF-8 text yet becomes such, once; what is stays as it lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sftp_orchestrator import space
from sftp_orchestrator.config.model import Encoding, Feed
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.errors import SourceChanged
from sftp_orchestrator.files import Fingerprint, get_fingerprint
from sftp_orchestrator.prepare.checks.severities import get_severity
from sftp_orchestrator.prepare.refusals.rejecting import DESCRIPTION
from sftp_orchestrator.prepare.refusals.returned import find_delimiter, is_returned
from sftp_orchestrator.prepare.report import Finding, Refused, tally
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.scan import read_header
from sftp_orchestrator.prepare.unpack.formats import Compression, Content, Format, Types, get_format
from sftp_orchestrator.prepare.unpack.json_lines import find_numbers, write_json_lines
from sftp_orchestrator.prepare.unpack.parquet import write_parquet
from sftp_orchestrator.prepare.unpack.places import Places
from sftp_orchestrator.prepare.unpack.streams import HashedFile, is_utf8, write_text

UNPACKED_NAME = "unpacked.csv"
_INFLATED_NAME = "inflated"
_UTF8_RULE = "text.is_utf8"


@dataclass(frozen=True, kw_only=True)
class Text:
    """UTF-8 text with delimiters, ready to be inspected."""

    path: Path
    delimiter: str
    original: Original | None
    """of what it was made; None where it is the file itself"""
    moments: Mapping[str, str] = field(default_factory=dict)
    """columns of a table that hold moments, which become what the feed asks for; with the format that keeps most"""
    numbers: frozenset[str] = frozenset()
    """columns of a table that hold numbers by their type; of JSON only where it was asked for"""
    notes: tuple[Finding, ...] = ()
    """what is to be warned of"""
    decimals: frozenset[str] = frozenset()
    """columns of a table of which whole numbers, too, are written with a point"""
    places: Places | None = None
    """where the rows of a table stand in it; None where lines are what they were"""

    @contextmanager
    def telling_of_original(self) -> Iterator[None]:
        """Have refusals of the context tell of places in the file that this was made of."""
        try:
            yield
        except Refused as refused:
            if self.places is not None:
                refused.retell(self.places.retell(refused.tallies, self.path))
            raise


@dataclass(frozen=True, kw_only=True)
class Original:
    """What a file was when it was unpacked."""

    fingerprint: Fingerprint
    sha256: str


def unpack(path: Path, name: str, feed: Feed, *, outlet: Path, watch: Watch, asks_numbers: bool = False) -> Text:
    """Return ``path``, which its producer called ``name``, as text; where it is none yet, as a new file in ``outlet``.

    Which values of JSON are numbers takes a further look, and is told where ``asks_numbers``.

    Raises:
        Refused: it is not what its name or the feed says, damaged, cut off, or nothing that CSV can hold.
        SourceChanged: it was written to meanwhile.
        DecisionNeeded: it is a table whose values are too large for memory.
        LocalFault: it cannot be read, or the disk ran out.
        Stopped: ``watch`` said so.
    """
    format_ = get_format(name)
    encoding = Encoding.UTF_8 if _is_ours(path, format_, feed) else feed.encoding
    delimiter = feed.delimiter if format_.content is Content.TEXT else ","
    if format_.is_plain_text and encoding is Encoding.UTF_8:
        return Text(path=path, delimiter=find_delimiter(path, feed), original=None)
    before = get_fingerprint(path)
    source = HashedFile(path, watch)
    target = outlet / UNPACKED_NAME
    types = Types(moments={}, numbers=frozenset())
    notes: tuple[Finding, ...] = ()
    try:
        if format_.content is Content.TEXT:
            line = write_text(source, target, format_.compression, encoding)
            notes = _judge_utf8(line, feed)
            _require_no_error(notes, target)
            delimiter = find_delimiter(target, feed)
        else:
            types = _write_table(path, source, target, format_, feed, watch, asks_numbers=asks_numbers)
        digest = source.finish()
    except Refused as refused:
        _require_same(path, before, refused)
        raise
    finally:
        source.close()
    _require_same(path, before, None)
    original = Original(fingerprint=before, sha256=digest)
    return Text(
        path=target,
        delimiter=delimiter,
        original=original,
        moments=types.moments,
        numbers=types.numbers,
        notes=notes,
        decimals=types.decimals,
        places=None if format_.content is Content.TEXT else Places(original=path, format=format_),
    )


def _judge_utf8(line: int | None, feed: Feed) -> tuple[Finding, ...]:
    """Return what is to be said of text that is UTF-8 all the same, from ``line`` on; None where it is not. Pure."""
    severity = get_severity(RULES[_UTF8_RULE], feed)
    if line is None or severity is Severity.OFF:
        return ()
    message = f"all of it is UTF-8, with letters beyond ASCII, and the feed says {feed.encoding}: they would be garbled"
    return (Finding(rule=_UTF8_RULE, message=message, line=line, severity=severity),)


def _require_no_error(notes: Sequence[Finding], written: Path) -> None:
    """Raise ``Refused`` where the text is not to be sent; what was ``written`` of it is removed."""
    if any(note.severity is Severity.ERROR for note in notes):
        written.unlink()
        hint = "save it in that encoding, or drop it under a feed without `encoding`; refused rows that come back are"
        raise Refused(
            tally(notes),
            hint=f"{hint} known by their last column, '{DESCRIPTION}'; `rules` can switch {_UTF8_RULE} off",
        )


def _require_same(path: Path, before: Fingerprint, refused: Refused | None) -> None:
    # A file that is still being written looks broken; that it changes is the better reason.
    if get_fingerprint(path) != before:
        raise SourceChanged("read", "the file", "it changed while it was read") from refused


def _is_ours(path: Path, format_: Format, feed: Feed) -> bool:
    """Whether it is a ``failed_rows.csv`` of ours that comes back: always UTF-8, whatever the producer writes."""
    if not format_.is_plain_text or feed.encoding is Encoding.UTF_8:
        return False
    try:
        header = read_header(path, find_delimiter(path, feed))
    except Refused:
        return False
    return is_returned(header, feed) and is_utf8(path)


def _write_table(
    path: Path, source: HashedFile, target: Path, format_: Format, feed: Feed, watch: Watch, *, asks_numbers: bool
) -> Types:
    inflated = target.with_name(_INFLATED_NAME)
    if format_.compression is Compression.NONE:
        source.finish()
    else:
        write_text(source, inflated, format_.compression, Encoding.UTF_8)
    try:
        table = path if format_.compression is Compression.NONE else inflated
        if format_.content is Content.PARQUET:
            # What DuckDB makes of it is known only at its end: as many bytes at least, as a rule.
            with space.reserve(target.parent, table.stat().st_size):
                return write_parquet(table, target, feed, cancelled=watch.cancelled)
        write_json_lines(table, target, watch=watch.without_progress())
        numbers = find_numbers(table, watch=watch.without_progress()) if asks_numbers else frozenset()
        return Types(moments={}, numbers=numbers)
    finally:
        inflated.unlink(missing_ok=True)
