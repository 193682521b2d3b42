"""``run``: the daemon in the foreground, or one pass with ``--once``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from sftp_orchestrator import daemon
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.progress import Board


def run(
    context: typer.Context,
    config: options.ConfigOption = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="One pass over what is complete now, whatever the schedule says.")
    ] = False,
) -> int:
    """Deliver what arrives in staging, until stopped; with --once one pass, for cron, Airflow or Kubernetes."""
    configuration = options.load_configuration(context, config)
    board = Board()
    with show_progress(board):
        return asyncio.run(daemon.serve(configuration, once=once, board=board))
