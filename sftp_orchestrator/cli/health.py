"""``health``: whether the running daemon makes progress, for a container's health check."""

from __future__ import annotations

import typer

from sftp_orchestrator.asking import ask_health
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption


def health(context: typer.Context, config: ConfigOption = None) -> None:
    """Ask the running daemon whether every station makes progress; an idle one does."""
    configuration = options.load_configuration(context, config)
    typer.echo(ask_health(configuration.web.listen))
