"""``history``: what was delivered or discarded, when runs took place, and every move of one source."""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any

import typer
from rich.console import Console

from sftp_orchestrator import overview_json, units
from sftp_orchestrator.calling import spell_out
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.arguments import ConfigOption, JsonOption
from sftp_orchestrator.cli.completing import complete_source
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import DAEMON
from sftp_orchestrator.ledger.records import Move
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.outlook import describe_run, look_out
from sftp_orchestrator.overview import get_complete_view, list_discarded, list_done
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.workspace import Workspace

LIMIT = 50
RUNS = 5
"""How many of the last runs are told of."""


def history(
    context: typer.Context,
    source_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Every move of this source.", autocompletion=complete_source)
    ] = None,
    config: ConfigOption = None,
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most, the newest last.")] = LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Show what was delivered or discarded, and how the last runs ended; with ID every move of that source."""
    console = options.get_console()
    with options.open_sight(context, config) as sight, options.open_ledger_to_look(sight.configuration) as ledger:
        configuration = sight.configuration
        workspace = Workspace(root=configuration.workspace)
        view = get_complete_view(source_id, configuration, ledger) if source_id is not None else None
        if as_json:
            found = _to_json(ledger, workspace, source_id, limit)
            typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
            return
        if view is not None:
            layout.print_entries(console, [_make_head(view, options.get_command(context, config))])
            _print_moves(console, ledger.list_history(source_id=source_id, limit=limit))
        else:
            views = [*list_done(ledger, workspace, limit=limit), *list_discarded(ledger, workspace, limit=limit)]
            _print_done(console, sorted(views, key=lambda view: view.source.changed_at, reverse=True)[:limit])
            _print_runs(console, configuration, ledger, min(limit, RUNS))
        if sight.notice is not None:
            layout.say(console, spell_out(sight.notice, options.get_command(context, config)))


def _to_json(ledger: Ledger, workspace: Workspace, source_id: str | None, limit: int) -> dict[str, Any]:
    moves = ledger.list_history(source_id=source_id, limit=limit)
    is_one = source_id is not None
    return {
        "delivered": [] if is_one else [view.to_json() for view in list_done(ledger, workspace, limit=limit)],
        "discarded": [] if is_one else [view.to_json() for view in list_discarded(ledger, workspace, limit=limit)],
        "runs": [] if is_one else [overview_json.run_to_json(run) for run in ledger.runs.list_last(limit)],
        "moves": [{**vars(move), "at": move.at.isoformat()} for move in moves],
    }


def _make_head(view: SourceView, command: str) -> layout.Entry:
    source = view.source
    why = [("why", view.reason)] if view.reason else []
    details = (*why, *view.notes, *(("next", step) for step in view.next_steps))
    return layout.Entry(
        cells=(source.id, view.word),
        name=source.name,
        facts=_describe_source(view),
        details=tuple((word, spell_out(text, command)) for word, text in details),
    )


def _print_moves(console: Console, moves: list[Move]) -> None:
    entries = [
        layout.Entry(
            cells=(
                _format(move.at),
                f"part {move.part}" if move.part is not None else "",
                f"{move.before} → {move.after}" if move.before else move.after,
            ),
            # A pass of `run --once` is no daemon, and neither needs a name: only a person's word does.
            name="by itself" if move.by == DAEMON else f"by {move.by}",
            facts=move.reason or "",
        )
        for move in moves
    ]
    layout.print_entries(console, entries)


def _print_done(console: Console, views: list[SourceView]) -> None:
    entries = [
        layout.Entry(
            cells=(_format(view.source.changed_at), view.source.id),
            name=view.source.name,
            facts=_describe_source(view, *(text for word, text in view.notes if word == "rows")),
        )
        for view in reversed(views)
    ]
    layout.print_entries(console, entries)
    if not views:
        layout.say(console, "Nothing was delivered yet.")


def _describe_source(view: SourceView, *more: str) -> str:
    source, parts = view.source, len(view.parts)
    age = units.format_age(source.changed_at, datetime.datetime.now(datetime.UTC))
    if source.state is SourceState.DISCARDED:
        return f"({source.feed}, {units.format_bytes(source.size)}, {age}) discarded: {source.reason}"
    facts = [source.feed]
    is_whole = not any(word == "rows" for word, _ in view.notes)
    facts += [_count(source.records, "row")] if source.records is not None and is_whole else []
    facts += [units.format_bytes(source.size)]
    facts += [_count(parts, "part")] if parts else []
    facts += [age]
    return f"({'; '.join([', '.join(facts), *more])})"


def _print_runs(console: Console, configuration: Configuration, ledger: Ledger, limit: int) -> None:
    outlook = look_out(configuration, ledger, [], datetime.datetime.now(datetime.UTC))
    for run in reversed(ledger.runs.list_last(limit)):
        layout.say(
            console, f"{_format(run.started_at)}  run {run.number} ({run.trigger})  {describe_run(run, outlook)}"
        )


def _count(number: int, what: str) -> str:
    return f"{units.format_count(number)} {what}{'' if number == 1 else 's'}"


def _format(moment: datetime.datetime) -> str:
    return units.format_time(moment)
