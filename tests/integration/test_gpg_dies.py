"""A gpg that never answers, stops half-way or is killed: noticed, ended with all it started, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sftp_orchestrator.errors import LocalFault, Transient
from sftp_orchestrator.prepare.parts import gpg
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.part_content import PartContent
from tests.support.openpgp import KeyRing, open_keyring

HEADER = b"identity,note\n"
PATIENCE_SECONDS = 1.0
SOON_SECONDS = 20
"""Far below the real deadlines, and enough for a busy machine."""
WHILE_ENCRYPTING = 'case "$*" in *--encrypt*) {} ;; esac\nexec {} "$@"\n'
HANGS = {
    "says nothing": "sleep 1000",
    "leaves a child that holds its pipes": "sleep 1000 & exit 0",
    "reads and says nothing": "cat > /dev/null; sleep 1000",
}


@pytest.fixture(scope="module")
def public_key() -> Iterator[bytes]:
    """The receiver's."""
    with open_keyring() as ring:
        yield _export(ring)


def _export(ring: KeyRing) -> bytes:
    return ring.export(ring.make_key("receiver"))


@pytest.fixture
def encryptor(public_key: bytes, tmp_path: Path) -> Encryptor:
    """An encryptor with a home in ``tmp_path``."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Encryptor(home, public_key, subject="the key")


@pytest.fixture
def wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Let a gpg that is begun to encrypt do something else first; what it does may write its number to ``pid``."""

    def put(what: str) -> Path:
        real = shutil.which("gpg")
        assert real is not None
        program = tmp_path / "bin" / "gpg"
        program.parent.mkdir()
        pid = tmp_path / "pid"
        program.write_text(f"#!/bin/sh\necho $$ > {pid}\n{WHILE_ENCRYPTING.format(what, real)}")
        program.chmod(0o700)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        return pid

    return put


def _make_content(path: Path, rows: int) -> PartContent:
    path.write_bytes(HEADER + b"1,a\n" * rows)
    status = path.stat()
    return PartContent(
        path=path,
        header_bytes=HEADER,
        start=len(HEADER),
        end=status.st_size,
        expected_size=status.st_size,
        expected_mtime_ns=status.st_mtime_ns,
    )


def _encrypt(encryptor: Encryptor, folder: Path, *, rows: int = 200_000, stop: threading.Event | None = None) -> None:
    """Encrypt more than a pipe holds."""
    content = _make_content(folder / "source.csv", rows)
    encryptor.encrypt(content, folder / "x.asc", max_bytes=1_000_000_000, cancelled=stop or threading.Event())


def _check_nothing_is_left(folder: Path, pid: Path) -> None:
    """No piece, nothing that runs in that process group, and no zombie of ours; whose parent is gone, init buries."""
    assert not list(folder.glob("x.asc*"))
    until = time.monotonic() + SOON_SECONDS
    # What gpg started dies a moment after it was killed.
    while left := _list_left(int(pid.read_text())):
        assert time.monotonic() < until, left


def _list_left(group: int) -> list[_Process]:
    found = [process for process in _list_processes() if process.group == group]
    return [process for process in found if process.state != "Z" or process.parent == os.getpid()]


class _Process(NamedTuple):
    state: str
    parent: int
    group: int


def _list_processes() -> Iterator[_Process]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent, group = path.read_text().rpartition(")")[2].split()[:3]
            yield _Process(state=state, parent=int(parent), group=int(group))


@pytest.mark.parametrize("what", HANGS.values(), ids=HANGS)
def test_a_gpg_that_hangs_is_killed_with_all_it_started(
    encryptor: Encryptor, tmp_path: Path, wrap: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Without a sign of life within the deadline it is ended, and the source is tried again later."""
    monkeypatch.setattr(gpg, "SILENCE_SECONDS", PATIENCE_SECONDS)
    pid = wrap(what)
    began = time.monotonic()
    with pytest.raises(LocalFault, match="gpg gave no sign of life for 1 s and was killed; it is tried again"):
        _encrypt(encryptor, tmp_path)
    assert PATIENCE_SECONDS <= time.monotonic() - began < SOON_SECONDS
    _check_nothing_is_left(tmp_path, pid)


@pytest.mark.parametrize(
    ("what", "number"), [("kill -KILL $$", "SIGKILL"), ("head -c 100000 > /dev/null; kill -SEGV $$", "SIGSEGV")]
)
def test_a_gpg_that_dies_is_told(
    encryptor: Encryptor, tmp_path: Path, wrap: Callable[[str], Path], what: str, number: str
) -> None:
    """Killed before or in the middle of its input: the signal is named, not the pipe that broke."""
    pid = wrap(what)
    with pytest.raises(LocalFault, match=f"gpg was ended by {number}; it is tried again"):
        _encrypt(encryptor, tmp_path)
    _check_nothing_is_left(tmp_path, pid)


def test_a_gpg_that_ends_before_its_input_is_told(
    encryptor: Encryptor, tmp_path: Path, wrap: Callable[[str], Path]
) -> None:
    """As on a full disk it gives up in the middle: what is told is that, and what to look at."""
    pid = wrap("head -c 100000 > /dev/null; exit 2")
    with pytest.raises(LocalFault, match=r"gpg took no more bytes before their end; is the disk full\?"):
        _encrypt(encryptor, tmp_path)
    _check_nothing_is_left(tmp_path, pid)


def test_a_stop_waits_for_no_gpg_that_hangs(encryptor: Encryptor, tmp_path: Path, wrap: Callable[[str], Path]) -> None:
    """A stop in the middle ends gpg at once, long before its deadline."""
    pid = wrap("sleep 1000")
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Transient, match="it was stopped"):
        _encrypt(encryptor, tmp_path, stop=stop)
    assert time.monotonic() - began < SOON_SECONDS < gpg.SILENCE_SECONDS
    timer.join()
    _check_nothing_is_left(tmp_path, pid)


def test_a_gpg_that_works_is_never_taken_for_one_that_hangs(
    encryptor: Encryptor, tmp_path: Path, wrap: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take longer than the deadline as long as bytes go in or come out."""
    monkeypatch.setattr(gpg, "SILENCE_SECONDS", PATIENCE_SECONDS)
    slowly = "i=0; while [ $i -lt 8 ]; do head -c 1048576 > /dev/null; sleep 0.3; i=$((i+1)); done"
    wrap(slowly)
    began = time.monotonic()
    # It swallowed a part of the plaintext, and what came out is the rest: gpg is content, and we are too.
    _encrypt(encryptor, tmp_path, rows=2_500_000)
    assert time.monotonic() - began > 2 * PATIENCE_SECONDS


def test_a_gpg_that_hangs_at_the_start_is_told(
    public_key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start does not wait for ever for an answer about a key: it ends with one line that says so."""
    monkeypatch.setattr(gpg, "ANSWER_SECONDS", PATIENCE_SECONDS)
    program = tmp_path / "bin" / "gpg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nkill -STOP $$\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(LocalFault, match="run gpg for the key: gpg gave no sign of life for 1 s"):
        Encryptor(home, public_key, subject="the key")
    _check_nothing_is_left(tmp_path, tmp_path / "pid")


def test_a_gpg_that_is_killed_while_it_reads_a_key_is_no_fault_of_the_key(
    public_key: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key of which nothing was said is not called wrong."""
    program = tmp_path / "bin" / "gpg"
    program.parent.mkdir()
    real = shutil.which("gpg")
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--import*) kill -{int(signal.SIGKILL)} $$ ;; esac\nexec {real} "$@"\n'
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(LocalFault, match="gpg was ended by SIGKILL"):
        Encryptor(home, public_key, subject="the key")


def test_the_deadlines_leave_time_for_a_stop() -> None:
    """A start that waits for gpg is over before systemd loses patience, and a stall before a person does."""
    assert gpg.ANSWER_SECONDS < 30
    assert gpg.SILENCE_SECONDS <= 60
