"""``schema show / accept``: which type each property has at a destination for ever, and a person's word on another."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sftp_orchestrator import units
from sftp_orchestrator.cli import endings, layout, options
from sftp_orchestrator.cli.arguments import ConfigOption, JsonOption
from sftp_orchestrator.cli.completing import complete_destination
from sftp_orchestrator.cli.decide import SourceId
from sftp_orchestrator.cli.help import Command, Group
from sftp_orchestrator.deciding import Choice, decide
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.records import Property, display_path
from sftp_orchestrator.prepare.earlier import types_kept

app = typer.Typer(
    name="schema",
    cls=Group,
    help="The type that each property has for ever, and what to do about another.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(name="show", cls=Command, epilog=endings.render(endings.BY_COMMAND["schema show"]))
def show(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    destination: Annotated[
        str | None,
        typer.Option(
            "--destination", metavar="NAME", help="Of this destination alone.", autocompletion=complete_destination
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the type of each property, as it was delivered first or accepted, and where that comes from."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        found = ledger.properties.list_all(destination=destination)
    if destination is not None and not found and destination not in configuration.destinations:
        raise ConfigurationError(
            "show schema of",
            f"destination {destination}",
            "there is none of this name, and never was one",
            hint=f"the configuration has: {', '.join(configuration.destinations)}",
        )
    if as_json:
        typer.echo(json.dumps({"properties": list(map(_to_json, found))}, indent=2, ensure_ascii=False))
        return
    console = options.get_console()
    layout.print_entries(console, list(map(_make_entry, found)))
    if not found:
        layout.say(console, "No property is known: nothing was delivered yet.")


@app.command(name="accept", cls=Command, epilog=endings.render(endings.BY_COMMAND["schema accept"]))
def accept(context: typer.Context, source_id: SourceId, config: ConfigOption = None) -> None:
    """Take the types that a held source brings as those of its destination from now on, and let it go on."""
    configuration = options.load_to_decide(context, config)
    with options.open_ledger(configuration) as ledger:
        told = decide(Choice.ACCEPT, configuration, ledger, source_id, by=options.get_person())
    for line in told:
        typer.echo(line)


def _make_entry(found: Property) -> layout.Entry:
    since = units.format_time(found.since, units.TO_THE_MINUTE)
    accepted = f", accepted by {found.accepted_by}" if found.accepted_by is not None else ""
    return layout.Entry(
        cells=(found.destination, found.kind.value, found.type.value),
        name=display_path(found.name.encode()),
        facts=f"(since {since}{accepted}, {types_kept.quote(found.column)} of {found.feed}, source {found.source_id})",
    )


def _to_json(found: Property) -> dict[str, Any]:
    return {
        "destination": found.destination,
        "kind": found.kind.value,
        "property": found.name,
        "type": found.type.value,
        "date_format": found.date_format,
        "since": found.since.isoformat(),
        "source_id": found.source_id,
        "file": found.file,
        "feed": found.feed,
        "column": found.column,
        "accepted_by": found.accepted_by,
    }
