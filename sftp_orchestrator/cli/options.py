"""Options and helpers that several commands share."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from sftp_orchestrator import rehearsal
from sftp_orchestrator.cli import layout
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import Failure, LocalFault
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.views import COMMAND
from sftp_orchestrator.workspace import Workspace

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The configuration file, else {loading.VARIABLE}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs instead of text for people.")]


def load_configuration(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration that is in effect; raises ConfigurationError."""
    return loading.load(find_configuration(context, option))


def find_configuration(context: typer.Context, option: Path | None) -> Path:
    """Return the file named after the command, before it, or by the environment, or that lies in a usual place.

    Raises ConfigurationError.
    """
    return loading.find(option or context.find_root().params.get("config"))


def get_command(context: typer.Context, option: Path | None, *, elsewhere: bool = False) -> str:
    """Return how to call us once more with the same configuration; with ``elsewhere`` from any folder."""
    named: Path | None = option or context.find_root().params.get("config")
    if named is None:
        return COMMAND
    return f"{COMMAND} --config {shlex.quote(str(named.absolute() if elsewhere else named))}"


def open_ledger(configuration: Configuration) -> Ledger:
    """Open the ledger beside a daemon that may be running: its transactions keep the two apart. Raises LocalFault."""
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    return Ledger.open(configuration.ledger.url, workspace.root)


def open_ledger_to_look(configuration: Configuration) -> Ledger:
    """Do as ``open_ledger``; but a disk that is full, or turned read-only, keeps nobody from looking."""
    try:
        return open_ledger(configuration)
    except LocalFault:
        found = Ledger.open_for_reading(configuration.ledger.url, configuration.workspace)
        if found is None:
            raise
        return found


def quieten(context: typer.Context, level: int = logging.WARNING) -> None:
    """Keep what is below ``level`` out of the log of a command that answers by itself; ``--debug`` goes before."""
    if not context.find_root().params.get("debug"):
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """What came of looking at several files."""

    plans: tuple[rehearsal.Plan, ...]
    failures: tuple[Failure, ...]
    """of the files that could not be looked at"""

    def require_all(self) -> None:
        """Raise what is wrong with files that could not be looked at, all of it at once."""
        if self.failures:
            raise ExceptionGroup("not every file could be looked at", self.failures)


def rehearse_all(configuration: Configuration, files: Sequence[Path], *, operation: str) -> Rehearsed:
    """Find out what would happen to each file, whatever is wrong with the others, with progress on a terminal.

    ``operation`` is what errors call it.
    """
    board = Board()

    def rehearse(path: Path) -> rehearsal.Plan | Failure:
        label = display_path(os.fsencode(path.name))
        board.begin(label, Phase.INSPECT, _get_size(path))
        try:
            return rehearsal.rehearse(
                configuration, path, operation=operation, progress=lambda count: board.advance(label, count)
            )
        except Failure as failure:
            return failure
        finally:
            board.end(label)

    with show_progress(board):
        found = [rehearse(path) for path in files]
    return Rehearsed(
        plans=tuple(one for one in found if isinstance(one, rehearsal.Plan)),
        failures=tuple(one for one in found if isinstance(one, Failure)),
    )


def _get_size(path: Path) -> int:
    """Return how much there is to read, for the progress; what is wrong with the file is told elsewhere."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def get_console() -> Console:
    """Return where answers go."""
    return layout.make_console()


def get_person() -> str:
    """Return who decides, for the history."""
    try:
        return f"{getpass.getuser()}"
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
