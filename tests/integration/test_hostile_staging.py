"""A producer that means harm: what it swaps in between look and claim gets no file of others read, moved or changed."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator import files
from tests.support import intakes
from tests.support.intakes import CONTENT, MORE, KilledError, Place, die

SECRET = b"root:$6$secret:19000:0:99999:7:::\n"
OTHER_USER = 12345
NAME = "purchases.csv"
FOLDER = "a"
STORM_SWAPS = 30
STORM_CLAIMS = 5
MOST_ROUNDS = 100_000
MOST_STEPS = 200
"""More calls than a scan of one file makes in staging."""
CALLS = ("access", "open", "rename", "rmdir", "scandir", "stat", "unlink")


class Outside:
    """A folder outside staging with a file of somebody else's, under the very name that a producer drops."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / NAME
        folder.mkdir()
        self.file.write_bytes(SECRET)
        self.file.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(self.file, OTHER_USER, OTHER_USER)
        self._before = self._describe()

    def check(self) -> None:
        """Check that it lies where it lay, as it was."""
        assert self._describe() == self._before

    def _describe(self) -> tuple[object, ...]:
        status = self.file.lstat()
        return self.file.read_bytes(), status.st_ino, status.st_mode, status.st_uid, status.st_mtime_ns


def _link(path: Path, outside: Outside) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(outside.file)


def _link_hard(path: Path, outside: Outside) -> None:
    path.unlink(missing_ok=True)
    os.link(outside.file, path)


def _replace_by_hard_link(path: Path, outside: Outside) -> None:
    link = path.with_name(".link")
    os.link(outside.file, link)
    link.rename(path)


def _make_fifo(path: Path, _: Outside) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _make_socket(path: Path, _: Outside) -> None:
    path.unlink(missing_ok=True)
    os.mknod(path, stat.S_IFSOCK | 0o600)


def _link_folder(path: Path, outside: Outside) -> None:
    shutil.rmtree(path.parent)
    path.parent.symlink_to(outside.folder)


SWAPS = (_link, _link_hard, _replace_by_hard_link, _make_fifo, _make_socket, _link_folder)


@pytest.fixture(params=["place", "far_place"])
def any_place(request: pytest.FixtureRequest) -> Place:
    """Staging on the file system of the workspace, where files are renamed; on another one, where they are copied."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def outside(any_place: Place) -> Iterator[Outside]:
    """On the file system of staging, for a hard link cannot lead to another."""
    folder = any_place.staging.with_name(f"{any_place.staging.name}-outside")
    yield Outside(folder)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _watched_reads(monkeypatch: pytest.MonkeyPatch, outside: Outside) -> Iterator[None]:
    """Fail at the first byte that is asked of the file outside."""
    foreign = outside.file.stat()

    def watch(real: Callable[..., Any]) -> Callable[..., Any]:
        def read(descriptor: int, *arguments: Any) -> Any:  # noqa: ANN401 - any call's
            status = os.fstat(descriptor)
            assert (status.st_dev, status.st_ino) != (foreign.st_dev, foreign.st_ino), "a file outside is read"
            return real(descriptor, *arguments)

        return read

    with monkeypatch.context() as patch:
        for call in ("read", "pread", "readv", "preadv"):
            patch.setattr(os, call, watch(getattr(os, call)))
        yield


@contextlib.contextmanager
def _before_step(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> Iterator[list[str]]:
    """Call ``act`` just before the call of that number that is made by descriptor; give the calls that were made."""
    made: list[str] = []

    def watch(call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - any call's
            if {"dir_fd", "src_dir_fd"} & set(options) or (call == "scandir" and isinstance(arguments[0], int)):
                made.append(call)
                if len(made) == number:
                    act()
            return real(*arguments, **options)

        return called

    with monkeypatch.context() as patch:
        for call in CALLS:
            patch.setattr(os, call, watch(call, getattr(os, call)))
        yield made


def _clear(staging: Path) -> None:
    for path in staging.iterdir():
        path.unlink() if path.is_symlink() or not path.is_dir() else shutil.rmtree(path)


def _check_nothing_got_in(place: Place, outside: Outside) -> None:
    outside.check()
    for path in place.workspace.root.rglob("*"):
        assert stat.S_ISREG(path.lstat().st_mode) or path.is_dir(), path
        assert not path.is_symlink()
        if path.is_file():
            assert SECRET not in path.read_bytes(), path


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: swap.__name__.strip("_"))
def test_nothing_outside_is_taken_whenever_it_is_swapped_in(
    any_place: Place, outside: Outside, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, Outside], None]
) -> None:
    """Before any step of a scan a link, FIFO or socket may take the file's place: nothing outside is touched."""
    path = any_place.staging / FOLDER / NAME
    done = 0
    with capture_logs(), any_place.start() as intake:
        for number in range(1, MOST_STEPS):
            _clear(any_place.staging)
            any_place.drop(f"{FOLDER}/{NAME}")
            with (
                _watched_reads(monkeypatch, outside),
                _before_step(monkeypatch, number, lambda: swap(path, outside)) as made,
            ):
                intake.scan()
                calls = len(made)
                intake.scan()
            _check_nothing_got_in(any_place, outside)
            if calls < number:
                break
            done = number
    assert 5 <= done < MOST_STEPS - 1
    print(f"{done} steps")


@pytest.mark.parametrize("swap", [_link, _replace_by_hard_link], ids=lambda swap: swap.__name__.strip("_"))
def test_nothing_outside_is_compared_with_after_a_crash(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, swap: Callable[[Path, Outside], None]
) -> None:
    """A start compares what we took with what lies in staging by now, and reads no file that was put in its place."""
    outside = Outside(tmp_path / "outside")
    path = place.staging / NAME
    done = 0
    for number in range(1, MOST_STEPS):
        place.drop(NAME)
        with place.start() as intake, monkeypatch.context() as patch:
            patch.setattr(files, "fsync_directory", die)
            with pytest.raises(KilledError):
                intake.scan()
        (ours,) = (file for file in place.workspace.work.glob("*/source.csv") if file.stat().st_nlink == 1)
        path.hardlink_to(ours)
        with path.open("ab") as stream:
            stream.write(MORE)
        with (
            capture_logs(),
            place.start() as intake,
            _watched_reads(monkeypatch, outside),
            _before_step(monkeypatch, number, lambda: swap(path, outside)) as made,
        ):
            intake.recover()
            calls = len(made)
        _check_nothing_got_in(place, outside)
        path.unlink(missing_ok=True)
        shutil.rmtree(place.workspace.work)
        place.workspace.work.mkdir()
        with capture_logs(), place.start() as intake:
            intake.recover()
        if calls < number:
            break
        done = number
    assert 1 <= done < MOST_STEPS - 1


def test_a_storm_of_swaps_gets_nothing_in(any_place: Place, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they fall between our steps, swaps never have us take, read or change what lies outside staging."""
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    path = any_place.staging / FOLDER / NAME
    ended = threading.Event()
    swapped: list[str] = []

    def attack() -> None:
        while not ended.is_set():
            # Its own moves race with ours: a file that we took in between is simply dropped again.
            with contextlib.suppress(OSError):
                _clear(any_place.staging)
                any_place.drop(f"{FOLDER}/{NAME}")
                swap = dice.choice(SWAPS)
                ended.wait(dice.random() / 30)
                swap(path, outside)
                swapped.append(swap.__name__)
                ended.wait(dice.random() / 1000)

    attacker = threading.Thread(target=attack)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    attacker.start()
    claimed = 0
    try:
        with capture_logs(), any_place.start() as intake, _watched_reads(monkeypatch, outside):
            for _ in range(MOST_ROUNDS):
                claimed += len(intakes.scan(intake))
                if claimed >= STORM_CLAIMS and len(swapped) >= STORM_SWAPS:
                    break
    finally:
        ended.set()
        attacker.join()
        sys.setswitchinterval(before)
    print(f"{len(swapped)} swaps, {claimed} claimed")
    assert claimed >= STORM_CLAIMS
    assert len(swapped) >= STORM_SWAPS
    _check_nothing_got_in(any_place, outside)


def test_what_is_no_plain_file_blocks_nothing_and_is_told_once(place: Place) -> None:
    """A FIFO that nobody writes to, a socket, a device, a loop of links: told once each, and the others are taken."""
    os.mkfifo(place.staging / "purchases_fifo.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        # By its short name: the 108 bytes of sun_path (unix(7)) may be too few for the whole path.
        with contextlib.chdir(place.staging):
            listener.bind("purchases_socket.csv")
        (place.staging / "purchases_loop.csv").symlink_to("purchases_loop.csv")
        told = {"purchases_fifo.csv", "purchases_socket.csv", "purchases_loop.csv"}
        if os.geteuid() == 0:
            os.mknod(place.staging / "purchases_device.csv", stat.S_IFCHR | 0o666, os.makedev(1, 5))
            told.add("purchases_device.csv")
        place.drop("purchases_good.csv")
        with capture_logs() as logs, place.start() as intake:
            claimed = [source.name for _ in range(3) for source in intakes.scan(intake)]
    assert claimed == ["purchases_good.csv"]
    assert sorted(line["file"] for line in logs if line["event"] == "file_left_alone") == sorted(told)
    place.check(CONTENT)
