"""``config sample / schema / show``: a configuration to begin with, its JSON Schema, and the values in effect."""

from __future__ import annotations

from typing import Annotated

import typer

from sftp_orchestrator.cli import endings
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.help import Command, Group
from sftp_orchestrator.config import effective, loading, sample, schema

app = typer.Typer(
    name="config",
    cls=Group,
    help="A configuration to begin with, its JSON Schema, the values in effect.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(name="sample", cls=Command, epilog=endings.render(endings.BY_COMMAND["config sample"]))
def print_sample() -> None:
    """Print a commented sample with every key."""
    typer.echo(sample.render(), nl=False)


@app.command(name="schema", cls=Command, epilog=endings.render(endings.BY_COMMAND["config schema"]))
def print_schema() -> None:
    """Print the JSON Schema (draft 2020-12), for editors and other programs."""
    typer.echo(schema.render(), nl=False)


@app.command(name="show", cls=Command, epilog=endings.render(endings.BY_COMMAND["config show"]))
def print_effective(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of YAML.")] = False,
) -> None:
    """Print the values in effect: defaults filled in, paths absolute, secrets as references only."""
    before = context.find_root().params.get("config")
    configuration = loading.load(loading.find(config or before))
    render = effective.render_json if as_json else effective.render_yaml
    typer.echo(render(configuration), nl=False)
