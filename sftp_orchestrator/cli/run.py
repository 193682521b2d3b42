"""``run``: the daemon in the foreground, or one pass with ``--once``."""

from __future__ import annotations

import functools
import sys
from typing import Annotated

import typer

from sftp_orchestrator import logs, service, threads, units
from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.config import loading
from sftp_orchestrator.deliver.run import Verdict
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SourceState
from sftp_orchestrator.progress import Board


def run(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="One pass over what is complete now, whatever the schedule says.")
    ] = False,
) -> int:
    """Deliver what arrives in staging, until stopped; with --once one pass, for cron, Airflow or Kubernetes."""
    path = options.find_configuration(context, config)
    configuration = loading.load(path)
    command = options.get_command(context, config, elsewhere=True)
    logs.spell_out_commands(command)
    if once and sys.stderr.isatty():
        # The pass ends with it, on the same terminal.
        logs.keep_back("destination_failed")
    board = Board()
    verdicts: list[Verdict] = []
    with show_progress(board):
        code = threads.run(
            service.serve(
                configuration,
                once=once,
                board=board,
                conclude=verdicts.append,
                load=functools.partial(loading.load, path.absolute()),
                command=command,
            )
        )
    for verdict in verdicts:
        conclude(verdict, command=options.get_command(context, config))
    return code


def conclude(verdict: Verdict, *, command: str = COMMAND) -> None:
    """Say on stderr what stood in the way, and on stdout what came of the pass; cron mails nothing about nothing."""
    for failure in verdict.failures:
        layout.complain(f"sftp-orchestrator: {spell_out(str(failure), command)}")
    said = summarize(verdict)
    if said is not None or sys.stdout.isatty():
        typer.echo(spell_out(said, command) if said is not None else "nothing to deliver")


def summarize(verdict: Verdict) -> str | None:
    """Return what came of a pass, in one line; None where there was nothing to do. Pure."""
    parts = f"{verdict.parts} part{'s' if verdict.parts != 1 else ''}"
    states = [source.state for source in verdict.not_delivered if source.id not in verdict.uncertain]
    waiting = sum(state not in SOURCE_ASIDE for state in states)
    told = {
        f"delivered ({parts}, {units.format_bytes(verdict.size)})": verdict.delivered,
        f"uncertain ({_advise_on_uncertain(verdict)})": len(verdict.uncertain),
        "quarantined": states.count(SourceState.QUARANTINED),
        "held": states.count(SourceState.HELD),
        "waits" if waiting == 1 else "wait": waiting,
        f"row{'s' if verdict.refused_rows != 1 else ''} refused": verdict.refused_rows,
        f"row{'s' if verdict.duplicate_rows != 1 else ''} left out as duplicates": verdict.duplicate_rows,
        "left alone in staging": verdict.left_alone,
    }
    said = [f"{count:,} {what}" for what, count in told.items() if count]
    is_all = not verdict.not_delivered and not verdict.left_alone and not verdict.refused_rows
    return ", ".join(said) + ("" if is_all else f": see {COMMAND} status") if said else None


def _advise_on_uncertain(verdict: Verdict) -> str:
    subject = next(iter(verdict.uncertain)) if len(verdict.uncertain) == 1 else "ID"
    return f"look there whether the receiver took it, then {COMMAND} resolve {subject} --delivered or --resend"
