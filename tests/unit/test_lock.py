"""The workspace's lock: one holder, whoever made its file."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from pathlib import Path

import pytest

from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.lock import Holder, WorkspaceLock, find_holder

NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_lock_that_root_made_serves_the_workspaces_owner() -> None:
    """After root ran once, its lock belongs to whom the workspace does, also where root's file lay there before."""
    for is_old in (False, True):
        with tempfile.TemporaryDirectory(dir="/tmp") as name:
            folder = Path(name)
            os.chown(folder, NOBODY, NOBODY)
            if is_old:
                (folder / "lock").touch(mode=0o600)
            with WorkspaceLock(folder / "lock"):
                pass
            os.seteuid(NOBODY)
            try:
                with WorkspaceLock(folder / "lock"):
                    assert (folder / "lock").stat().st_uid == NOBODY
            finally:
                os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of several users need root")
def test_a_lock_of_another_user_is_told_with_what_to_do() -> None:
    """One line with path and hint, no bare error of the system."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "lock").touch(mode=0o600)
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            with pytest.raises(LocalFault, match="Permission denied; lock must be a file that we may write") as caught:
                WorkspaceLock(folder / "lock").__enter__()
        finally:
            os.seteuid(0)
    assert name in str(caught.value)


@pytest.mark.parametrize("call", ["open", "ftruncate", "pwrite"])
def test_every_fault_of_the_lock_is_one_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A full disk, a folder, a file system without locks; and the lock is free again afterwards."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(LocalFault, match="No space left"):
            WorkspaceLock(tmp_path / "lock").__enter__()
    with WorkspaceLock(tmp_path / "lock"):
        pass


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What flock refuses is no traceback."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(LocalFault, match="No locks available"):
        WorkspaceLock(tmp_path / "lock").__enter__()


def test_a_second_holder_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    """The message names the process, and the hint says why."""
    with (
        WorkspaceLock(tmp_path / "lock"),
        pytest.raises(LocalFault, match=rf"in use by process {os.getpid()} on .*; only one may run at a time"),
    ):
        WorkspaceLock(tmp_path / "lock").__enter__()


@pytest.mark.parametrize("holds_pass", [True, False])
@pytest.mark.parametrize("is_pass", [True, False])
def test_a_pass_beside_a_daemon_is_told_how_to_have_that_deliver(
    tmp_path: Path,
    holds_pass: bool,  # noqa: FBT001 - a case
    is_pass: bool,  # noqa: FBT001 - a case
) -> None:
    """Whoever types it wants a run now, which the daemon does when it is asked; a second daemon is no such wish."""
    lock = tmp_path / "lock"
    with WorkspaceLock(lock, is_pass=holds_pass), pytest.raises(LocalFault, match="in use by") as caught:
        WorkspaceLock(lock, is_pass=is_pass).__enter__()
    is_told = str(caught.value).endswith("; to have the daemon deliver now: sftp-orchestrator run-now")
    assert is_told is (is_pass and not holds_pass)


def test_a_full_disk_keeps_nobody_from_giving_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the file says is for people; the lock is given back all the same."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        lock = WorkspaceLock(tmp_path / "lock").__enter__()
        patch.setattr(os, "ftruncate", fail)
        lock.__exit__(None, None, None)
    with WorkspaceLock(tmp_path / "lock"):
        pass


def test_who_holds_it_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    """Nobody, a daemon, or a pass; asking makes no file, and changes nothing about who may take it."""
    path = tmp_path / "lock"
    assert find_holder(path) is None
    assert not path.exists()
    for is_pass in (False, True):
        with WorkspaceLock(path, is_pass=is_pass):
            found = [find_holder(path) for _ in range(2)]
            assert found[0] is not None
            assert (found[0].pid, found[0].is_pass, found[0] == found[1]) == (os.getpid(), is_pass, True)
            assert found[0].since is not None
        before = path.stat()
        assert find_holder(path) is None
        assert path.stat() == before


@pytest.mark.parametrize("said", [b"", b"[]", b"{", b'{"pid": 1}'])
def test_a_holder_that_says_nothing_of_itself_is_one_all_the_same(tmp_path: Path, said: bytes) -> None:
    """Between the lock and its first word, and whatever stands there, it is held."""
    with (tmp_path / "lock").open("w+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(said)
        held.flush()
        assert find_holder(tmp_path / "lock") == Holder()


def test_one_who_asks_keeps_no_daemon_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moment for which a question shares the lock is waited for."""
    path = tmp_path / "lock"
    path.touch(mode=0o600)
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        os.close(descriptor)

    monkeypatch.setattr(time, "sleep", pause)
    with WorkspaceLock(path):
        assert find_holder(path) is not None
    assert len(pauses) == 1


def test_what_cannot_be_asked_is_told(tmp_path: Path) -> None:
    """A folder in its place is a fault of this machine, in one line."""
    (tmp_path / "lock").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    with pytest.raises(LocalFault, match="look at workspace"):
        find_holder(tmp_path / "link")
