"""``health``: whether the running daemon makes progress, for a container's health check."""

from __future__ import annotations

import typer

from sftp_orchestrator.asking import ask_health
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption


def health(context: typer.Context, config: ConfigOption = None) -> None:
    """Ask the running daemon whether every station makes progress; an idle one does."""
    daemon = options.find_daemon(context, config)
    # A file that was changed meanwhile, or is wrong by now, says nothing about the daemon that goes on without it.
    page = daemon.page if daemon is not None else None
    listen = options.load_configuration(context, config).web.listen if page is None else page or None
    typer.echo(ask_health(listen))
