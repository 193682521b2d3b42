"""``check``: whether everything is in place, before the first file is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sftp_orchestrator import health, threads
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.arguments import ConfigOption
from sftp_orchestrator.config import loading
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.folders import Result


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
    looked = look(loading.load(path), path, connect=connect)
    print_results(options.get_console(), looked)
    return looked.exit_code


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What was looked at, and what was found."""

    machine: Sequence[Result]
    destinations: Mapping[str, Result]

    @property
    def all(self) -> tuple[Result, ...]:
        """Of this machine, then of the receivers."""
        return (*self.machine, *self.destinations.values())

    @property
    def exit_code(self) -> ExitCode:
        """The worst of all."""
        return max(result.exit_code for result in self.all)


def look(configuration: Configuration, path: Path, *, connect: bool) -> Looked:
    """Look at this machine and, with ``connect``, at each receiver. May be repeated."""
    machine = list(health.check_machine(configuration, path.absolute()))
    return Looked(machine=machine, destinations=threads.run(_check_receivers(configuration)) if connect else {})


def print_results(console: Console, looked: Looked) -> None:
    """Print a line a subject, what was found first."""
    lines = [(result, line) for result in looked.all for line in result.said.splitlines()]
    entries = [layout.Entry(cells=(_name(result),), name=f"{result.subject}: {line}") for result, line in lines]
    layout.print_entries(console, entries)


def _name(result: Result) -> str:
    return "FAILED" if result.failure else "warning" if result.is_warning else "ok"


async def _check_receivers(configuration: Configuration) -> dict[str, Result]:
    took_until = await asyncio.to_thread(health.list_last_deliveries, configuration)
    return {
        name: await health.check_receiver(name, one, took_until=took_until.get(name))
        for name, one in configuration.destinations.items()
    }
