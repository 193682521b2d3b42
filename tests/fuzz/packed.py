"""Fuzzed: files that are no UTF-8 text yet."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import sys
import tempfile
from pathlib import Path

import duckdb

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.prepare.report import Refused
from sftp_orchestrator.prepare.stopping import Watch
from sftp_orchestrator.prepare.unpack.unpacking import unpack
from tests.fuzz import documents, rows
from tests.fuzz.engine import Target
from tests.fuzz.scratch import FOLDER, written

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_NAMES = ("a.csv.gz", "a.csv.zst", "a.jsonl", "a.jsonl.gz", "a.parquet", "a.csv")
_ENCODINGS = ("utf-8", "latin-1", "windows-1252", "utf-16")


def _unpack(content: bytes) -> None:
    """The first byte says what it is called, and by what encoding; it is refused, or becomes text."""
    kind, rest = (content[0], content[1:]) if content else (0, b"")
    name, encoding = _NAMES[kind % len(_NAMES)], _ENCODINGS[kind // len(_NAMES) % 4]
    feed = Feed.model_validate({"type": "event", "files": ["*"], "columns": rows.COLUMNS, "encoding": encoding})
    with written(rest) as path, contextlib.suppress(Refused, LocalFault):
        text = unpack(path, name, feed, outlet=path.parent, watch=Watch())
        made = text.path.read_bytes()
        if text.original is not None and not name.startswith("a.csv."):
            made.decode()
            assert text.original.sha256 == hashlib.sha256(rest).hexdigest()


def _make_parquet() -> bytes:
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="fuzz-") as folder:
        path = Path(folder) / "a.parquet"
        table = "SELECT 'Sold' AS evtName, 1700000000 AS ts, 'u1' AS identity"
        duckdb.execute(f"COPY ({table}) TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


UNPACK = Target(
    run=_unpack,
    seeds=(
        b"\0" + gzip.compress(rows.FILES[0]),
        b"\1" + zstd.compress(rows.FILES[0]),
        b'\2{"evtName": "Sold", "ts": 1, "identity": "u"}\n{"identity": null, "x": 1.5}\n',
        b"\3" + gzip.compress(b'{"identity": "u"}\n'),
        b"\4" + _make_parquet(),
        b"\x17" + "a,b\n1,é\n".encode("utf-16"),
        b"\x0b" + "a,b\n1,é\n".encode("latin-1"),
    ),
    tokens=(*rows.TOKENS, *documents.JSON_TOKENS, b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"),
)
