"""``history``: what was delivered or discarded, when runs took place, and every move of one source."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Move, Run
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.overview import SourceView, list_discarded, list_done

LIMIT = 50
RUNS = 5
"""How many of the last runs are told of."""


def history(
    context: typer.Context,
    source_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Every move of this source.")] = None,
    config: options.ConfigOption = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most, the newest last.")] = LIMIT,
    as_json: options.JsonOption = False,
) -> None:
    """Show what was delivered or discarded, and how the last runs ended; with ID every move of that source."""
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
        "discarded": [view.to_json() for view in list_discarded(ledger, limit=limit)] if source_id is None else [],
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
    entries = [
        layout.Entry(
            cells=(
                f"{move.at:%Y-%m-%d %H:%M:%S}",
                f"part {move.part}" if move.part is not None else "",
                f"{move.before} → {move.after}" if move.before else move.after,
            ),
            name=f"by {move.by}",
            facts=move.reason or "",
        )
        for move in moves
    ]
    layout.print_entries(options.get_console(), entries)


def _print_done(ledger: Ledger, limit: int) -> None:
    console = options.get_console()
    views = [*list_done(ledger, limit=limit), *list_discarded(ledger, limit=limit)]
    views = sorted(views, key=lambda view: view.source.changed_at)[-limit:]
    layout.print_entries(console, [_make_entry(view) for view in views])
    if not views:
        layout.say(console, "Nothing was delivered yet.")
    for run in reversed(ledger.runs.list_last(min(limit, RUNS))):
        layout.say(console, _describe(run))


def _make_entry(view: SourceView) -> layout.Entry:
    source, parts = view.source, len(view.parts)
    if source.state is SourceState.DISCARDED:
        return layout.Entry(
            cells=(f"{source.changed_at:%Y-%m-%d %H:%M:%S}", source.id),
            name=source.name,
            facts=f"({source.feed}, {units.format_bytes(source.size)}) discarded: {source.reason}",
        )
    facts = f"{source.feed}, {units.format_count(source.records)} rows, {units.format_bytes(source.size)}"
    return layout.Entry(
        cells=(f"{source.changed_at:%Y-%m-%d %H:%M:%S}", source.id),
        name=source.name,
        facts=f"({facts}, {parts} part{'s' if parts != 1 else ''})",
    )


def _describe(run: Run) -> str:
    end = f"{run.verdict}: {run.delivered} delivered, {run.not_delivered} not" if run.finished_at else "not finished"
    return f"{run.started_at:%Y-%m-%d %H:%M:%S}  run {run.number} ({run.trigger}) {end}"
