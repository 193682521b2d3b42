"""Where ``init`` puts things, and how it puts them there: all of them, or none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator import files
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.workspace import Workspace, remove_tree

SYSTEM_FOLDER = Path("/etc/sftp-orchestrator")
SYSTEM_STATE = Path("/var/lib/sftp-orchestrator")
"""Where staging and workspace lie for a configuration in ``SYSTEM_FOLDER``."""
OWN_FOLDER = Path("sftp-orchestrator")
"""Below the current folder, for whom the system's is not."""

FOLDER_MODE = 0o750
"""Its group comes through to staging; the secrets in it are files that their owner alone may read."""
STAGING_MODE = 0o2770
"""Producers of its group drop files, which become the group's."""
PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
_OPERATION = "set up"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places of one set-up, all absolute."""

    folder: Path
    staging: Path
    workspace: Path

    @property
    def config(self) -> Path:
        """The configuration; it is written last, and so tells that the rest is there."""
        return self.folder / "config.yml"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.folder / "known_hosts"

    @property
    def openpgp_key(self) -> Path:
        """The receiver's public key to encrypt with."""
        return self.folder / "clevertap.pub.asc"

    def show(self, path: Path) -> str:
        """Return ``path`` as the configuration has it: relative to its own folder where it lies below. Pure."""
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)


def find_layout(folder: Path | None, staging: Path | None, workspace: Path | None) -> Layout:
    """Return the places: those named, else the usual ones beside the folder, which is the system's where we may."""
    if folder is None:
        above = SYSTEM_FOLDER if SYSTEM_FOLDER.exists() else SYSTEM_FOLDER.parent
        folder = SYSTEM_FOLDER if os.access(above, os.W_OK) else OWN_FOLDER
    root = folder.absolute()
    state = SYSTEM_STATE if root == SYSTEM_FOLDER else root
    return Layout(
        folder=root,
        staging=(staging or state / "staging").absolute(),
        workspace=(workspace or state / "workspace").absolute(),
    )


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file is to hold, and who may read it."""

    content: bytes
    mode: int = PUBLIC_MODE


def put(
    layout: Layout, contents: Mapping[Path, Content], *, force: bool, load: Callable[[Path], Configuration]
) -> Configuration:
    """Make the folders, write ``contents`` in their order, and return the configuration as ``load`` finds it then.

    All of it is undone where a step fails or we are interrupted.

    A file that has its content already is left alone, so this may be repeated.

    Raises:
        ConfigurationError: a file is there with another content, and ``force`` is not given; nothing is changed.
        LocalFault: the disk is full, or a folder not ours; nothing is changed.
        Failure: whatever ``load`` raises; nothing is changed.
    """
    wanted = {path: content for path, content in contents.items() if read_if_there(path) != content.content}
    for path in wanted:
        if path.exists() and not force:
            raise ConfigurationError(_OPERATION, str(path), "it is there, and is kept", hint="--force writes it anew")
    hint = "run it as the user whose folder this is"
    with files.as_local_fault(_OPERATION, str(layout.folder), hint=hint), contextlib.ExitStack() as undoing:
        for folder, mode in ((layout.folder, FOLDER_MODE), (layout.staging, STAGING_MODE)):
            _make_folder(folder, mode, undoing)
        if not layout.workspace.exists():
            undoing.callback(remove_tree, layout.workspace)
        Workspace(root=layout.workspace).prepare()
        for path, content in wanted.items():
            _write(path, content, undoing)
        configuration = load(layout.config)
        undoing.pop_all()
    return configuration


def read_if_there(path: Path) -> bytes | None:
    """Return what is in a file; None where there is none. Raises ``LocalFault``."""
    with files.as_local_fault("read", str(path), hint="run it as the user whose file this is"):
        return path.read_bytes() if path.exists() else None


def _make_folder(path: Path, mode: int, undoing: contextlib.ExitStack) -> None:
    """Make a folder and those above it that are missing; of one that is there already nothing is changed."""
    if path.is_dir():
        return
    missing = [path, *(above for above in path.parents if not above.exists())]
    for one in reversed(missing):
        one.mkdir()
        undoing.callback(one.rmdir)
        # The mode that mkdir(2) is given is cut by our umask.
        one.chmod(mode if one == path else FOLDER_MODE)
        files.fsync_directory(one.parent)


def _write(path: Path, content: Content, undoing: contextlib.ExitStack) -> None:
    before = read_if_there(path)
    if before is None:
        undoing.callback(path.unlink, missing_ok=True)
    else:
        undoing.callback(files.write_durably, path, before, path.stat().st_mode & 0o777)
    # Made with the stricter mode that the umask leaves, and only then opened to others.
    files.write_durably(path, content.content, PRIVATE_MODE)
    path.chmod(content.mode)
