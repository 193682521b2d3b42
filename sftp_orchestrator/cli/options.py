"""Options and helpers that several commands share."""

from __future__ import annotations

import datetime
import getpass
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.workspace import Workspace

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help=f"The configuration file, else {loading.VARIABLE}."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


def load_configuration(context: typer.Context, option: Path | None) -> Configuration:
    """Return the configuration named after the command, before it, or by the environment; raises ConfigurationError."""
    return loading.load(loading.find(option or context.find_root().params.get("config")))


def open_ledger(configuration: Configuration) -> Ledger:
    """Open the ledger beside a daemon that may be running: its transactions keep the two apart. Raises LocalFault."""
    workspace = Workspace(root=configuration.workspace)
    workspace.prepare()
    return Ledger.open(configuration.ledger.url, workspace.root)


def get_console() -> Console:
    """Return where answers go: stdout, in colour only on a terminal and without NO_COLOR."""
    return Console(highlight=False)


def get_person() -> str:
    """Return who decides, for the history."""
    try:
        return f"{getpass.getuser()}"
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def format_bytes(count: float | None) -> str:
    """Return a size as people read it, in powers of ten as the receiver's limits are. Pure."""
    if count is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


def format_count(count: int | None) -> str:
    """Return a number with thin separators. Pure."""
    return "-" if count is None else f"{count:,}"


def format_age(moment: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return how long ago, or how soon, ``moment`` is. Pure."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if size >= length:
            said = f"{size / length:.0f} {unit}"
            break
    else:
        said = f"{size:.0f} s"
    return f"{said} ago" if seconds >= 0 else f"in {said}"
