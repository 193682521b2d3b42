"""How text is written, by evidence: encoding and delimiter. Only suggested: the strict reading that follows decides."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sftp_orchestrator.config.model import DELIMITERS, Encoding
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.text.header import DELIMITER_NAMES, find_binary
from sftp_orchestrator.prepare.unpack.formats import Content, get_format
from sftp_orchestrator.prepare.unpack.streams import HashedFile, open_decompressed, read_chunks

_SAMPLED_CHARACTERS = 256 * 1024
"""Of the start, by which delimiters are told apart: the header alone nearly does it, some hundred rows surely."""
_MOSTLY = 0.5
_SHOWN_BYTES = 20
"""Of a word, to either side of its first letter that is not ASCII."""
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_JUDGED_PIECES = 16
"""In which letters are looked for as UTF-8 writes them, once it is known that not all are."""
_ASCII = bytes(range(0x80))
_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_WINDOWS_1252 = b"\x81\x8d\x8f\x90\x9d"
_BETWEEN_WORDS = re.compile(rb"[\x00-\x20,;|\"]")
_CODECS = {
    Encoding.UTF_8: "utf-8-sig",
    Encoding.UTF_16: "utf-16",
    Encoding.LATIN_1: "iso-8859-1",
    Encoding.WINDOWS_1252: "cp1252",
}


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word by which people see whether a guessed encoding is right."""

    text: str
    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the text of files is written."""

    encoding: Encoding | None = None
    """None where it is ASCII alone, which every encoding but UTF-16 reads alike"""
    delimiter: str | None = None
    """None where there is one column"""
    guessed_by: Word | None = None
    """where the encoding is a guess"""


@dataclass(kw_only=True)
class _Letters:
    """What is known of the bytes that are no ASCII."""

    count: int = 0
    in_utf8: int = 0
    """how many are part of what UTF-8 would write so"""
    is_utf8: bool = True
    is_windows_1252: bool = True
    line: int = 0
    """of the first; 0 where there is none"""
    word: bytes = b""
    _judged: int = 0
    _decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))

    def add(self, piece: bytes, line: int) -> None:
        """Take account of a piece, which was decoded before and begins on ``line``."""
        if not self.line and (first := _HIGH_BYTE.search(piece)) is not None:
            self.line = line + piece.count(b"\n", 0, first.start())
            self.word = _cut_word(piece, first.start())
        high = piece.translate(None, _ASCII)
        self.is_windows_1252 = self.is_windows_1252 and len(high.translate(None, _NOT_WINDOWS_1252)) == len(high)
        if self.is_utf8:
            self.count += len(high)
            self.in_utf8 += len(high)
        elif self._judged < _JUDGED_PIECES:
            # One by one, which is slow: after so many it is known what they are.
            self._judged += 1
            self.count += len(high)
            self.in_utf8 += sum(len(found) for found in _UTF8_LETTER.findall(piece))

    def decode(self, piece: bytes, *, final: bool = False) -> None:
        """Find out whether it is UTF-8, whole letters cut by pieces included."""
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self.is_utf8 = False


def detect(path: Path, name: str, watch: Watch) -> Dialect:
    """Return how a file is written, which its producer called ``name``; of Parquet and JSON lines nothing. Blocking.

    Raises:
        Refused: it is damaged, or not compressed as its name says.
        LocalFault: it cannot be read.
    """
    format_ = get_format(name)
    if format_.content is not Content.TEXT:
        return Dialect()
    source = HashedFile(path, watch)
    try:
        with open_decompressed(source, format_.compression) as stream:
            pieces = read_chunks(stream)
            start = next(pieces, b"")
            encoding, word = _find_encoding(start, pieces, name)
    finally:
        source.close()
    return Dialect(encoding=encoding, delimiter=find_delimiter(_read_start(start, encoding)), guessed_by=word)


def _find_encoding(start: bytes, rest: Iterator[bytes], name: str) -> tuple[Encoding | None, Word | None]:
    if start.startswith(_UTF16_MARKS):
        return Encoding.UTF_16, None
    if find_binary(start) is not None or b"\0" in start:
        return None, None  # It is no text, which the strict reading says better.
    letters = _count_letters(itertools.chain((start,), rest))
    if not letters.count:
        return None, None
    # Few strays among much UTF-8 are mistakes of its producer: another encoding would garble all the rest.
    if letters.is_utf8 or letters.in_utf8 > _MOSTLY * letters.count:
        return Encoding.UTF_8, None
    # Windows-1252 reads all printable text of Latin-1 alike, and the euro and curly quotes of the next file, too.
    encoding = Encoding.WINDOWS_1252 if letters.is_windows_1252 else Encoding.LATIN_1
    text = letters.word.decode(_CODECS[encoding])
    return encoding, Word(text=text, file=name, line=letters.line)


def _count_letters(pieces: Iterable[bytes]) -> _Letters:
    letters, line = _Letters(), 1
    for piece in pieces:
        if letters.is_utf8:
            letters.decode(piece)
        if not piece.isascii():
            letters.add(piece, line)
        line += piece.count(b"\n")
    if letters.is_utf8:
        letters.decode(b"", final=True)
    return letters


def _cut_word(piece: bytes, at: int) -> bytes:
    """Return the word around a byte."""
    before, after = piece[max(0, at - _SHOWN_BYTES) : at], piece[at : at + _SHOWN_BYTES]
    return _BETWEEN_WORDS.split(before)[-1] + _BETWEEN_WORDS.split(after)[0]


def _read_start(start: bytes, encoding: Encoding | None) -> str:
    codec = _CODECS[encoding or Encoding.UTF_8]
    text = codecs.getincrementaldecoder(codec)("replace").decode(start)
    return text[:_SAMPLED_CHARACTERS]


def find_delimiter(text: str) -> str | None:
    """Return what stands between the fields of the text that a file begins with; None where nothing does. Pure.

    Of those that cut the header into several names it is the one by which most rows have as many fields as the header.
    """
    found = [(*_judge(text, delimiter), delimiter) for delimiter in DELIMITERS]
    share, columns, delimiter = max(found, key=lambda judged: judged[:2])
    return delimiter if share and columns > 1 else None


def _judge(text: str, delimiter: str) -> tuple[float, int]:
    """Return which share of rows has as many fields as the header, and how many these are."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        widths = [len(row) for row in rows if row]
    except csv.Error:
        return 0.0, 0  # No reader can go on: that is for the strict reading to say.
    if not widths or widths[0] < 2:
        return 0.0, 0
    # The last one may be cut in its midst.
    body = widths[1:-1] or widths[1:]
    return (sum(width == widths[0] for width in body) + 1) / (len(body) + 1), widths[0]


def agree(names: Sequence[str], dialects: Sequence[Dialect]) -> Dialect:
    """Return the dialect that reads all files of these ``names``, whose own are ``dialects``. Pure.

    Raises:
        ConfigurationError: there is none: a feed has one encoding and one delimiter.
    """
    pairs = list(zip(names, dialects, strict=True))
    delimiters: dict[str, str] = {}
    encodings: dict[Encoding, str] = {}
    has_utf16 = any(dialect.encoding is Encoding.UTF_16 for dialect in dialects)
    for name, dialect in pairs:
        if dialect.delimiter is not None:
            delimiters.setdefault(dialect.delimiter, name)
        if dialect.encoding is not None:
            encodings.setdefault(dialect.encoding, name)
        elif has_utf16 and get_format(name).content is Content.TEXT:
            encodings.setdefault(Encoding.UTF_8, name)
    if set(encodings) == {Encoding.LATIN_1, Encoding.WINDOWS_1252}:
        del encodings[Encoding.WINDOWS_1252]
    _require_one({DELIMITER_NAMES[delimiter]: name for delimiter, name in delimiters.items()}, "columns separated by")
    _require_one({str(encoding): name for encoding, name in encodings.items()}, "text in")
    return Dialect(
        encoding=next(iter(encodings), None),
        delimiter=next(iter(delimiters), None),
        guessed_by=next((dialect.guessed_by for _, dialect in pairs if dialect.guessed_by is not None), None),
    )


def _require_one(found: dict[str, str], what: str) -> None:
    if len(found) > 1:
        (first, first_file), (other, other_file), *_ = found.items()
        raise ConfigurationError(
            "infer",
            other_file,
            f"it has {what} {other}, and {first_file} {first}",
            hint="a feed has one delimiter and one encoding; infer one for each kind",
        )
