"""``history``: what was delivered, when runs took place, and every move of one source."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from sftp_orchestrator.cli import options
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Move, Run
from sftp_orchestrator.overview import list_done

LIMIT = 50


def history(
    context: typer.Context,
    source_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Every move of this source.")] = None,
    config: options.ConfigOption = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most, the newest last.")] = LIMIT,
    as_json: options.JsonOption = False,
) -> None:
    """Show what was delivered and how the last runs ended; with ID every move of that source."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        if source_id is not None:
            ledger.sources.get(source_id)
        if as_json:
            typer.echo(json.dumps(_to_json(ledger, source_id, limit), indent=2, ensure_ascii=False))
        elif source_id is not None:
            _print_moves(ledger.list_history(source_id=source_id, limit=limit))
        else:
            _print_done(ledger, limit)


def _to_json(ledger: Ledger, source_id: str | None, limit: int) -> dict[str, Any]:
    moves = ledger.list_history(source_id=source_id, limit=limit)
    return {
        "delivered": [view.to_json() for view in list_done(ledger, limit=limit)] if source_id is None else [],
        "runs": [_run_to_json(run) for run in ledger.runs.list_last(limit)] if source_id is None else [],
        "moves": [{**vars(move), "at": move.at.isoformat()} for move in moves],
    }


def _run_to_json(run: Run) -> dict[str, Any]:
    return {
        **vars(run),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def _print_moves(moves: list[Move]) -> None:
    table = Table("at (UTC)", "part", "from", "to", "by", "reason", box=None, pad_edge=False)
    for move in moves:
        part = str(move.part) if move.part is not None else ""
        at = f"{move.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, part, move.before or "", move.after, move.by, move.reason or "")
    options.get_console().print(table)


def _print_done(ledger: Ledger, limit: int) -> None:
    console = options.get_console()
    table = Table("delivered (UTC)", "id", "file", "feed", "rows", "size", "parts", box=None, pad_edge=False)
    for view in reversed(list_done(ledger, limit=limit)):
        source = view.source
        table.add_row(
            f"{source.changed_at:%Y-%m-%d %H:%M:%S}",
            source.id,
            source.name,
            source.feed,
            options.format_count(source.records),
            options.format_bytes(source.size),
            str(len(view.parts)),
        )
    if table.row_count:
        console.print(table)
    else:
        console.print("Nothing was delivered yet.")
    for run in reversed(ledger.runs.list_last(min(limit, 5))):
        end = (
            f"{run.verdict}: {run.delivered} delivered, {run.not_delivered} not" if run.finished_at else "not finished"
        )
        console.print(f"run {run.number} ({run.trigger}) {run.started_at:%Y-%m-%d %H:%M:%S} {end}", markup=False)
