"""Decompression and transcoding as one stream, in bounded memory; every fault of the input is a refusal."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from sftp_orchestrator import files, space
from sftp_orchestrator.config.model import Encoding
from sftp_orchestrator.prepare.report import refuse
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.unpack.formats import Compression

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHUNK_BYTES = 1024 * 1024
_SPACE_EVERY_BYTES = 256 * 1024 * 1024
"""How often the disk is asked for room: what comes out of a compressed file is known only at its end."""
_8_BIT_CODECS = {Encoding.LATIN_1: "iso-8859-1", Encoding.WINDOWS_1252: "cp1252"}
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class HashedFile(io.RawIOBase):
    """A file that is read from begin to end, hashed on the way; tells ``watch`` of its bytes."""

    def __init__(self, path: Path, watch: Watch) -> None:
        self._name = str(path)
        with files.as_local_fault("read", self._name, hint="it must be a file that we may read"):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._digest = hashlib.sha256()
        self._watch = watch

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read into ``buffer``; raises ``Stopped`` where the work is to end."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type] # any writable buffer, as RawIOBase has it
        with files.as_local_fault("read", self._name, hint="is the disk in order?"):
            count = os.readv(self._descriptor, [view])
        self._digest.update(view[:count])
        self._watch.advance(count)
        return count

    def finish(self) -> str:
        """Read what nobody asked for, and return the SHA-256 of the whole file, in hexadecimal."""
        while self.read(CHUNK_BYTES):
            pass
        return self._digest.hexdigest()

    def close(self) -> None:
        """Close it; may be repeated."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class Utf8Witness:
    """Watches text of an 8-bit encoding go by, and tells whether it is UTF-8: letters beyond ASCII would be garbled.

    Costs hardly anything: ASCII is read as fast as it is copied, and real text of such an encoding is soon no UTF-8.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._line = 1
        self._first_line: int | None = None

    def watch(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what is given."""
        for piece in pieces:
            if self._is_utf8:
                self._look_at(piece)
            yield piece

    def find_line(self) -> int | None:
        """Return the first line with letters beyond ASCII, once all went by and all of it was UTF-8; else None."""
        try:
            self._decoder.decode(b"", final=self._is_utf8)
        except UnicodeDecodeError:
            return None
        return self._first_line if self._is_utf8 else None

    def _look_at(self, piece: bytes) -> None:
        if self._first_line is None:
            first = re.search(rb"[\x80-\xff]", piece) if not piece.isascii() else None
            self._line += piece.count(b"\n", 0, first.start() if first else len(piece))
            self._first_line = self._line if first else None
        try:
            self._decoder.decode(piece)
        except UnicodeDecodeError:
            self._is_utf8 = False


def write_text(source: HashedFile, target: Path, compression: Compression, encoding: Encoding) -> int | None:
    """Write what ``source`` holds to ``target``, decompressed and in UTF-8 without a mark.

    Return the first line with letters beyond ASCII where the encoding is an 8-bit one and the whole is UTF-8 all the
    same, so that what was written is garbled; else None.

    Raises:
        Refused: it is damaged, cut off, or not in ``encoding``.
        LocalFault: the disk is full.
    """
    # The writer is the outer one: a damaged stream is told by exceptions that a writer would take for the disk's.
    witness = Utf8Witness()
    with open_written(target) as out, open_decompressed(source, compression) as stream:
        pieces = read_chunks(stream)
        if encoding in _8_BIT_CODECS:
            pieces = witness.watch(pieces)
        for piece in pieces if encoding is Encoding.UTF_8 else transcode(pieces, encoding):
            out.write(piece)
    return witness.find_line()


def is_utf8(path: Path) -> bool:
    """Return whether the whole of a file is UTF-8; may be repeated."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as stream:
        try:
            for piece in read_chunks(stream):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


@contextmanager
def open_decompressed(source: HashedFile, compression: Compression) -> Iterator[BinaryIO]:
    """Give the bytes behind a compression for the time of the context; raises ``Refused`` where it is damaged."""
    raw = io.BufferedReader(source, CHUNK_BYTES)
    try:
        match compression:
            case Compression.GZIP:
                yield cast("BinaryIO", gzip.GzipFile(fileobj=raw))
            case Compression.ZSTANDARD:
                yield cast("BinaryIO", zstd.ZstdFile(raw))
            case Compression.NONE:
                yield raw
    except EOFError as error:
        raise refuse("format.broken", "its compressed end is missing: the file is cut off") from error
    except (gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
        raise refuse("format.broken", f"it is not what its name says, or damaged: {error}") from error
    finally:
        # Whoever made the source goes on with it.
        raw.detach()


def read_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the stream's bytes."""
    while piece := stream.read(CHUNK_BYTES):
        yield piece


@contextmanager
def open_written(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing, for us alone; half a file is removed. Raises ``LocalFault`` where the disk is full.

    It is not made durable: what is sent of it is, by whoever finds that it is sent.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    hint = "the workspace must be writable, with space for the file"
    with space.reserve(path.parent, 0) as held, files.as_local_fault("write", str(path), hint=hint):
        stream = _Spacious(os.open(path, flags, files.WORK_MODE), held)
        try:
            with io.BufferedWriter(stream, CHUNK_BYTES) as out:
                yield out
        except BaseException:
            path.unlink(missing_ok=True)
            raise


class _Spacious(io.FileIO):
    """A file that reserves room for more from time to time."""

    def __init__(self, descriptor: int, held: space.Reservation) -> None:
        super().__init__(descriptor, "wb")
        self._held = held

    def write(self, data: object) -> int:
        """Write; raises ``LocalFault`` before the disk is full."""
        if not self._held.held_bytes:
            self._held.require(_SPACE_EVERY_BYTES)
        count = super().write(data)  # type: ignore[arg-type] # any buffer, as RawIOBase has it
        self._held.note_written(count or 0)
        return count or 0


def transcode(pieces: Iterator[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Yield text of ``encoding`` as UTF-8; raises ``Refused`` with the line where it is none."""
    first = next(pieces, b"")
    decoder = codecs.getincrementaldecoder(_choose_codec(first, encoding))()
    first = first[2:] if encoding is Encoding.UTF_16 else first
    line = 1
    try:
        text = decoder.decode(first)
        while True:
            yield text.encode()
            line += text.count("\n")
            piece = next(pieces, b"")
            text = decoder.decode(piece, final=not piece)
            if not piece:
                yield text.encode()
                return
    except UnicodeError as error:
        line += _get_text_before(error).count("\n")
        raise refuse("text.encoding", f"it is not {encoding}: {_explain(error)}", line=line) from error


def _choose_codec(start: bytes, encoding: Encoding) -> str:
    if start.startswith(codecs.BOM_UTF8):
        raise refuse("text.encoding", f"it begins with the mark of UTF-8, and the feed says {encoding}", line=1)
    if encoding is not Encoding.UTF_16:
        return _8_BIT_CODECS[encoding]
    for mark, codec in _UTF16.items():
        if start.startswith(mark):
            return codec
    raise refuse(
        "text.encoding", "it does not begin with the mark of UTF-16", line=1, hint="which tells the byte order"
    )


def _explain(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError) and error.start < len(error.object):
        return f"byte 0x{error.object[error.start]:02X} means nothing there"
    return str(error)


def _get_text_before(error: UnicodeError) -> str:
    """Return what was decoded of the same piece before the fault."""
    if not isinstance(error, UnicodeDecodeError):
        return ""
    return error.object[: error.start].decode(error.encoding)
