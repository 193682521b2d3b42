"""``retry``, ``release``, ``discard``, ``resolve``: what a person decides. A running daemon notices within seconds."""

from __future__ import annotations

from typing import Annotated

import typer

from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.deliver.archive import get_archive_folder
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.intake.lock import find_holder
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.outlook import NOBODY
from sftp_orchestrator.prepare import releasing
from sftp_orchestrator.prepare.parts.resending import resolve_delivered, resolve_resend
from sftp_orchestrator.prepare.refusals.quarantine import require_untouched
from sftp_orchestrator.workspace import Workspace

SourceId = Annotated[str, typer.Argument(metavar="ID", help="As `status` shows it.")]


def retry(context: typer.Context, source_id: SourceId, config: ConfigOption = None) -> None:
    """Try a quarantined, held or waiting source again, from where it safely can."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        _require_untouched(configuration, ledger, source_id)
        source = ledger.sources.retry(source_id, by=options.get_person())
    typer.echo(f"{source.id} ({source.name}) is {source.state} and is tried again{say_when(configuration)}.")


def release(context: typer.Context, source_id: SourceId, config: ConfigOption = None) -> None:
    """Let a source go on by your word: held ones go on, events no longer wait for others, nor others for it."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        _require_untouched(configuration, ledger, source_id)
        workspace = Workspace(root=configuration.workspace)
        source = releasing.release(ledger, workspace, source_id, by=options.get_person())
    typer.echo(f"{source.id} ({source.name}) is {source.state} and released; it goes on{say_when(configuration)}.")


def discard(
    context: typer.Context,
    source_id: SourceId,
    config: ConfigOption = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the history.")
    ] = None,
) -> None:
    """Give a quarantined or held source up: nothing more of it is sent, and nobody waits for it. It is archived."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        ledger.sources.get(source_id)
        why = " ".join((reason or "").split()) or None
        delivered = ledger.discards.discard(source_id, by=options.get_person(), reason=why)
        source = ledger.sources.get(source_id)
    folder = get_archive_folder(Workspace(root=configuration.workspace), source, configuration.zone)
    typer.echo(f"{source.id} ({source.name}) is discarded; {delivered}.")
    typer.echo(f"A running daemon, or the next run, puts its file into {folder}.")


def resolve(
    context: typer.Context,
    source_id: Annotated[str, typer.Argument(metavar="ID[/PART]", help="A source, or one part of it.")],
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
    configuration = options.load_configuration(context, config)
    decide = resolve_delivered if delivered else resolve_resend
    with options.open_ledger(configuration) as ledger:
        parts = decide(configuration, ledger, source_id, by=options.get_person())
    word = "delivered" if delivered else "to be sent again under a new name"
    for part in parts:
        typer.echo(f"{part.source_id} part {part.number}/{part.of} is {word}: {part.data_name}")
    typer.echo(f"It goes on{say_when(configuration)}.")


def _require_untouched(configuration: Configuration, ledger: Ledger, source_id: str) -> None:
    """Raise where a person corrected the refused rows of a quarantined source, which are copies and would be lost."""
    workspace = Workspace(root=configuration.workspace)
    require_untouched(ledger.sources.get(source_id), workspace.get_quarantine(source_id))


def say_when(configuration: Configuration) -> str:
    """Return when what was decided is carried out, to end a sentence with."""
    holder = find_holder(Workspace(root=configuration.workspace).lock)
    if holder is not None and not holder.is_pass:
        return " within seconds"
    return f" with the next run; {NOBODY}"
