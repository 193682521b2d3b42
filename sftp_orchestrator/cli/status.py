"""``status``: what arrives, waits, runs, is quarantined, held or uncertain."""

from __future__ import annotations

import json
from collections.abc import Callable

import typer
from rich.table import Table

from sftp_orchestrator.cli import options
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.overview import Overview, SourceView, get_overview, summarize_parts

_NEXT_STEP = {
    SourceState.QUARANTINED: "read quarantine/{id}/report.json, then drop a corrected file; or `retry {id}`",
    SourceState.HELD: "`retry {id}` or `release {id}`",
}


def status(context: typer.Context, config: options.ConfigOption = None, *, as_json: options.JsonOption = False) -> None:
    """Show what waits, runs, is quarantined, held or uncertain."""
    configuration = options.load_configuration(context, config)
    with options.open_ledger(configuration) as ledger:
        overview = get_overview(configuration, ledger)
    if as_json:
        typer.echo(json.dumps(overview.to_json(), indent=2, ensure_ascii=False))
        return
    _print(overview)


def _print(overview: Overview) -> None:
    console = options.get_console()
    for candidate, feed in overview.staging.matched:
        size = options.format_bytes(candidate.size)
        console.print(f"arriving  {display_path(candidate.relative_path)}  ({feed}, {size})", markup=False)
    for obstacle in overview.staging.left_alone:
        console.print(f"left alone  {display_path(obstacle.relative_path)}: {obstacle.reason}", markup=False)
    if overview.sources:
        console.print(_make_table(overview))
    for view in overview.sources:
        _print_reason(console.print, view)
    done = overview.counts.get(SourceState.ARCHIVED.value, 0)
    if not overview.sources and not overview.staging.matched:
        console.print(f"Nothing waits. {done} files were delivered so far.")
    else:
        console.print(f"{done} files were delivered so far.")


def _make_table(overview: Overview) -> Table:
    table = Table("id", "file", "feed", "state", "size", "parts", "since", box=None, pad_edge=False)
    for view in overview.sources:
        source = view.source
        table.add_row(
            source.id,
            source.name,
            source.feed,
            _name_state(view),
            options.format_bytes(source.size),
            summarize_parts(view.parts),
            options.format_age(source.changed_at, overview.at),
        )
    return table


def _name_state(view: SourceView) -> str:
    if any(part.state is PartState.UNCERTAIN for part in view.parts):
        return "uncertain"
    return "waiting" if view.waits_for else view.source.state.value


def _print_reason(print_line: Callable[..., None], view: SourceView) -> None:
    source = view.source
    reason = view.waits_for or source.reason
    if reason:
        print_line(f"{source.id}: {reason}", markup=False, soft_wrap=True)
    if source.retry_at is not None and source.state not in _NEXT_STEP:
        print_line(f"{source.id}: tried again at {source.retry_at:%Y-%m-%d %H:%M:%S} UTC", markup=False)
    if any(part.state is PartState.UNCERTAIN for part in view.parts):
        print_line(
            f"{source.id}: did the receiver take it? Then `resolve {source.id} --delivered`, else `--resend`",
            markup=False,
        )
    elif source.state in _NEXT_STEP:
        print_line(f"{source.id}: next: {_NEXT_STEP[source.state].format(id=source.id)}", markup=False, soft_wrap=True)
