"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from sftp_orchestrator import __version__, logs
from sftp_orchestrator.cli import (
    check,
    config,
    decide,
    demo,
    history,
    infer,
    plan,
    run,
    sandbox,
    schema,
    status,
    validate,
)
from sftp_orchestrator.cli.options import ConfigOption

_EPILOG = (
    "Exit codes: 0 done; 1 something was quarantined, held or not delivered; 2 wrong usage or configuration; "
    "3 the receiver could not be reached or refused us; 130 interrupted."
)

app = typer.Typer(
    name="sftp-orchestrator",
    help="Delivers CSV files to CleverTap's SFTP import: checked, split, encrypted and in order.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


app.command(name="run", epilog=_EPILOG)(run.run)
app.command(name="plan", epilog=_EPILOG)(plan.plan)
app.command(name="validate", epilog=_EPILOG)(validate.validate)
app.command(name="infer", epilog=_EPILOG)(infer.infer)
app.command(name="check", epilog=_EPILOG)(check.check)
app.command(name="status", epilog=_EPILOG)(status.status)
app.command(name="history", epilog=_EPILOG)(history.history)
app.command(name="retry", epilog=_EPILOG)(decide.retry)
app.command(name="release", epilog=_EPILOG)(decide.release)
app.command(name="resolve", epilog=_EPILOG)(decide.resolve)
app.add_typer(schema.app)
app.add_typer(config.app)
app.command(name="sandbox", epilog=_EPILOG)(sandbox.sandbox)
app.command(name="demo", epilog=_EPILOG)(demo.demo)
