"""The account that the daemon runs as, as root sees it: what it may read, which root itself finds out by no try."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_READ, _ENTER = 0o4, 0o1
_SHIFTS = {"u": 6, "g": 3, "o": 0}
"""Where in a mode the bits of each class begin, by what chmod(1) calls it."""
_ACCESS_LIST = "system.posix_acl_access"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who somebody is to the kernel."""

    name: str
    """or its number, where it has none"""
    uid: int
    gids: frozenset[int]

    def find_class(self, status: os.stat_result) -> str:
        """Return by which class of mode bits this account is judged: ``u``, ``g`` or ``o``. Pure."""
        if status.st_uid == self.uid:
            return "u"
        return "g" if status.st_gid in self.gids else "o"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """What keeps an account from reading a file: a folder above that it may not enter, or the file itself."""

    path: Path
    mode: int
    who: str
    """the class of bits that lacks one"""
    is_folder: bool


def find_owner(folder: Path) -> Account | None:
    """Return whom a folder belongs to; None where it is not there. May be repeated."""
    try:
        status = folder.stat()
    except OSError:
        return None
    try:
        entry = pwd.getpwuid(status.st_uid)
    except KeyError:
        return Account(name=str(status.st_uid), uid=status.st_uid, gids=frozenset({status.st_gid}))
    gids = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(name=entry.pw_name, uid=status.st_uid, gids=frozenset(gids))


def find_obstacle(path: Path, account: Account) -> Obstacle | None:
    """Return the first thing that keeps ``account`` from reading a file, by mode bits; None where nothing does.

    What has a list of access rights (ACL) is taken for open: mode bits do not tell who may. What is not there is told
    of elsewhere. May be repeated.
    """
    try:
        for place in _list_places(path):
            status = place.stat()
            is_folder = place != path
            who = account.find_class(status)
            right = _ENTER if is_folder else _READ
            if not status.st_mode >> _SHIFTS[who] & right and not _has_list(place):
                return Obstacle(path=place, mode=stat.S_IMODE(status.st_mode), who=who, is_folder=is_folder)
    except OSError:
        return None
    return None


def _list_places(path: Path) -> Iterator[Path]:
    """Yield the folders above a file, the outermost first, those behind symbolic links, too; then the file."""
    folders = [*reversed(path.absolute().parents), *reversed(path.resolve().parents)]
    yield from dict.fromkeys(folders)
    yield path


def _has_list(place: Path) -> bool:
    try:
        return _ACCESS_LIST in os.listxattr(place)
    except OSError:
        return False
