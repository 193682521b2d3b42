"""What several commands do with their options."""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import shlex
from pathlib import Path

import structlog
import typer
from rich.console import Console

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.cli import layout
from sftp_orchestrator.cli.arguments import Call
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.intake.lock import Holder, find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.workspace import Workspace


def load_configuration(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration that is in effect; raises ConfigurationError."""
    return loading.load(find_configuration(context, option))


def find_daemon(context: typer.Context, option: Path | None) -> Holder | None:
    """Return the daemon that runs by a configuration, even where that cannot be loaded any more; None where none does.

    Raises ConfigurationError where there is no such file.
    """
    workspace = loading.find_workspace(find_configuration(context, option))
    # Of a workspace that we may not look into nothing is known.
    with contextlib.suppress(LocalFault):
        holder = find_holder(Workspace(root=workspace).lock) if workspace is not None else None
        # For a moment after its start it says nothing of itself yet.
        return holder if holder is not None and holder.pid is not None and not holder.is_pass else None
    return None


def find_configuration(context: typer.Context, option: Path | None) -> Path:
    """Return the file named after the command, before it, or by the environment, or that lies in a usual place.

    Raises ConfigurationError.
    """
    call = context.find_root().obj
    if isinstance(call, Call):
        call.command = get_command(context, option)
    return loading.find(option or context.find_root().params.get("config"))


def get_command(context: typer.Context, option: Path | None, *, elsewhere: bool = False) -> str:
    """Return how to call us once more with the same configuration; with ``elsewhere`` from any folder."""
    named: Path | None = option or context.find_root().params.get("config")
    if named is None and elsewhere and VARIABLE in os.environ:
        # Whoever reads it elsewhere is not in the shell that has it.
        named = Path(os.environ[VARIABLE])
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


def get_console() -> Console:
    """Return where answers go."""
    return layout.make_console()


def get_person() -> str:
    """Return who decides, for the history."""
    try:
        return f"{getpass.getuser()}"
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
