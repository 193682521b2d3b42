"""The page and the probes as an ASGI application: read-only, no outside requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from sftp_orchestrator import units
from sftp_orchestrator.calling import COMMAND, spell_out
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.intake.pausing import Room
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.outlook import Outlook, describe_pause, describe_run, list_missing, list_schedules
from sftp_orchestrator.overview import Overview, describe_delivered, list_limits
from sftp_orchestrator.progress import Board, Phase, Work
from sftp_orchestrator.views import SourceView, summarize_parts
from sftp_orchestrator.web.latest import Latest
from sftp_orchestrator.web.pulse import Pulse

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHOWN = 200
"""How many of a kind the page lists; their number is always told."""


STALLED_SECONDS = 5.0
"""After so long without a byte the rate of an upload tells nothing any more."""


def make_app(get_overview: Callable[[], Overview], board: Board, pulse: Pulse, *, command: str = COMMAND) -> Starlette:
    """Return the application; ``get_overview`` is blocking, and called for several requests at once (``Latest``).

    ``command`` is how a person calls us with the same configuration.
    """
    latest = Latest(get_overview)
    templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
    _set_up(templates.env, command)

    async def show_page(request: Request) -> Response:
        overview = await latest.get()
        context = {
            "overview": overview,
            "delivered": describe_delivered(overview),
            "facts": _list_facts(overview),
            "groups": _group(overview),
            "work": [_describe(work, time.monotonic()) for work in board.list_work()],
            "shown": SHOWN,
        }
        return templates.TemplateResponse(request, "status.html", context, headers=_HEADERS)

    async def show_json(_: Request) -> Response:
        overview = await latest.get()
        return JSONResponse({**overview.to_json(), "work": _list_work(board)}, headers=_HEADERS)

    async def show_health(_: Request) -> Response:
        stuck = pulse.list_stuck()
        said = f"stuck: {', '.join(stuck)}" if stuck else "ok"
        return PlainTextResponse(said + "\n", status_code=503 if stuck else 200, headers=_HEADERS)

    async def show_readiness(_: Request) -> Response:
        ready = pulse.is_ready and not pulse.list_stuck()
        return PlainTextResponse(
            "ready\n" if ready else "not ready\n", status_code=200 if ready else 503, headers=_HEADERS
        )

    async def show_metrics(_: Request) -> Response:
        overview = await latest.get()
        return Response(_render_metrics(overview, board), media_type=_METRICS_TYPE, headers=_HEADERS)

    async def show_failure(_: Request, error: Exception) -> Response:
        # Such as staging that is gone: who looks gets the same line as from ``status``.
        return PlainTextResponse(f"{error}\n", status_code=503, headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/status.json", show_json),
            Route("/healthz", show_health),
            Route("/readyz", show_readiness),
            Route("/metrics", show_metrics),
        ],
        exception_handlers={Failure: show_failure},
    )


def _set_up(environment: Environment, command: str) -> None:
    environment.filters.update(
        path=display_path,
        size=units.format_bytes,
        parts=summarize_parts,
        pieces=lambda text: split_typed(text, command),
    )
    environment.globals["format_age"] = units.format_age


def split_typed(text: str, command: str) -> list[tuple[bool, str]]:
    """Return ``text`` in pieces, each with whether it is to be typed. Pure.

    That is what stands between backticks; without these, everything from a command to the end of the line.
    """
    text = spell_out(text, command)
    if "`" in text:
        return [(place % 2 == 1, piece) for place, piece in enumerate(text.split("`"))]
    said, mention, typed = text.partition(f"{command} ")
    return [(False, said), (True, mention + typed)] if mention else [(False, said)]


def _list_facts(overview: Overview) -> list[str]:
    """Return what to know where nothing waits, too: the last run, and the next. Pure."""
    outlook = overview.outlook
    facts = [f"Delivers to {', '.join(overview.receivers)}.", *list_limits(overview)]
    facts += [f"{describe_pause(pause, outlook)}." for pause in outlook.pauses.values()]
    if outlook.last_run is not None:
        age = units.format_age(outlook.last_run.started_at, overview.at)
        facts.append(f"Last run {age}: {describe_run(outlook.last_run, outlook)}.")
    return facts + list_schedules(outlook) + list_missing(outlook)


def _group(overview: Overview) -> list[tuple[str, list[SourceView]]]:
    """Return the sources under what a reader asks first: what needs me, what waits, what goes on by itself."""
    asides = [view for view in overview.sources if view.needs_person]
    waiting = [view for view in overview.sources if not view.needs_person and view.reason]
    others = [view for view in overview.sources if not view.needs_person and not view.reason]
    groups = [
        ("In need of a person", asides),
        ("Rows refused", list(overview.with_refused_rows)),
        ("Waiting", waiting),
        ("On their way", others),
    ]
    return [(title, views) for title, views in groups if views]


def _describe(work: Work, now: float) -> dict[str, Any]:
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


def _list_work(board: Board) -> list[dict[str, Any]]:
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


def _render_metrics(overview: Overview, board: Board) -> bytes:
    registry = CollectorRegistry()
    registry.register(_RowsLeftOut(overview))
    states = Gauge("sftp_orchestrator_sources", "Sources by state.", ["state"], registry=registry)
    for state in SourceState:
        states.labels(state=state.value).set(overview.counts.get(state.value, 0))
    sent = Gauge("sftp_orchestrator_sent_bytes", "Bytes acknowledged since the start.", registry=registry)
    sent.set(board.sent_bytes)
    uncertain = Gauge("sftp_orchestrator_uncertain_parts", "Parts that wait for a word.", registry=registry)
    uncertain.set(sum(part.state is PartState.UNCERTAIN for view in overview.sources for part in view.parts))
    oldest = Gauge(
        "sftp_orchestrator_oldest_waiting_seconds", "Age of the oldest undelivered source.", registry=registry
    )
    ages = [(overview.at - view.source.claimed_at).total_seconds() for view in overview.sources]
    oldest.set(max(ages, default=0.0))
    _add_space(registry, overview.room)
    registry.register(_MissedDeadlines(overview.outlook))
    missing = Gauge(
        "sftp_orchestrator_expected_file_missing", "1 while a file of the feed is missing.", ["feed"], registry=registry
    )
    for one in overview.outlook.expected:
        missing.labels(feed=one.feed).set(one.missing_since is not None)
    return generate_latest(registry)


def _add_space(registry: CollectorRegistry, room: Room) -> None:
    free = Gauge("sftp_orchestrator_free_bytes", "Free bytes by folder.", ["folder"], registry=registry)
    free.labels(folder="workspace").set(room.free_bytes)
    if room.staging_free_bytes is not None:
        free.labels(folder="staging").set(room.staging_free_bytes)
    paused = Gauge(
        "sftp_orchestrator_intake_paused", "1 while nothing is taken in for want of space.", registry=registry
    )
    paused.set(room.is_paused)


class _RowsLeftOut(Collector):
    """Counters that are read from the ledger: a restart neither loses nor repeats anything."""

    def __init__(self, overview: Overview) -> None:
        self._counts = overview.rows_left_out

    def collect(self) -> Iterator[CounterMetricFamily]:
        refused = CounterMetricFamily(
            "sftp_orchestrator_refused_rows", "Rows of delivered sources that broke rules.", labels=["feed"]
        )
        duplicates = CounterMetricFamily(
            "sftp_orchestrator_duplicate_rows", "Rows of delivered sources that were there before.", labels=["feed"]
        )
        for feed, count in sorted(self._counts.items()):
            refused.add_metric([feed], count.refused)
            duplicates.add_metric([feed], count.duplicates)
        yield refused
        yield duplicates


class _MissedDeadlines(Collector):
    """A counter that is read from the ledger, as above."""

    def __init__(self, outlook: Outlook) -> None:
        self._expected = outlook.expected

    def collect(self) -> Iterator[CounterMetricFamily]:
        missed = CounterMetricFamily(
            "sftp_orchestrator_missed_deadlines", "Deadlines by which no file of the feed had come.", labels=["feed"]
        )
        for one in self._expected:
            missed.add_metric([one.feed], one.missed)
        yield missed
