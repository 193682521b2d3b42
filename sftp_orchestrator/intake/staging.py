"""Looks at staging without trusting it: what lies there, what is ignored, and what is no plain file."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.errors import LocalFault


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plain file in staging as one look found it."""

    relative_path: bytes
    device: int
    inode: int
    size: int
    mtime_ns: int
    has_marker: bool
    """its ready marker lies beside it"""

    @property
    def sample(self) -> tuple[int, int, int, int]:
        """What must stay the same for the file to be complete."""
        return (self.device, self.inode, self.size, self.mtime_ns)


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Something in staging that is never taken, and why."""

    relative_path: bytes
    reason: str


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at staging found."""

    candidates: tuple[Candidate, ...]
    obstacles: tuple[Obstacle, ...]


class Staging:
    """The producers' folder: read by descriptor, links never followed, nothing opened that is no plain file."""

    def __init__(self, root: Path, *, ignore: Sequence[str], ready_marker: str | None) -> None:
        self.root = root
        self._ignore = tuple(ignore)
        self._marker = ready_marker

    def look(self) -> Look:
        """Return what lies in staging and its sub-folders now. Files that vanish in between are left out.

        Raises:
            LocalFault: staging itself cannot be read.
        """
        candidates: list[Candidate] = []
        obstacles: list[Obstacle] = []
        try:
            for folder, _, names, descriptor in os.fwalk(os.fsencode(self.root), onerror=_raise, follow_symlinks=False):
                inside = os.path.relpath(folder, os.fsencode(self.root))
                if self._is_ignored(inside):
                    continue
                present = set(names)
                for name in names:
                    path = os.path.normpath(os.path.join(inside, name))  # noqa: PTH118 - names are bytes here
                    if self._is_ignored(path) or self._is_marker(name):
                        continue
                    _sort(path, name, descriptor, self._has_marker(name, present), candidates, obstacles)
        except OSError as error:
            raise LocalFault(
                "look at", f"staging {self.root}", error.strerror or str(error), hint="it must be a folder we may read"
            ) from error
        return Look(candidates=tuple(candidates), obstacles=tuple(obstacles))

    def get_marker_name(self, name: bytes) -> bytes | None:
        """Return the name of the ready marker of a file called ``name``; None where none is configured."""
        if self._marker is None:
            return None
        text = os.fsdecode(name)
        return os.fsencode(self._marker.replace("{name}", text).replace("{stem}", text.removesuffix(".csv")))

    def _has_marker(self, name: bytes, present: set[bytes]) -> bool:
        return self.get_marker_name(name) in present

    def _is_marker(self, name: bytes) -> bool:
        if self._marker is None:
            return False
        pattern = re.escape(self._marker).replace(r"\{name\}", ".+").replace(r"\{stem\}", ".+")
        return re.fullmatch(pattern, os.fsdecode(name), re.DOTALL) is not None

    def _is_ignored(self, path: bytes) -> bool:
        names = [name for name in os.fsdecode(path).split("/") if name != "."]
        return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in self._ignore)


def open_folder(root: Path, relative_folder: bytes) -> int:
    """Return a descriptor on a folder below ``root``; no component may be a symbolic link. The caller closes it.

    Raises:
        OSError: a component is missing, no folder, or a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in filter(None, relative_folder.split(b"/")):
        try:
            below = os.open(name, flags, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _sort(
    path: bytes,
    name: bytes,
    folder: int,
    has_marker: bool,  # noqa: FBT001 - private, called once
    candidates: list[Candidate],
    obstacles: list[Obstacle],
) -> None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    reason = next(_list_objections(found), None)
    if reason is not None:
        obstacles.append(Obstacle(relative_path=path, reason=reason))
        return
    candidates.append(
        Candidate(
            relative_path=path,
            device=found.st_dev,
            inode=found.st_ino,
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            has_marker=has_marker,
        )
    )


def _list_objections(found: os.stat_result) -> Iterator[str]:
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
    }
    kind = stat.S_IFMT(found.st_mode)
    if kind in kinds:
        yield f"it is {kinds[kind]}; only plain files are taken"
    if found.st_nlink > 1:
        yield f"it has {found.st_nlink} names (hard links); only a file of one name is taken"


def _raise(error: OSError) -> None:
    # A sub-folder that vanished while we walked is no error; one we may not read is.
    if not isinstance(error, FileNotFoundError):
        raise error
