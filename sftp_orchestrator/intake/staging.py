"""Looks at staging without trusting it: what lies there, what is ignored, and what is no plain file."""

from __future__ import annotations

import dataclasses
import errno
import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.errors import LocalFault


@dataclass(frozen=True, kw_only=True, slots=True)
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


@dataclass(frozen=True, kw_only=True, slots=True)
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
        self._ignored = re.compile("|".join(map(fnmatch.translate, ignore))) if ignore else None
        self._marker = ready_marker

    def look(self) -> Look:
        """Return what lies in staging and its sub-folders now, by path. What vanishes in between is left out.

        A sub-folder that cannot be read is an obstacle and hinders nothing else.

        Raises:
            LocalFault: staging itself cannot be read.
        """
        candidates: list[Candidate] = []
        obstacles: list[Obstacle] = []
        try:
            folders = self._look_into(b"", candidates, obstacles)
        except OSError as error:
            raise LocalFault(
                "look at", f"staging {self.root}", error.strerror or str(error), hint="it must be a folder we may read"
            ) from error
        while folders:
            folder = folders.pop()
            try:
                folders += self._look_into(folder, candidates, obstacles)
            except OSError as error:
                # Gone, or something else by now: the next look tells what.
                if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    obstacles.append(Obstacle(relative_path=folder, reason=_explain(error)))
        candidates.sort(key=lambda candidate: candidate.relative_path)
        obstacles.sort(key=lambda obstacle: obstacle.relative_path)
        return Look(candidates=tuple(candidates), obstacles=tuple(obstacles))

    def _look_into(self, folder: bytes, candidates: list[Candidate], obstacles: list[Obstacle]) -> list[bytes]:
        """Add what lies in one folder; return its sub-folders that are to be looked into."""
        descriptor = open_folder(self.root, folder)
        folders: list[bytes] = []
        # Of each file only what is kept of it: there may be 100,000, and what stat tells is larger.
        present: dict[bytes, Candidate | Obstacle] = {}
        try:
            with os.scandir(descriptor) as entries:
                names = [os.fsencode(entry.name) for entry in entries]
            for name in names:
                status = None if self._is_ignored(name) else _look_at(name, descriptor)
                if status is None:
                    continue
                if _is_folder(status):
                    folders.append(_join(folder, name))
                else:
                    present[name] = _judge(_join(folder, name), status)
        finally:
            os.close(descriptor)
        for name, found in present.items():
            if self._is_marker(name):
                continue
            if isinstance(found, Obstacle):
                obstacles.append(found)
            else:
                has_marker = self.get_marker_name(name) in present
                candidates.append(dataclasses.replace(found, has_marker=True) if has_marker else found)
        return folders

    def get_marker_name(self, name: bytes) -> bytes | None:
        """Return the name of the ready marker of a file called ``name``; None where none is configured."""
        if self._marker is None:
            return None
        text = os.fsdecode(name)
        return os.fsencode(self._marker.replace("{name}", text).replace("{stem}", text.removesuffix(".csv")))

    def _is_marker(self, name: bytes) -> bool:
        if self._marker is None:
            return False
        pattern = re.escape(self._marker).replace(r"\{name\}", ".+").replace(r"\{stem\}", ".+")
        return re.fullmatch(pattern, os.fsdecode(name), re.DOTALL) is not None

    def _is_ignored(self, name: bytes) -> bool:
        return self._ignored is not None and self._ignored.match(os.fsdecode(name)) is not None


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


def _look_at(name: bytes, folder: int) -> os.stat_result | str | None:
    """Return what lies there, or why it cannot be told or read; None where it is gone."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and not _may_read(name, folder):
            # It may be gone by now, which is no obstacle.
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            return "we may not read it; its producer must let us, by its mode or group"
    except FileNotFoundError:
        return None
    except OSError as error:
        return _explain(error)
    return found


def _may_read(name: bytes, folder: int) -> bool:
    return os.access(name, os.R_OK, dir_fd=folder, effective_ids=True, follow_symlinks=False)


def _is_folder(status: os.stat_result | str) -> bool:
    return isinstance(status, os.stat_result) and stat.S_ISDIR(status.st_mode)


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _judge(path: bytes, found: os.stat_result | str) -> Candidate | Obstacle:
    """Return what lies at ``path``, as if it had no ready marker."""
    if isinstance(found, str):
        return Obstacle(relative_path=path, reason=found)
    reason = next(_list_objections(found), None)
    if reason is not None:
        return Obstacle(relative_path=path, reason=reason)
    return Candidate(
        relative_path=path,
        device=found.st_dev,
        inode=found.st_ino,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        has_marker=False,
    )


def _explain(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or type(error).__name__}"


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
    if not -(2**63) <= found.st_mtime_ns < 2**63:
        yield "its time of change lies beyond the year 2262, or before 1678; touch it"
    if found.st_nlink > 1:
        yield f"it has {found.st_nlink} names (hard links); only a file of one name is taken"
