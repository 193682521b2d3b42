"""``plan``: what would happen to files; nothing is written or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sftp_orchestrator import comparing, rehearsal, units
from sftp_orchestrator.cli import findings, layout, options, rehearsing
from sftp_orchestrator.cli.arguments import ConfigOption, JsonOption, NamedFeedOption
from sftp_orchestrator.errors import ExitCode


def plan(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV files, in staging or elsewhere.")],
    config: ConfigOption = None,
    *,
    feed: NamedFeedOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what would happen: feed, rows, refused rows, parts, names and sizes. Nothing is written or sent."""
    configuration = options.load_configuration(context, config)
    earlier = comparing.list_sent_rows(configuration)
    found = rehearsing.rehearse_all(configuration, files, operation="plan", named=feed, earlier=earlier)
    plans = comparing.compare_with_ledger(configuration, found.plans)
    if as_json and plans:
        typer.echo(json.dumps([plan.to_json() for plan in plans], indent=2, ensure_ascii=False))
    elif not as_json:
        for plan in plans:
            _print(options.get_console(), plan)
    found.require_all()
    return ExitCode.NOT_ALL_DELIVERED if any(plan.is_refused or plan.held_for for plan in plans) else ExitCode.DONE


def _print(console: Console, found: rehearsal.Plan) -> None:
    layout.say(console, f"{found.file}  {units.format_bytes(found.size)}")
    secrecy = "encrypted" if found.encrypted else "plain"
    layout.say(console, f"  feed {found.feed} ({found.type}) to {found.destination}, {secrecy}")
    layout.say(console, f"  {findings.describe_rows(found)}")
    findings.print_misfit(console, found)
    findings.print_tallies(console, found.tallies)
    if found.is_refused:
        findings.print_summary(console, found)
        return
    entries = [
        layout.Entry(
            cells=(f"  {number}/{len(found.parts)}",),
            name=part.data_name,
            facts=f"({units.format_count(part.records)} rows, {units.format_bytes(found.get_bytes(part))} plain)",
        )
        for number, part in enumerate(found.parts, start=1)
    ]
    if entries:
        layout.print_entries(console, entries)
        layout.say(console, "  each followed by its manifest; a delivery's own names carry another time and id")
    if found.goes is not None:
        layout.say(console, f"  goes {found.goes}")
    if found.held_for is not None:
        findings.print_summary(console, found)
