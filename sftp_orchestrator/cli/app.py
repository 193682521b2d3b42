"""The commands, put together; each is imported when it is called."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Annotated, Any, ClassVar

import typer

from sftp_orchestrator import __version__
from sftp_orchestrator.cli import endings
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.cli.help import Command, LazyGroup, Listed


def _load(name: str, *, module: str, attribute: str) -> Any:  # noqa: ANN401 - typer's own click
    """Return the command or group that a module of this folder holds under a name."""
    found = getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name=name, cls=Command, epilog=endings.render(endings.BY_COMMAND[name]))(found)
    return typer.main.get_command(alone)


def _list(summary: str, *, module: str, attribute: str) -> Listed:
    return Listed(load=functools.partial(_load, module=module, attribute=attribute), summary=summary)


class _Root(LazyGroup):
    """All of them, in the order in which they are shown; a test holds each summary to what its help says."""

    listed: ClassVar = {
        "init": _list(
            "Set everything up: asks what it needs, makes or takes in keys, pins the host key, and checks the result.",
            module="init",
            attribute="init",
        ),
        "run": _list(
            "Deliver what arrives in staging, until stopped; with --once one pass, for cron, Airflow or Kubernetes.",
            module="run",
            attribute="run",
        ),
        "run-now": _list(
            "Ask the running daemon to deliver now, whatever schedule, window or dates say.",
            module="run_now",
            attribute="run_now",
        ),
        "plan": _list(
            "Show what would happen: feed, rows, refused rows, parts, names and sizes. Nothing is written or sent.",
            module="plan",
            attribute="plan",
        ),
        "validate": _list(
            "Check files against the receiver's rules: every rule that is broken, how often, and where first.",
            module="validate",
            attribute="validate",
        ),
        "infer": _list(
            "Propose a feed entry: what the rows are, identity, event name, time, types, date formats."
            " Looks at every row.",
            module="infer",
            attribute="infer",
        ),
        "check": _list(
            "Check configuration, folders, ledger, keys and their expiry, free space;"
            " with --connect each receiver, too.",
            module="check",
            attribute="check",
        ),
        "health": _list(
            "Ask the running daemon whether every station makes progress; an idle one does.",
            module="health",
            attribute="health",
        ),
        "notify": _list("Alerts: whether they arrive.", module="notify", attribute="app"),
        "status": _list(
            "Show what waits, runs, is quarantined, held or uncertain, and what was sent without all of its rows.",
            module="status",
            attribute="status",
        ),
        "history": _list(
            "Show what was delivered or discarded, and how the last runs ended; with ID every move of that source.",
            module="history",
            attribute="history",
        ),
        "retry": _list(
            "Try a quarantined or held source again, or send a waiting one now, from where it safely can.",
            module="decide",
            attribute="retry",
        ),
        "release": _list(
            "Let a source go on by your word: held ones go on, events no longer wait for others, nor others for it.",
            module="decide",
            attribute="release",
        ),
        "discard": _list(
            "Give up what was not delivered, or the refused rows of what was. What is given up is archived.",
            module="decide",
            attribute="discard",
        ),
        "resolve": _list(
            "Say what became of uncertain parts. Nobody but you can: the receiver neither tells nor deduplicates.",
            module="decide",
            attribute="resolve",
        ),
        "schema": _list(
            "The type that each property has for ever, and what to do about another.", module="schema", attribute="app"
        ),
        "config": _list(
            "A configuration to begin with, its JSON Schema, the values in effect.", module="config", attribute="app"
        ),
        "sandbox": _list(
            "Run a receiver that behaves as CleverTap's SFTP import documents it, on this machine.",
            module="sandbox",
            attribute="sandbox",
        ),
        "demo": _list(
            "Show the main job at work: keys, a look-alike receiver, files dropped in the wrong order,"
            " delivered in the right.",
            module="demo",
            attribute="demo",
        ),
    }


app = typer.Typer(
    name="sftp-orchestrator",
    cls=_Root,
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
    # Whoever asks for help or version needs no log.
    from sftp_orchestrator import failpoints, logs  # noqa: PLC0415

    logs.configure(debug=debug)
    failpoints.arm(os.environ)
