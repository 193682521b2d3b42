"""Options and helpers that several commands share."""

from __future__ import annotations

import getpass
import logging
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from sftp_orchestrator import rehearsal
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.views import COMMAND
from sftp_orchestrator.workspace import Workspace

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The configuration file, else {loading.VARIABLE}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


def load_configuration(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration named after the command, before it, or by the environment; raises ConfigurationError."""
    return loading.load(loading.find(option or context.find_root().params.get("config")))


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


def quieten(context: typer.Context, level: int = logging.WARNING) -> None:
    """Keep what is below ``level`` out of the log of a command that answers by itself; ``--debug`` goes before."""
    if not context.find_root().params.get("debug"):
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


def rehearse_all(configuration: Configuration, files: Sequence[Path]) -> list[rehearsal.Plan]:
    """Return what would happen to each file, with progress on a terminal; raises as ``rehearsal.rehearse``."""
    board = Board()

    def rehearse(path: Path) -> rehearsal.Plan:
        label = display_path(os.fsencode(path.name))
        board.begin(label, Phase.INSPECT, path.stat().st_size if path.is_file() else 0)
        try:
            return rehearsal.rehearse(configuration, path, progress=lambda count: board.advance(label, count))
        finally:
            board.end(label)

    with show_progress(board):
        return [rehearse(path) for path in files]


def get_console() -> Console:
    """Return where answers go: stdout, in colour only on a terminal and without NO_COLOR."""
    return Console(highlight=False)


def get_person() -> str:
    """Return who decides, for the history."""
    try:
        return f"{getpass.getuser()}"
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
