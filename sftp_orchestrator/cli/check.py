"""``check``: whether everything is in place, before the first file is."""

from __future__ import annotations

from typing import Annotated

import typer

from sftp_orchestrator import health, threads
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration


def check(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    connect: Annotated[
        bool, typer.Option("--connect", help="Also log in at each receiver, write a probe and remove it.")
    ] = False,
) -> int:
    """Check configuration, folders, ledger, keys and their expiry, free space; with --connect each receiver, too."""
    options.quieten(context)
    path = options.find_configuration(context, config)
    configuration = loading.load(path)
    results = list(health.check_machine(configuration, path.absolute()))
    if connect:
        results += threads.run(_check_receivers(configuration))
    lines = [(result, line) for result in results for line in result.said.splitlines()]
    entries = [layout.Entry(cells=(_name(result),), name=f"{result.subject}: {line}") for result, line in lines]
    layout.print_entries(options.get_console(), entries)
    return max(result.exit_code for result in results)


def _name(result: health.Result) -> str:
    return "FAILED" if result.failure else "warning" if result.is_warning else "ok"


async def _check_receivers(configuration: Configuration) -> list[health.Result]:
    return [await health.check_receiver(*item) for item in configuration.destinations.items()]
