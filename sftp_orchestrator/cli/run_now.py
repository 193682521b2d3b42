"""``run-now``: ask the running daemon to deliver at once."""

from __future__ import annotations

from typing import Annotated

import typer

from sftp_orchestrator.calling import spell_out
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.completing import complete_destination, complete_feed
from sftp_orchestrator.run_now import ask_for_run


def run_now(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    destination: Annotated[
        str | None,
        typer.Option(
            "--destination",
            metavar="NAME",
            help="Only what goes there, else everything.",
            autocompletion=complete_destination,
        ),
    ] = None,
    feed: Annotated[
        str | None,
        typer.Option("--feed", metavar="NAME", help="Only the files of this feed.", autocompletion=complete_feed),
    ] = None,
) -> None:
    """Ask the running daemon to deliver now, whatever schedule, window or dates say."""
    configuration = options.load_to_decide(context, config)
    with options.open_ledger(configuration) as ledger:
        asked = ask_for_run(configuration, ledger, by=options.get_person(), destination=destination, feed=feed)
    typer.echo(spell_out(asked.describe(), options.get_command(context, config)))
