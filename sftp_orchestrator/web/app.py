"""The page and the probes as an ASGI application: what stands where, one source in full, and a person's word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from sftp_orchestrator import overview_json, threads, units
from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.deciding import OF_PARTS, Choice
from sftp_orchestrator.desk import Desk, Dossier
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded, Failure, Permanent
from sftp_orchestrator.ledger.records import display_path
from sftp_orchestrator.progress import Board
from sftp_orchestrator.repeating import Repeating
from sftp_orchestrator.views import SourceView, summarize_parts
from sftp_orchestrator.web import metrics, sections
from sftp_orchestrator.web.access import COOKIE, SESSION_SECONDS, Access, Visitor
from sftp_orchestrator.web.assets import Assets
from sftp_orchestrator.web.forms import UnreadableForm, read_form, read_moment
from sftp_orchestrator.web.guard import Guard
from sftp_orchestrator.web.latest import Latest, LatestOf
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.web.readiness import find_obstacle
from sftp_orchestrator.web.stream import Streams

_LOG = structlog.get_logger()

DAY_SECONDS = 2.0
"""How long the picture of the last day counts as new."""
LONGEST_REASON = 500
REFUSED_SECONDS = 60.0
"""Who tries token after token is logged so often, and with each line how often they tried."""
_PLACE = re.compile(r"(?:sources/[A-Za-z0-9_-]{1,20})?")
"""Where a login may lead to: a page of ours, and nowhere else."""
_HOPELESS = {ConfigurationError: HTTPStatus.CONFLICT, DecisionNeeded: HTTPStatus.CONFLICT}
_PLAIN_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def make_app(
    desk: Desk, board: Board, pulse: Pulse, *, access: Access | None = None, command: str = COMMAND
) -> Starlette:
    """Return the application; ``desk`` is blocking, and asked by several requests at once.

    ``access`` says who may use it, everybody on this machine unless told; ``command`` is how a person calls us with the
    same configuration.
    """
    access = access or Access()
    page = _Page(desk, board, pulse, access, command)
    source = "/sources/{source_id}"
    return Starlette(
        routes=[
            Route("/", page.show_overview),
            Route("/events", page.tell_overview),
            Route("/run-now", page.run_now, methods=["POST"]),
            Route(source, page.show_source),
            Route(f"{source}/events", page.tell_source),
            Route(f"{source}/failed_rows.csv", page.send_rows),
            Route(f"{source}/{{choice}}", page.ask, methods=["GET"]),
            Route(f"{source}/{{choice}}", page.decide, methods=["POST"]),
            Route("/login", page.show_login, methods=["GET"]),
            Route("/login", page.log_in, methods=["POST"]),
            Route("/logout", page.log_out, methods=["POST"]),
            Route("/static/{name}", page.send_asset),
            Route("/status.json", page.show_json),
            Route("/healthz", page.show_health),
            Route("/readyz", page.show_readiness),
            Route("/metrics", page.show_metrics),
        ],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={
            Failure: page.show_failure,
            UnreadableForm: page.show_unreadable,
            HTTPException: page.show_absence,
        },
    )


class _Page:
    """What answers each route."""

    def __init__(self, desk: Desk, board: Board, pulse: Pulse, access: Access, command: str) -> None:
        self._desk = desk
        self._board = board
        self._pulse = pulse
        self._access = access
        self._command = command
        self._overview = Latest(desk.get_overview)
        self._figures = Latest(desk.get_figures)
        self._answer = Latest(desk.require_answer)
        self._day = Latest(desk.get_day, keep_seconds=DAY_SECONDS)
        self._dossiers = LatestOf[Dossier]()
        self._rows = LatestOf[tuple[SourceView, Path] | None]()
        self._streams = Streams()
        self._refused = Repeating(remind_seconds=REFUSED_SECONDS)
        self._assets = Assets()
        self._templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
        self._set_up(self._templates.env)

    def _set_up(self, environment: Environment) -> None:
        environment.trim_blocks = environment.lstrip_blocks = True
        environment.filters.update(
            path=display_path,
            size=units.format_bytes,
            number=units.format_count,
            parts=summarize_parts,
            pieces=lambda text: sections.split_typed(text, self._command),
            moment=lambda moment: f"{moment:%Y-%m-%d %H:%M:%S} UTC",
            clock=lambda moment: f"{moment:%H:%M} UTC",
        )
        environment.globals.update(format_age=units.format_age, asset=self._assets.locate)

    # What stands where.

    async def show_overview(self, request: Request) -> Response:
        """The first page."""
        context = {
            **await self._describe_overview(),
            "names": sections.OVERVIEW,
            "destinations": self._desk.destinations,
            "said": sections.ASKED if "asked" in request.query_params else "",
        }
        return self._show(request, "overview.html", context)

    async def tell_overview(self, _: Request) -> Response:
        """The live parts of the first page."""

        async def render() -> Mapping[str, str]:
            return await self._render(self._describe_overview(), "overview", sections.OVERVIEW, root="./")

        return self._streams.answer(render)

    async def _describe_overview(self) -> dict[str, Any]:
        overview, day = await self._overview.get(), await self._day.get()
        return sections.describe_overview(overview, day, self._board)

    async def _render(self, described: Any, folder: str, names: tuple[str, ...], *, root: str) -> dict[str, str]:  # noqa: ANN401 - an awaitable of a template's context
        """Return each live part; where it cannot be looked up, what is said in place of the trouble."""
        try:
            context = {**await described, "root": root, "command": self._command}
        except (Failure, HTTPException) as error:
            # Such as a ledger that cannot be read, or a source that was forgotten meanwhile.
            said = error.detail if isinstance(error, HTTPException) else str(error)
            return {"trouble": self._templates.env.get_template("trouble.html").render(said=said)}
        found = {name: self._templates.env.get_template(f"{folder}/{name}.html").render(context) for name in names}
        return {"trouble": "", **found}

    # One source.

    async def show_source(self, request: Request) -> Response:
        """All there is to know of one source, and the buttons for it."""
        context = await self._describe_source(request.path_params["source_id"], _get_visitor(request))
        done = request.query_params.get("done", "")
        said = sections.tell_done(Choice(done), context["source"]) if done in set(Choice) else ""
        return self._show(request, "source.html", {**context, "names": sections.DOSSIER, "said": said})

    async def tell_source(self, request: Request) -> Response:
        """The live parts of a source's page."""
        source_id, visitor = request.path_params["source_id"], _get_visitor(request)
        await self._look_at(source_id)

        async def render() -> Mapping[str, str]:
            return await self._render(self._describe_source(source_id, visitor), "source", sections.DOSSIER, root="../")

        return self._streams.answer(render)

    async def send_rows(self, request: Request) -> Response:
        """The refused rows of a source, as a file."""
        source_id = request.path_params["source_id"]
        found = await self._rows.get(source_id, lambda: self._desk.find_failed_rows(source_id))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "It has no refused rows.")
        view, path = found
        return FileResponse(path, media_type="text/csv; charset=utf-8", filename=name_download(view.source.name))

    async def _describe_source(self, source_id: str, visitor: Visitor) -> dict[str, Any]:
        dossier = await self._look_at(source_id)
        described = sections.describe_dossier(dossier, await self._overview.get())
        return {**described, "mark": self._access.mark_form(visitor)}

    async def _look_at(self, source_id: str) -> Dossier:
        overview = await self._overview.get()
        try:
            return await self._dossiers.get(source_id, lambda: self._desk.get_dossier(source_id, overview))
        except ConfigurationError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, sections.explain_failure(error)) from error

    # A person's word.

    async def ask(self, request: Request) -> Response:
        """What a choice means, and a button that makes it; nothing happens yet."""
        choice = _get_choice(request)
        dossier = await self._look_at(request.path_params["source_id"])
        part = request.query_params.get("part", "") if choice in OF_PARTS else ""
        if choice not in dossier.choices or not (part == "" or part in {str(one.number) for one in dossier.view.parts}):
            raise HTTPException(HTTPStatus.CONFLICT, "It is in another state by now, in which this cannot be said.")
        context = {
            **sections.describe_choice(choice, dossier.view),
            "view": dossier.view,
            "source": dossier.view.source,
            "part": part,
            "mark": self._access.mark_form(_get_visitor(request)),
            "longest_reason": LONGEST_REASON,
        }
        return self._show(request, "confirm.html", context)

    async def run_now(self, request: Request) -> Response:
        """Have what waits delivered now, whatever the schedule says."""
        visitor, form = _get_visitor(request), await self._read_own_form(request)
        destination = form.get("destination") or None
        await threads.see_through(self._desk.ask_for_run, by=visitor.signature, destination=destination)
        self._overview.forget()
        return RedirectResponse("./?asked", status_code=HTTPStatus.SEE_OTHER)

    async def decide(self, request: Request) -> Response:
        """Have it carried out, and show the source as it stands then."""
        choice, source_id, visitor = _get_choice(request), request.path_params["source_id"], _get_visitor(request)
        form = await self._read_own_form(request)
        part = form.get("part", "") if choice in OF_PARTS else ""
        await threads.see_through(
            self._desk.decide,
            choice,
            f"{source_id}/{part}" if part else source_id,
            by=visitor.signature,
            reason=form.get("reason", "")[:LONGEST_REASON] or None,
            seen_at=read_moment(form.get("seen_at", "")),
        )
        _LOG.info("decided_on_page", source=source_id, choice=choice.value, part=part or None, by=visitor.signature)
        for known in (self._dossiers, self._rows):
            known.forget(source_id)
        self._overview.forget()
        return RedirectResponse(f"../{quote(source_id)}?done={choice.value}", status_code=HTTPStatus.SEE_OTHER)

    async def _read_own_form(self, request: Request) -> dict[str, str]:
        """Return what was filled in; raises ``HTTPException`` where the form was not made for this visitor."""
        visitor, form = _get_visitor(request), await read_form(request)
        if not visitor.is_script and not self._access.is_own_form(visitor, form.get("mark", "")):
            raise HTTPException(
                HTTPStatus.FORBIDDEN, "The form is older than this daemon. Look again, and decide then."
            )
        return form

    # Coming and going.

    async def show_login(self, request: Request) -> Response:
        """The form that asks for the token."""
        return self._show_login(request, request.query_params.get("next", ""))

    async def log_in(self, request: Request) -> Response:
        """Let in who knows the token."""
        form = await read_form(request)
        place = form.get("next", "")
        if not self._access.is_token(form.get("token", "").strip()):
            self._note_refusal(request)
            return self._show_login(request, place, is_wrong=True)
        self._refused.end()
        target = place if _PLACE.fullmatch(place) else ""
        response = RedirectResponse(f"./{target}", status_code=HTTPStatus.SEE_OTHER)
        # Without a path: then it is that of this folder, whatever prefix a proxy puts before it.
        response.set_cookie(
            COOKIE,
            self._access.open_session(form.get("name", "")),
            max_age=SESSION_SECONDS,
            path=None,
            httponly=True,
            samesite="strict",
            secure=_is_secure(request),
        )
        return response

    def _note_refusal(self, request: Request) -> None:
        occurred = self._refused.note(Permanent("log in to", "the page", "the token is wrong"))
        if occurred.is_told:
            client = request.client.host if request.client else None
            _LOG.warning("page_login_refused", client=client, failures=occurred.failures)

    async def log_out(self, request: Request) -> Response:
        """Forget the session in this browser."""
        if not self._access.is_own_form(_get_visitor(request), (await read_form(request)).get("mark", "")):
            raise HTTPException(HTTPStatus.FORBIDDEN, "The form is older than this daemon.")
        response = RedirectResponse("./login", status_code=HTTPStatus.SEE_OTHER)
        response.set_cookie(COOKIE, "", max_age=0, path=None, httponly=True, samesite="strict")
        return response

    def _show_login(self, request: Request, place: str, *, is_wrong: bool = False) -> Response:
        context = {"place": place if _PLACE.fullmatch(place) else "", "is_wrong": is_wrong}
        status = HTTPStatus.FORBIDDEN if is_wrong else HTTPStatus.OK
        return self._show(request, "login.html", context, status=status)

    # For programs.

    async def send_asset(self, request: Request) -> Response:
        """Style, script, icon."""
        return self._assets.answer(request.path_params["name"])

    async def show_json(self, _: Request) -> Response:
        """The overview as JSON."""
        overview = await self._overview.get()
        return JSONResponse({**overview_json.to_json(overview), "work": sections.list_work(self._board)})

    async def show_metrics(self, _: Request) -> Response:
        """Metrics for Prometheus."""
        figures = await self._figures.get()
        return Response(metrics.render_metrics(figures, self._board, self._pulse), media_type=metrics.MEDIA_TYPE)

    async def show_health(self, _: Request) -> Response:
        """Whether the stations make progress."""
        stuck = self._pulse.list_stuck()
        said = f"stuck: {', '.join(stuck)}" if stuck else "ok"
        return PlainTextResponse(said + "\n", status_code=503 if stuck else 200)

    async def show_readiness(self, _: Request) -> Response:
        """Whether the start is through, and the ledger answers."""
        obstacle = await find_obstacle(self._pulse, self._answer)
        said = f"not ready: {obstacle}" if obstacle is not None else "ready"
        return PlainTextResponse(said + "\n", status_code=503 if obstacle is not None else 200)

    # What does not work.

    async def show_failure(self, request: Request, error: Exception) -> Response:
        """Tell what did not work: of a decision to whoever made it, else in one line, as ``status`` does."""
        status = next((code for kind, code in _HOPELESS.items() if isinstance(error, kind)), None)
        if status is None or not isinstance(error, Failure):
            # Such as a ledger that cannot be read.
            return PlainTextResponse(f"{error}\n", status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return self._show_problem(request, sections.explain_failure(error, self._command), status)

    async def show_unreadable(self, request: Request, error: Exception) -> Response:
        """Refuse what is none of our forms."""
        return self._show_problem(request, str(error), HTTPStatus.BAD_REQUEST)

    async def show_absence(self, request: Request, error: Exception) -> Response:
        """Tell what is not there, or cannot be done."""
        if not isinstance(error, HTTPException):
            raise error
        response = self._show_problem(request, error.detail, HTTPStatus(error.status_code))
        response.headers.update(error.headers or {})
        return response

    def _show_problem(self, request: Request, said: str, status: HTTPStatus) -> Response:
        return self._show(request, "problem.html", {"said": said, "title": status.phrase}, status=status)

    def _show(
        self, request: Request, name: str, context: dict[str, Any], *, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        visitor = _get_visitor(request)
        known = {
            # Every address is relative, so that the page works below any prefix of a proxy.
            "root": "../" * (request.scope["path"].count("/") - 1) or "./",
            "command": self._command,
            "visitor": visitor,
            "mark": self._access.mark_form(visitor),
            "is_logged_in": bool(visitor.session),
        }
        return self._templates.TemplateResponse(request, name, {**known, **context}, status_code=status)


def name_download(name: str) -> str:
    """Return the name that the refused rows of file ``name`` are saved by: plain, and fit for the same feed. Pure."""
    last = name.rpartition("/")[2]
    stem = last.rpartition(".")[0] or last
    plain = _PLAIN_NAME.sub("_", stem).strip("._-")[:80]
    return f"{plain}_failed_rows.csv" if plain else "failed_rows.csv"


def _get_visitor(request: Request) -> Visitor:
    visitor: Visitor = getattr(request.state, "visitor", Visitor())
    return visitor


def _get_choice(request: Request) -> Choice:
    try:
        return Choice(request.path_params["choice"])
    except ValueError as error:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such page.") from error


def _is_secure(request: Request) -> bool:
    """Return whether the browser speaks TLS, to us or to a proxy; a lie only keeps the liar out."""
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto", "").partition(",")[0].strip()}
