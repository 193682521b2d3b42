"""An intake on folders of its own: places to start it in again and again, and faults at exact steps."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration

CONTENT = b"event_name,time_stamp,user_id\nSold,1700000000,u1\n"
MORE = b"Sold,1700000001,u2\n"
FEEDS = {"feeds": {"purchases": {"files": ["**/purchases*.csv"]}}}


class KilledError(BaseException):
    """Ends the process at this very instant, as far as a test can."""


def scan(intake: Intake) -> tuple[Source, ...]:
    """Have staging scanned once; return what was claimed."""
    claimed: list[Source] = []
    assert intake.scan(claimed.append).claimed == len(claimed)
    return tuple(claimed)


class Place:
    """A staging, a workspace and a ledger, opened anew as often as a test wants to start again."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.staging = configuration.staging
        self.workspace = Workspace(root=configuration.workspace)
        self.workspace.prepare()
        # It was here before: a ledger is not begun beside files that it does not know.
        Ledger.open("sqlite", self.workspace.root).close()

    @contextlib.contextmanager
    def start(self, supervision: Supervision | None = None) -> Iterator[Intake]:
        """Yield an intake, as a process has it that is started now."""
        with self.open_ledger() as ledger:
            yield Intake(self.configuration, self.workspace, ledger, supervision)

    @contextlib.contextmanager
    def open_ledger(self) -> Iterator[Ledger]:
        """Yield the ledger."""
        with Ledger.open("sqlite", self.workspace.root) as ledger:
            yield ledger

    def drop(self, name: str, content: bytes = CONTENT) -> Path:
        """Write a file into staging."""
        path = self.staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def list_staged(self) -> list[str]:
        """Return what lies in staging, by path."""
        return sorted(str(path.relative_to(self.staging)) for path in self.staging.rglob("*") if path.is_file())

    def check(self, *contents: bytes) -> None:
        """Check that just these contents are ours, each once, and that nothing is left in between."""
        with self.open_ledger() as ledger:
            assert ledger.sources.list_claims() == []
            sources = ledger.sources.list_in({SourceState.CLAIMED})
        folders = [self.workspace.get_folder(source.id) for source in sources]
        assert sorted(self.workspace.work.iterdir()) == sorted(folders)
        assert [path for folder in folders for path in folder.iterdir()] == [
            folder / "source.csv" for folder in folders
        ]
        assert sorted((folder / "source.csv").read_bytes() for folder in folders) == sorted(contents)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Staging and workspace on one file system."""
    return Place(write_configuration(tmp_path, FEEDS).configuration)


@pytest.fixture
def far_place(tmp_path: Path) -> Iterator[Place]:
    """Staging on another file system than the workspace."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sftp-orchestrator-") as name:
        place = Place(write_configuration(tmp_path, {**FEEDS, "staging": name}).configuration)
        assert place.staging.stat().st_dev != place.workspace.root.stat().st_dev
        yield place


def fail(monkeypatch: pytest.MonkeyPatch, call: str, name: str, code: int | None) -> None:
    """Let ``os.<call>`` on a path that ends in ``name`` fail with this errno; None = die there."""
    real = getattr(os, call)

    def replaced(path: int | str | bytes | Path, *arguments: Any, **options: Any) -> object:
        if isinstance(path, int) or not os.fsencode(path).endswith(name.encode()):
            return real(path, *arguments, **options)
        if code is None:
            raise KilledError
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, replaced)


def die(*_: object, **__: object) -> None:
    """Take the place of a call at which the process dies."""
    raise KilledError


def and_then(real: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    """Return ``real`` with something that happens just after each call of it."""

    def replaced(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - any call's
        found = real(*arguments, **options)
        then()
        return found

    return replaced
