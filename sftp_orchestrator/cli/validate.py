"""``validate``: the inspection alone; nothing is written or sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sftp_orchestrator import rehearsal, units
from sftp_orchestrator.cli import findings, layout, options, rehearsing
from sftp_orchestrator.cli.arguments import ConfigOption, JsonOption, NamedFeedOption
from sftp_orchestrator.errors import ExitCode


def validate(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV files, in staging or elsewhere.")],
    config: ConfigOption = None,
    *,
    feed: NamedFeedOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check files against the receiver's rules: every rule that is broken, how often, and where first."""
    configuration = options.load_configuration(context, config)
    found = rehearsing.rehearse_all(configuration, files, operation="validate", named=feed)
    if as_json and found.plans:
        typer.echo(json.dumps([plan.to_json(parts=False) for plan in found.plans], indent=2, ensure_ascii=False))
    elif not as_json:
        for plan in found.plans:
            _print(options.get_console(), plan)
    found.require_all()
    return ExitCode.DONE if all(_is_good(plan) for plan in found.plans) else ExitCode.NOT_ALL_DELIVERED


def _is_good(found: rehearsal.Plan) -> bool:
    return not found.is_refused and not found.refused_rows


def _print(console: Console, found: rehearsal.Plan) -> None:
    layout.say(console, f"{found.file}  {units.format_bytes(found.size)}")
    layout.say(console, f"  feed {found.feed} ({found.type}), {findings.describe_rows(found)}")
    findings.print_misfit(console, found)
    findings.print_tallies(console, found.tallies)
    if found.is_refused:
        findings.print_summary(console, found)
        return
    if not found.tallies:
        layout.say(console, "  It keeps to every rule.")
    if found.refused_rows:
        layout.say(console, "  The good rows would be sent, the refused ones kept in failed_rows.csv.")
    else:
        how = f"with its values as they are, but {', '.join(found.changes)}" if found.changes else "as it is"
        layout.say(console, f"  It would be sent {how}.")
