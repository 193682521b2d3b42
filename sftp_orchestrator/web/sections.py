"""What stands in each part of the page: sources by what a reader asks first, work with its rates, facts in words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sftp_orchestrator import units
from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.deciding import FINAL, OF_PARTS, Choice, explain, is_untried, list_choices
from sftp_orchestrator.desk import Day, Dossier
from sftp_orchestrator.destination.rules import RULES, Severity
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_DONE, PartState
from sftp_orchestrator.outlook import describe_pause, describe_run, list_missing, list_schedules
from sftp_orchestrator.overview import MOST_SHOWN, Overview, describe_delivered, list_limits
from sftp_orchestrator.prepare.report import Finding
from sftp_orchestrator.progress import Board, Phase, Work
from sftp_orchestrator.run_now import list_asked
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.web.picture import BAR, HEIGHT, draw

OVERVIEW = ("summary", "needs", "work", "waiting", "moving", "staging", "rows", "day", "next", "done")
"""The live parts of the first page, by their templates."""
DOSSIER = ("head", "choices", "parts", "report", "moves")
"""The live parts of a source's page."""
PLACES_SHOWN = 5
"""Of each rule; the others are behind a fold."""
STALLED_SECONDS = 5.0
"""After so long without a byte the rate of an upload tells nothing any more."""
WORDS = {
    Choice.RETRY: "Try again",
    Choice.RELEASE: "Release",
    Choice.DISCARD: "Discard",
    Choice.ACCEPT: "Accept the types",
    Choice.DELIVERED: "It was taken",
    Choice.RESEND: "Send it again",
}
"""What stands on the buttons."""
SEND_NOW = "Send now"
"""In place of ``Choice.RETRY``'s, where nothing was tried yet."""
DISCARD_ROWS = "Discard the rows"
"""In place of ``Choice.DISCARD``'s, where all but refused rows was delivered."""
DONE = {
    Choice.RETRY: "It is tried now, whatever schedule and pauses say",
    Choice.RELEASE: "It is released, and goes on",
    Choice.DISCARD: "It is discarded",
    Choice.ACCEPT: "Its types are accepted, and it is tried again",
    Choice.DELIVERED: "It counts as delivered",
    Choice.RESEND: "It is sent again under a new name",
}
"""What is told once it was said."""
ROWS_DISCARDED = "Its refused rows are discarded"
"""In place of ``Choice.DISCARD``'s, likewise."""

PAUSE_WORDS = {
    PauseKind.AWAY: "receiver away",
    PauseKind.LOGIN: "login refused",
    PauseKind.HOST_KEY: "host key changed",
    PauseKind.SESSION: "not let in",
    PauseKind.FOLDER: "folder refused",
    PauseKind.REFUSED: "receiver says no",
    PauseKind.SETTINGS: "settings",
    PauseKind.MACHINE: "this machine",
    PauseKind.OTHER: "deliveries fail",
}
"""What a destination that fails is called."""

ASKED = "It begins within seconds, or once what is arriving in staging is complete: that goes, too"
"""What is told once a run was asked for."""


def describe_overview(overview: Overview, day: Day, board: Board) -> dict[str, Any]:
    """Return what the templates of the first page show."""
    now = time.monotonic()
    work = board.list_work()
    return {
        "overview": overview,
        "day": day,
        "picture": draw(day.hours),
        "bar_width": BAR,
        "bar_height": HEIGHT,
        "delivered": describe_delivered(overview),
        "facts": list_facts(overview),
        "refused_reload": board.measures.get_refused_reload(),
        "pauses": {
            name: units.end_sentence(describe_pause(pause, overview.outlook))
            for name, pause in overview.outlook.pauses.items()
        },
        "pause_words": PAUSE_WORDS,
        "missing": list_missing(overview.outlook),
        "asked": list_asked(overview.outlook, overview.arriving_feeds),
        "next_runs": list_next_runs(overview),
        "work": [describe_work(one, now) for one in work],
        "sending": describe_sending(work, now),
        "choices": {
            view.source.id: list_choices(view)
            for view in (*overview.sources, *overview.with_refused_rows)
            if view.needs_person or view.refused_rows is not None
        },
        "words": WORDS,
        "discard_rows": DISCARD_ROWS,
        "shown": MOST_SHOWN,
        **_count(overview),
        **group(overview),
    }


def describe_dossier(dossier: Dossier, overview: Overview) -> dict[str, Any]:
    """Return what the templates of a source's page show."""
    view = dossier.view
    uncertain = [part for part in view.parts if part.state is PartState.UNCERTAIN]
    return {
        "overview": overview,
        "dossier": dossier,
        "view": view,
        "source": view.source,
        "choices": [describe_choice(choice, view) for choice in dossier.choices],
        # One by one only where there are several: else it is said of the source.
        "uncertain": [part.number for part in uncertain] if len(uncertain) > 1 else [],
        "of_parts": [choice for choice in dossier.choices if choice in OF_PARTS],
        "rules": describe_rules(dossier),
        "places_shown": PLACES_SHOWN,
        "shown": MOST_SHOWN,
        "words": WORDS,
    }


def describe_choice(choice: Choice, view: SourceView) -> dict[str, Any]:
    """Return a button, and what it means. Pure."""
    return {
        "choice": choice.value,
        "word": _name_choice(choice, view),
        "meaning": explain(choice, view),
        "is_final": choice in FINAL,
        "takes_reason": choice is Choice.DISCARD,
        "uncertain": sum(part.state is PartState.UNCERTAIN for part in view.parts),
    }


def _name_choice(choice: Choice, view: SourceView) -> str:
    if choice is Choice.RETRY and is_untried(view.source):
        return SEND_NOW
    return DISCARD_ROWS if choice is Choice.DISCARD and view.source.state in SOURCE_DONE else WORDS[choice]


def tell_done(choice: Choice, source: Source) -> str:
    """Return what is told of a source once this was said of it. Pure."""
    if choice is Choice.DISCARD and source.state in SOURCE_DONE:
        return ROWS_DISCARDED
    return DONE[choice]


def describe_rules(dossier: Dossier) -> list[dict[str, Any]]:
    """Return the rules of a report, errors first: each with its count, its meaning, and the first places. Pure."""
    report = dossier.report
    if report is None:
        return []
    told = [
        {
            "id": rule,
            "count": count,
            "severity": next((one.severity.value for one in report.findings if one.rule == rule), "error"),
            "explanation": RULES[rule].explanation if rule in RULES else "",
            "remedy": RULES[rule].remedy if rule in RULES else "",
            "places": [_describe_place(one) for one in report.findings if one.rule == rule],
        }
        for rule, count in report.rules.items()
    ]
    return sorted(told, key=lambda rule: rule["severity"] != Severity.ERROR.value)


def _describe_place(finding: Finding) -> dict[str, str]:
    place = f"row {finding.row}" if finding.row is not None else ""
    place = place or (f"line {finding.line}" if finding.line is not None else "")
    return {"place": place, "message": finding.message, "value": finding.value or ""}


def group(overview: Overview) -> dict[str, list[SourceView]]:
    """Return the sources under what a reader asks first: what needs me, what waits, what goes on by itself. Pure."""
    return {
        "needs": [view for view in overview.sources if view.needs_person],
        "waiting": [view for view in overview.sources if not view.needs_person and view.reason],
        "moving": [view for view in overview.sources if not view.needs_person and not view.reason],
        "refused": list(overview.with_refused_rows),
    }


def _count(overview: Overview) -> dict[str, int]:
    """Return how many need a person, and how many wait: at least for those before them, what is only counted. Pure."""
    needs = sum(view.needs_person for view in overview.sources)
    waits = sum(not view.needs_person and bool(view.reason) for view in overview.sources)
    left_out = overview.left_out
    needs += len(overview.outlook.in_need)
    return {"needing": needs + left_out.needing_a_person, "waits": waits + left_out.on_their_way}


def list_next_runs(overview: Overview) -> list[str]:
    """Return when deliveries start next, for people; a sentence each. Pure."""
    outlook = overview.outlook
    told = list_schedules(outlook)
    if len(told) < len(outlook.prospects):
        told.append(f"{'Elsewhere on' if told else 'On'} arrival: each file goes as soon as it is complete.")
    retries = [view.source.retry_at for view in overview.sources if view.source.retry_at is not None]
    if retries and min(retries) > overview.at:
        told.append(
            f"What something came in the way of: tried again at {units.format_moment(min(retries), overview.at)}."
        )
    return told


def describe_sending(work: Sequence[Work], now: float) -> str:
    """Return how much goes up together, and how fast; empty where nothing does. Pure."""
    uploads = [one for one in work if one.phase is Phase.UPLOAD]
    if not uploads:
        return ""
    rate = sum(one.get_rate(now) for one in uploads if one.get_idle_seconds(now) < STALLED_SECONDS)
    return f"{len(uploads)} going up" + (f", {units.format_bytes(rate)}/s" if rate else "")


def explain_failure(failure: Failure, command: str = COMMAND) -> str:
    """Return what went wrong as a page says it: the cause first, for its reader knows what was asked. Pure."""
    told = [units.end_sentence(f"{text[:1].upper()}{text[1:]}") for text in (failure.cause, failure.hint) if text]
    return spell_out(" ".join(told), command)


def list_facts(overview: Overview) -> list[str]:
    """Return what to know where nothing waits, too: where files go, what holds them back, the last run. Pure."""
    outlook = overview.outlook
    facts = [f"Delivers to {', '.join(overview.receivers)}.", *list_limits(overview)]
    if outlook.last_run is not None:
        age = units.format_age(outlook.last_run.started_at, overview.at)
        facts.append(f"Last run {age}: {describe_run(outlook.last_run, outlook)}.")
    return facts


def describe_work(work: Work, now: float) -> dict[str, Any]:
    """Return one piece of work in words, and its bar; ``now`` in monotonic seconds. Pure."""
    idle = work.get_idle_seconds(now)
    is_stalled = work.phase is Phase.UPLOAD and idle >= STALLED_SECONDS
    rate = 0.0 if is_stalled else work.get_rate(now)
    left = max(work.total_bytes - work.done_bytes, 0)
    return {
        "phase": work.phase.value,
        "label": work.label,
        "done": work.done_bytes,
        "total": work.total_bytes or 1,
        "share": units.format_share(work.done_bytes, work.total_bytes),
        "rate": f"{units.format_bytes(rate)}/s" if rate else "",
        "stalled": f"no byte for {units.format_seconds(idle)}" if is_stalled else "",
        "left": f"{units.format_seconds(left / rate)} left" if rate else "",
    }


def split_typed(text: str, command: str) -> list[tuple[bool, str]]:
    """Return ``text`` in pieces, each with whether it is to be typed. Pure.

    That is what stands between backticks; without these, everything from a command to the end of the line.
    """
    text = spell_out(text, command)
    if "`" in text:
        return [(place % 2 == 1, piece) for place, piece in enumerate(text.split("`"))]
    said, mention, typed = text.partition(f"{command} ")
    return [(False, said), (True, mention + typed)] if mention else [(False, said)]


def list_work(board: Board) -> list[dict[str, Any]]:
    """Return what is under way as ``/status.json`` has it."""
    now = time.monotonic()
    return [
        {
            "label": work.label,
            "phase": work.phase.value,
            "done_bytes": work.done_bytes,
            "total_bytes": work.total_bytes,
            "idle_seconds": round(work.get_idle_seconds(now), 1),
        }
        for work in board.list_work()
    ]
