"""``status``: what arrives, waits, runs, is quarantined, held or uncertain."""

from __future__ import annotations

import json

import typer

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.ledger.states import SOURCE_DONE
from sftp_orchestrator.overview import Overview, SourceView, get_overview, summarize_parts


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
    """Print the least urgent first: what needs a person stands last, right above the prompt."""
    console = options.get_console()
    for candidate, feed in overview.staging.matched:
        facts = f"({feed}, {units.format_bytes(candidate.size)})"
        layout.print_entries(
            console, [layout.Entry(cells=("arriving",), name=display_path(candidate.relative_path), facts=facts)]
        )
    for obstacle in overview.staging.left_alone:
        name = f"{display_path(obstacle.relative_path)}: {obstacle.reason}"
        layout.print_entries(console, [layout.Entry(cells=("left alone",), name=name)])
    by_urgency = sorted(overview.sources, key=lambda view: (view.needs_person, view.waits_for is not None))
    layout.print_entries(console, [_make_entry(view, overview) for view in by_urgency])
    layout.say(console, _summarize(overview))


def _make_entry(view: SourceView, overview: Overview) -> layout.Entry:
    source = view.source
    facts = [source.feed, units.format_bytes(source.size)]
    facts += [summarize_parts(view.parts)] if view.parts else []
    facts += [units.format_age(source.changed_at, overview.at)]
    why = [("why", view.reason)] if view.reason else []
    return layout.Entry(
        cells=(source.id, view.word),
        name=source.name,
        facts=f"({', '.join(facts)})",
        details=(*why, *(("next", step) for step in view.next_steps)),
        style="bold red" if view.needs_person else "yellow" if view.reason else "",
    )


def _summarize(overview: Overview) -> str:
    done = sum(overview.counts.get(state.value, 0) for state in SOURCE_DONE)
    asides = sum(view.needs_person for view in overview.sources)
    waiting = sum(not view.needs_person and view.reason is not None for view in overview.sources)
    under_way = sum(view.source.state not in SOURCE_DONE for view in overview.sources) - asides - waiting
    told = {
        "arriving": len(overview.staging.matched),
        "left alone in staging": len(overview.staging.left_alone),
        "on their way": under_way,
        "waiting": waiting,
        "in need of a person": asides,
    }
    said = ", ".join(f"{count} {what}" for what, count in told.items() if count)
    return f"{said or 'Nothing waits'}. {done} file{' was' if done == 1 else 's were'} delivered so far."
