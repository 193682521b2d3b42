"""``plan``: what would happen to files; nothing is written or sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sftp_orchestrator import rehearsal
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.errors import ExitCode
from sftp_orchestrator.progress import Board, Phase


def plan(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="CSV files, in staging or elsewhere.")],
    config: options.ConfigOption = None,
    *,
    as_json: options.JsonOption = False,
) -> int:
    """Show what would happen: feed, rows, refused rows, parts, names and sizes. Nothing is written or sent."""
    configuration = options.load_configuration(context, config)
    board = Board()
    with show_progress(board):
        plans = []
        for path in files:
            board.begin(path.name, Phase.INSPECT, path.stat().st_size if path.is_file() else 0)
            plans.append(rehearsal.rehearse(configuration, path, progress=_advance(board, path.name)))
            board.end(path.name)
    if as_json:
        typer.echo(json.dumps([found.to_json() for found in plans], indent=2, ensure_ascii=False))
    else:
        for found in plans:
            _print(options.get_console(), found)
    return ExitCode.NOT_ALL_DELIVERED if any(found.is_refused for found in plans) else ExitCode.DONE


def _advance(board: Board, label: str) -> Callable[[int], None]:
    return lambda count: board.advance(label, count)


def _print(console: Console, found: rehearsal.Plan) -> None:
    console.print(f"{found.file}  {options.format_bytes(found.size)}", markup=False)
    secrecy = "encrypted" if found.encrypted else "plain"
    console.print(f"  feed {found.feed} ({found.type}) to {found.destination}, {secrecy}", markup=False)
    for finding in found.findings:
        console.print(f"  refused  {finding.rule}: {finding}", markup=False, soft_wrap=True)
    if found.is_refused:
        console.print("  It would be quarantined.")
        return
    console.print(f"  {options.format_count(found.rows)} rows, none refused")
    table = Table("part", "data file", "rows", "plain size", box=None, pad_edge=False)
    for number, part in enumerate(found.parts, start=1):
        size = options.format_bytes(found.get_bytes(part))
        table.add_row(f"{number}/{len(found.parts)}", part.data_name, options.format_count(part.records), size)
    console.print(table, soft_wrap=True)
    console.print("  each followed by its manifest; a delivery's own names carry another time and id", markup=False)
