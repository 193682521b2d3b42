"""Splitting, encrypting, decrypting and joining gives back the same rows and the same bytes."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from sftp_orchestrator.errors import InputRefused
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.part_content import PartContent
from sftp_orchestrator.prepare.parts.split import ByteRange, split
from sftp_orchestrator.prepare.text.scan import Scan, scan
from tests.support.generated_csv import GeneratedFile, generate_files, read_rows
from tests.support.openpgp import KeyRing, open_keyring


@pytest.fixture(scope="module")
def ring() -> Iterator[KeyRing]:
    """The receiver's secret key."""
    with open_keyring() as ring:
        ring.make_key("receiver")
        yield ring


@pytest.fixture(scope="module")
def encryptor(ring: KeyRing, tmp_path_factory: pytest.TempPathFactory) -> Encryptor:
    """What encrypts to it."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    return Encryptor(home, ring.export(), subject="the key")


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    """Where each example's file lies, in memory where the system has such a folder."""
    fast = Path("/dev/shm")  # noqa: S108 - only the parent of a folder of our own
    with tempfile.TemporaryDirectory(dir=fast if os.access(fast, os.W_OK) else None) as folder:
        yield Path(folder) / "source.csv"


def make_content(path: Path, scanned: Scan, part: ByteRange) -> PartContent:
    """Return a part as it is sent."""
    return PartContent(
        path=path,
        header_bytes=scanned.header.header_bytes,
        start=part.start,
        end=part.end,
        expected_size=scanned.fingerprint.size,
        expected_mtime_ns=scanned.fingerprint.mtime_ns,
    )


def read_part(path: Path, scanned: Scan, part: ByteRange) -> bytes:
    """Return the bytes of a part."""
    with make_content(path, scanned, part).open() as stream:
        return stream.read()


def require_identity(file: GeneratedFile, scanned: Scan, parts: tuple[ByteRange, ...], plain: list[bytes]) -> None:
    """Fail unless the parts hold the file's rows in order, and joined are its bytes."""
    rows: list[tuple[str, ...]] = []
    for part, content in zip(parts, plain, strict=True):
        header, *read = read_rows(content)
        assert header == file.header
        assert len(read) == part.records > 0
        rows += read
    assert tuple(rows) == file.rows
    header_bytes = scanned.header.header_bytes
    joined = header_bytes + b"".join(content[len(header_bytes) :] for content in plain)
    assert file.content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") == joined.rstrip(b"\r\n")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=generate_files(),
    chunk_bytes=strategies.sampled_from([1, 2, 3, 4, 5, 7, 16, 61, 1024]),
    room=strategies.integers(1, 200),
)
def test_split_and_join_is_the_identity(path: Path, file: GeneratedFile, chunk_bytes: int, room: int) -> None:
    """Wherever the chunks' borders fall, every part stays below the limit, parses, and nothing is lost or doubled."""
    path.write_bytes(file.content)
    scanned = scan(path, chunk_bytes=chunk_bytes)
    assert scanned.records == len(file.rows)
    max_bytes = len(scanned.header.header_bytes) + room
    try:
        parts = split(scanned, path, max_bytes=max_bytes)
    except InputRefused:
        # Only a record that is too large by itself may be a reason.
        smallest = split(scanned, path, max_bytes=len(file.content) + 1000)
        assert len(smallest) == 1
        assert max(get_record_sizes(path, scanned)) >= room
        return
    plain = [read_part(path, scanned, part) for part in parts]
    assert all(len(content) < max_bytes for content in plain)
    require_identity(file, scanned, parts, plain)


def get_record_sizes(path: Path, scanned: Scan) -> list[int]:
    """Return the size of each record in bytes, counted with a plain loop over the bytes."""
    body = path.read_bytes()[scanned.header.body_start : scanned.body_end]
    sizes, start, inside = [], 0, False
    for position, byte in enumerate(body):
        inside ^= byte == ord('"')
        if byte == ord("\n") and not inside:
            sizes.append(position + 1 - start)
            start = position + 1
    return [*sizes, len(body) - start] if start < len(body) else sizes


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=generate_files(max_rows=12), chunk_bytes=strategies.sampled_from([3, 64]))
def test_split_encrypt_decrypt_join_is_the_identity(
    path: Path, ring: KeyRing, encryptor: Encryptor, file: GeneratedFile, chunk_bytes: int
) -> None:
    """What the receiver decrypts, joined, is the file."""
    path.write_bytes(file.content)
    scanned = scan(path, chunk_bytes=chunk_bytes)
    parts = split(scanned, path, max_bytes=len(scanned.header.header_bytes) + 150)
    plain = []
    for number, part in enumerate(parts):
        target = path.with_name(f"{number}.asc")
        content = make_content(path, scanned, part)
        encryptor.encrypt(content, target, max_bytes=1_000_000, cancelled=threading.Event())
        plain.append(ring.decrypt(target.read_bytes()))
    require_identity(file, scanned, parts, plain)
