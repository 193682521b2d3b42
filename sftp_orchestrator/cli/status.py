"""``status``: what arrives, waits, runs, is quarantined, held or uncertain."""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any

import typer
from rich.console import Console

from sftp_orchestrator import overview_json, units
from sftp_orchestrator.asking import get_url
from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.arguments import ConfigOption, JsonOption
from sftp_orchestrator.cli.watching import watch
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.intake.staging import Candidate
from sftp_orchestrator.ledger.records import Pause, display_path
from sftp_orchestrator.ledger.states import SOURCE_DONE
from sftp_orchestrator.outlook import describe_pause, list_missing, list_schedules
from sftp_orchestrator.overview import MOST_SHOWN, LeftOut, Overview, describe_delivered, get_overview, list_limits
from sftp_orchestrator.run_now import list_asked
from sftp_orchestrator.views import WITHOUT_ROWS, SourceView, summarize_parts
from sftp_orchestrator.web.client import fetch_work


def status(
    context: typer.Context,
    config: ConfigOption = None,
    *,
    as_json: JsonOption = False,
    is_watched: Annotated[
        bool, typer.Option("--watch", help="Stay, and look again every second; q or Ctrl-C ends it.")
    ] = False,
    has_all: Annotated[
        bool, typer.Option("--all", help=f"List every source, and not the first {MOST_SHOWN} of each kind.")
    ] = False,
) -> None:
    """Show what waits, runs, is quarantined, held or uncertain, and what was sent without all of its rows."""
    if is_watched and (as_json or has_all):
        other = "--json" if as_json else "--all"
        raise ConfigurationError("show", "status", f"{other} and --watch do not go together", hint="leave one out")
    command, most = options.get_command(context, config), None if as_json or has_all else MOST_SHOWN
    with options.open_sight(context, config) as sight:
        configuration = sight.configuration
        with options.open_ledger_to_look(configuration) as ledger:
            if is_watched:
                watch(
                    lambda: get_overview(configuration, ledger, most=MOST_SHOWN),
                    lambda: fetch_work(configuration.web),
                    lambda console, overview: _print(console, overview, command, None, sight.notice),
                )
                return
            overview = get_overview(configuration, ledger, most=most)
        if as_json:
            typer.echo(json.dumps(_to_json(overview, sight), indent=2, ensure_ascii=False))
            return
        _print(options.get_console(), overview, command, configuration.web.listen, sight.notice)


def _to_json(overview: Overview, sight: options.Sight) -> dict[str, Any]:
    """Return the documented fields: a daemon that goes on while the file is wrong goes by another configuration."""
    found = overview_json.to_json(overview)
    found["daemon"]["configuration_is_outdated"] |= overview.outlook.has_daemon and sight.notice is not None
    return found


def _print(console: Console, overview: Overview, command: str, page: str | None, notice: str | None) -> None:
    """Print the least urgent first: what needs a person stands last, right above the prompt."""
    for candidate, feed in overview.staging.matched:
        layout.print_entries(console, [_make_arriving(candidate, feed, overview)])
    for obstacle in overview.staging.left_alone:
        name = f"{display_path(obstacle.relative_path)}: {obstacle.reason}"
        layout.print_entries(console, [layout.Entry(cells=("left alone",), name=name)])
    for line in list_left_out(overview.left_out):
        layout.say(console, spell_out(line, command))
    pauses, views = overview.outlook.pauses if console.is_terminal else {}, list_by_urgency(overview)
    layout.print_entries(
        console, [_make_entry(view, overview.at, command, pauses.get(view.source.destination)) for view in views]
    )
    for line in [*summarize(overview, page), *([notice] if notice is not None else [])]:
        layout.say(console, spell_out(line, command))


def _make_arriving(candidate: Candidate, feed: str, overview: Overview) -> layout.Entry:
    name, facts = display_path(candidate.relative_path), f"({feed}, {units.format_bytes(candidate.size)})"
    untaken = overview.untaken.get(candidate.relative_path)
    if untaken is None:
        return layout.Entry(cells=("arriving",), name=name, facts=facts)
    why = f"{units.format_age(untaken.since, overview.at)}: {untaken.reason}"
    return layout.Entry(cells=("not taken",), name=name, facts=facts, details=(("since", why),), style="yellow")


def list_left_out(left_out: LeftOut) -> list[str]:
    """Return a line for each kind of source of which only the first are listed. Pure."""
    counted = {
        "that need nobody": left_out.on_their_way,
        "of which rows were refused": left_out.with_refused_rows,
        "that need a person": left_out.needing_a_person,
    }
    told = [f"… and {count:,} more {what}" for what, count in counted.items() if count]
    return [f"{line}: `{COMMAND} status --all` lists them all" for line in told]


def list_by_urgency(overview: Overview) -> list[SourceView]:
    """Return what is told of, the least urgent first. Pure."""
    moving = [view for view in overview.sources if not view.needs_person]
    return [
        *sorted(moving, key=lambda view: view.waits_for is not None),
        *overview.with_refused_rows,
        *(view for view in overview.sources if view.needs_person),
    ]


def _make_entry(view: SourceView, now: datetime.datetime, command: str, pause: Pause | None) -> layout.Entry:
    """Return how a source is shown; what is told of its destination, which is on ``pause``, is not told again."""
    source = view.source
    facts = [source.feed, units.format_bytes(source.size)]
    facts += [summarize_parts(view.parts)] if view.parts else []
    facts += [units.format_age(source.changed_at, now)]
    reason = view.reason
    if reason and pause is not None:
        reason = reason.replace(pause.reason, f"{pause.destination} fails, see the end")
    why = [("why", reason)] if reason else []
    details = (*why, *view.notes, *(("next", step) for step in view.next_steps))
    return layout.Entry(
        cells=(source.id, view.word),
        name=source.name,
        facts=f"({', '.join(facts)})",
        details=tuple((word, spell_out(text, command)) for word, text in details),
        style="bold red" if view.needs_person else "yellow" if view.reason or view.word == WITHOUT_ROWS else "",
    )


def summarize(overview: Overview, page: str | None) -> list[str]:
    """Return what closes the list: how many of each, when the next run is, and whether anybody is at work. Pure."""
    asides = sum(view.needs_person for view in overview.sources)
    waiting = sum(not view.needs_person and view.reason is not None for view in overview.sources)
    under_way = sum(view.source.state not in SOURCE_DONE for view in overview.sources) - asides - waiting
    # What is only counted waits at least for what is listed.
    asides += overview.left_out.needing_a_person + len(overview.outlook.in_need)
    waiting += overview.left_out.on_their_way
    told = {
        "arriving": overview.arriving,
        "complete and not taken": overview.not_taken,
        "left alone in staging": len(overview.staging.left_alone),
        "on their way": under_way,
        "waiting": waiting,
        "with refused rows": len(overview.with_refused_rows) + overview.left_out.with_refused_rows,
        "in need of a person": asides,
    }
    said = ", ".join(f"{count} {what}" for what, count in told.items() if count)
    lines = [f"{said or 'Nothing waits'}. {describe_delivered(overview)}"]
    outlook = overview.outlook
    lines += [units.end_sentence(describe_pause(pause, outlook)) for pause in outlook.pauses.values()]
    if outlook.has_daemon and outlook.under_way and page is not None and not page.endswith(":0"):
        lines.append(f"A run is under way; how far it is: {COMMAND} status --watch, or {get_url(page)}")
    lines += list_asked(outlook, overview.arriving_feeds)
    lines += list_limits(overview)
    if outlook.holder is not None and outlook.is_outdated:
        reload = options.name_reload(outlook.holder)
        lines.append(f"The configuration was changed since the daemon read it, which goes on as before: {reload}")
    elif outlook.has_daemon:
        lines += list_schedules(outlook)
    lines += list_missing(outlook)
    if overview.not_taken and not overview.room.is_paused:
        lines.append(f"{units.format_bytes(overview.room.free_bytes)} are free in {overview.room.folder}.")
    if overview.room.is_paused:
        lines.append(f"Make room: {overview.room.describe()}.")
    if outlook.holder is not None and outlook.holder.is_pass:
        lines.append(f"A pass of run --once is at work: {outlook.holder}.")
    if not outlook.is_attended:
        lines.append(
            f"No daemon runs. Start it (systemctl start {COMMAND}; by hand: {COMMAND} run),"
            f" or deliver once: {COMMAND} run --once"
        )
    return lines
