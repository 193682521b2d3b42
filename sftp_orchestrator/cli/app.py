"""The commands, put together."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from sftp_orchestrator import __version__, failpoints, logs
from sftp_orchestrator.cli import (
    check,
    config,
    decide,
    demo,
    endings,
    history,
    infer,
    plan,
    run,
    sandbox,
    schema,
    status,
    validate,
)
from sftp_orchestrator.cli.help import Command, Group
from sftp_orchestrator.cli.options import ConfigOption

app = typer.Typer(
    name="sftp-orchestrator",
    cls=Group,
    help="Delivers CSV files to CleverTap's SFTP import: checked, split, encrypted and in order.",
    epilog=endings.render(endings.ALL),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer's signature
    if value:
        typer.echo(f"sftp-orchestrator {__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    config: ConfigOption = None,  # noqa: ARG001 - read by load_configuration from the context
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Log details, and show tracebacks.")] = False,
    version: Annotated[  # noqa: ARG001 - typer calls the callback
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Deliver CSV files to CleverTap's SFTP import: checked, split, encrypted and in order."""
    logs.configure(debug=debug)
    failpoints.arm(os.environ)


def _add(name: str, function: Callable[..., int | None]) -> None:
    app.command(name=name, cls=Command, epilog=endings.render(endings.BY_COMMAND[name]))(function)


_add("run", run.run)
_add("plan", plan.plan)
_add("validate", validate.validate)
_add("infer", infer.infer)
_add("check", check.check)
_add("status", status.status)
_add("history", history.history)
_add("retry", decide.retry)
_add("release", decide.release)
_add("discard", decide.discard)
_add("resolve", decide.resolve)
app.add_typer(schema.app)
app.add_typer(config.app)
_add("sandbox", sandbox.sandbox)
_add("demo", demo.demo)
