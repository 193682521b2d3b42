"""What the daemon's account may read, told by mode bits: for whoever may read everything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sftp_orchestrator import account, health
from sftp_orchestrator.account import Account, find_obstacle, find_owner
from tests.support.configuration import write_configuration

OWNER, GROUP, OTHER = 4001, 4002, 4003
DAEMON = Account(name="courier", uid=OWNER, gids=frozenset({GROUP}))
ME = Account(name="me", uid=os.getuid(), gids=frozenset())


@pytest.mark.parametrize(
    ("uid", "gid", "who"), [(OWNER, OTHER, "u"), (OWNER, GROUP, "u"), (OTHER, GROUP, "g"), (OTHER, OTHER, "o")]
)
def test_one_class_of_bits_counts_the_nearest(uid: int, gid: int, who: str) -> None:
    """As the kernel has it: an owner whose bits are missing is not helped by those of others."""
    assert DAEMON.find_class(os.stat_result((0o600, 0, 0, 0, uid, gid, 0, 0, 0, 0))) == who


def test_a_file_and_every_folder_above_it_must_be_open(tmp_path: Path) -> None:
    """The outermost obstacle is told: behind it nothing else matters yet."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    file = folder / "id_ed25519"
    file.touch(mode=0o600)
    assert find_obstacle(file, ME) is None
    file.chmod(0o044)
    found = find_obstacle(file, ME)
    assert found is not None
    assert (found.path, found.mode, found.who, found.is_folder) == (file, 0o044, "u", False)
    if os.geteuid() == 0:  # Nobody else may look into such a folder to find out.
        folder.chmod(0o677)
        found = find_obstacle(file, ME)
        assert found is not None
        assert (found.path, found.who, found.is_folder) == (folder, "u", True)


def test_folders_behind_a_link_count_too(tmp_path: Path) -> None:
    """The link is followed, and what is not there is nobody's obstacle."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "key").touch(mode=0o000)
    link = tmp_path / "link"
    link.symlink_to("real")
    found = find_obstacle(link / "key", ME)
    assert found is not None
    assert found.path == link / "key"
    assert find_obstacle(link / "gone", ME) is None


def test_whom_a_folder_belongs_to(tmp_path: Path) -> None:
    """By its number, with the groups of the account."""
    found = find_owner(tmp_path)
    assert found is not None
    assert (found.uid, os.getgid() in found.gids) == (os.getuid(), True)
    assert find_owner(tmp_path / "gone") is None


class _Root:
    """Root, who looks; what keeps ``courier`` from a file is given by the file's name."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = write_configuration(folder)
        self.obstacles: dict[str, account.Obstacle] = {}
        self.owner = Account(name="courier", uid=OWNER, gids=frozenset())
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(account, "find_owner", lambda _: self.owner)
        monkeypatch.setattr(account, "find_obstacle", lambda path, _: self.obstacles.get(path.name))

    def close(self, path: Path, mode: int, who: str, *names: str) -> None:
        """Have ``path`` keep the files with these names from being read; its own, where there are none."""
        found = account.Obstacle(path=path, mode=mode, who=who, is_folder=bool(names))
        self.obstacles |= dict.fromkeys(names or (path.name,), found)

    def look(self) -> list[str]:
        """Return what is said of the daemon's user."""
        results = health.check_machine(self.written.configuration, self.written.path)
        found = [one for one in results if one.subject == "daemon's user"]
        assert all(one.is_warning and one.failure is None for one in found)
        return [one.said for one in found]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Root:
    """Root, before whom everything is open, to the daemon as well."""
    return _Root(tmp_path, monkeypatch)


def test_root_is_warned_of_what_the_daemon_cannot_read(root: _Root, tmp_path: Path) -> None:
    """All is green for root, and the service would fail at night. A private file must not be opened to others."""
    assert root.look() == []
    key, pins = tmp_path / "id_ed25519", tmp_path / "known_hosts"
    root.close(key, 0o600, "o")
    root.close(pins, 0o640, "o")
    assert root.look() == [
        f"courier, who owns the workspace, may not read {key} (0600); run: chown courier {key}",
        f"courier, who owns the workspace, may not read {pins} (0640); run: chmod o+r {pins}",
    ]
    root.close(key, 0o200, "u")
    assert root.look()[0].endswith(f" (0200); run: chmod u+r {key}")


def test_a_closed_folder_is_told_once(root: _Root, tmp_path: Path) -> None:
    """With all the files that lie behind it."""
    root.close(tmp_path, 0o700, "o", "config.yml", "id_ed25519")
    (said,) = root.look()
    assert said.startswith(f"courier, who owns the workspace, may not enter {tmp_path} (0700); ")
    assert said.endswith(f"; run: chmod o+x {tmp_path}, or keep elsewhere: config.yml, id_ed25519")


def test_nobody_else_is_warned(root: _Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where root owns the workspace, the daemon is root's; and whoever is not root finds out by reading."""
    root.close(tmp_path, 0o700, "o", "config.yml")
    root.owner = Account(name="root", uid=0, gids=frozenset())
    assert root.look() == []
    root.owner = DAEMON
    monkeypatch.setattr(os, "geteuid", lambda: OTHER)
    assert root.look() == []
