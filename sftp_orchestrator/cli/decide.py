"""``retry``, ``release``, ``discard``, ``resolve``: what a person decides. A running daemon notices within seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.completing import complete_source
from sftp_orchestrator.deciding import Choice, decide
from sftp_orchestrator.errors import ConfigurationError, Failure

SourceId = Annotated[str, typer.Argument(metavar="ID", help="As `status` shows it.", autocompletion=complete_source)]
SourceIds = Annotated[
    list[str],
    typer.Argument(metavar="ID…", help="As `status` shows it, one or several.", autocompletion=complete_source),
]


def retry(context: typer.Context, source_ids: SourceIds, config: ConfigOption = None) -> None:
    """Try a quarantined or held source again, or send a waiting one now, from where it safely can."""
    _decide(context, config, Choice.RETRY, source_ids)


def release(context: typer.Context, source_ids: SourceIds, config: ConfigOption = None) -> None:
    """Let a source go on by your word: held ones go on, events no longer wait for others, nor others for it."""
    _decide(context, config, Choice.RELEASE, source_ids)


def discard(
    context: typer.Context,
    source_ids: SourceIds,
    config: ConfigOption = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the history.")
    ] = None,
) -> None:
    """Give up what was not delivered, or the refused rows of what was. What is given up is archived."""
    _decide(context, config, Choice.DISCARD, source_ids, reason=reason)


def resolve(
    context: typer.Context,
    source_id: Annotated[
        str, typer.Argument(metavar="ID[/PART]", help="A source, or a part of it.", autocompletion=complete_source)
    ],
    config: ConfigOption = None,
    *,
    delivered: Annotated[
        bool, typer.Option("--delivered", help="The receiver took it: count it as delivered.")
    ] = False,
    resend: Annotated[bool, typer.Option("--resend", help="The receiver did not: send it again, newly named.")] = False,
) -> None:
    """Say what became of uncertain parts. Nobody but you can: the receiver neither tells nor deduplicates."""
    if delivered == resend:
        raise ConfigurationError("resolve", source_id, "say either --delivered or --resend")
    _decide(context, config, Choice.DELIVERED if delivered else Choice.RESEND, [source_id])


def _decide(
    context: typer.Context,
    config: Path | None,
    choice: Choice,
    subjects: Sequence[str],
    *,
    reason: str | None = None,
) -> None:
    """Decide about each by itself, whatever is wrong with another; what is wrong is raised once all are through."""
    configuration = options.load_to_decide(context, config)
    failures: list[Failure] = []
    with options.open_ledger(configuration) as ledger:
        for subject in dict.fromkeys(subjects):
            try:
                told = decide(choice, configuration, ledger, subject, by=options.get_person(), reason=reason)
            except Failure as failure:
                failures.append(failure)
            else:
                typer.echo("\n".join(told))
    if failures:
        msg = "not everything could be decided"
        raise ExceptionGroup(msg, failures)
