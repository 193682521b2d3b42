"""``health``: whether the running daemon makes progress, for a container's health check."""

from __future__ import annotations

import typer

from sftp_orchestrator.asking import ask_health
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.complaints import complain_of
from sftp_orchestrator.errors import ConfigurationError


def health(context: typer.Context, config: ConfigOption = None) -> None:
    """Ask the running daemon whether every station makes progress; an idle one does."""
    daemon = options.find_daemon(context, config)
    page = daemon.page if daemon is not None else None
    try:
        with options.open_sight(context, config) as sight:
            if page is None:
                page = sight.configuration.web.listen or ""
    except (ConfigurationError, ExceptionGroup) as error:
        # A file that is wrong by now says nothing about the daemon that goes on without it: a restart would end that.
        if page is None:
            raise
        complain_of(error, options.get_command(context, config))
    typer.echo(ask_health(page or None))
