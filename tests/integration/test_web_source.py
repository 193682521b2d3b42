"""A source's page: its report, its refused rows, and what a person says there; of workspaces that real runs filled."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import html
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from starlette.responses import Response

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deciding import Choice, list_choices
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.intake.lock import WorkspaceLock
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.views import SourceView
from sftp_orchestrator.web import sections
from sftp_orchestrator.web.app import make_app, name_download
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.web.stream import LONGEST_SECONDS, Streams, format_event
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration
from tests.support.pages import DEADLINE_SECONDS, Page, Reply, serve
from tests.support.plights import claim, doubt, hold
from tests.support.records import make_source
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

LONG_AGO = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
FAR_OFF = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
LOOK_SECONDS = 0.5
"""In which ten can ask."""
T = TypeVar("T")
ROWS = "event_name,time_stamp,user_id\nSold,1700000000,u1\nSold,<i>soon</i>,u2\n"


@contextlib.asynccontextmanager
async def _serve(configuration: Configuration, board: Board | None = None) -> AsyncIterator[tuple[Page, Ledger]]:
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        async with serve(make_app(Desk(configuration, ledger), board or Board(), Pulse())) as page:
            yield page, ledger


async def _quarantine(folder: Path) -> tuple[Configuration, str]:
    """Have a file with a bad row refused; return its id."""
    configuration = (await asyncio.to_thread(write_configuration, folder)).configuration
    (configuration.staging / "purchases_\u00e4 b.csv").write_text(ROWS, encoding="utf-8")
    with open_daemon(configuration, Board()) as daemon:
        await daemon.run_once()
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        (source,) = ledger.sources.list_in({SourceState.QUARANTINED})
    return configuration, source.id


async def _decide(page: Page, source_id: str, word: str, **more: str) -> Reply:
    """Fill in the form that a person gets, and post it."""
    part = f"?part={more['part']}" if "part" in more else ""
    asked = await page.get(f"/sources/{source_id}/{word}{part}")
    assert asked.status == 200, asked.body
    fields = dict(re.findall(r'name="(mark|seen_at|part)" value="([^"]+)"', asked.body))
    return await page.post(f"/sources/{source_id}/{word}", {**fields, **more})


async def test_a_report_is_shown_with_its_rules_places_and_rows(tmp_path: Path) -> None:
    """Rule, count, line, value and the row itself, as text; and the rows as a file for the same feed."""
    configuration, source_id = await _quarantine(tmp_path)
    async with _serve(configuration) as (page, _):
        body = (await page.get(f"/sources/{source_id}")).body
        rows = await page.get(f"/sources/{source_id}/failed_rows.csv")
    assert "<code>ts.form</code>" in body
    assert "<b>line 3</b>" in body
    assert "<i>" not in body
    assert "<td>&lt;i&gt;soon&lt;/i&gt;</td>" in body
    kept = configuration.workspace / "quarantine" / source_id / "failed_rows.csv"
    assert rows.body == kept.read_text()
    assert rows.headers["content-disposition"] == 'attachment; filename="purchases__b_failed_rows.csv"'
    assert rows.headers["content-type"] == "text/csv; charset=utf-8"


async def test_a_report_that_somebody_broke_hides_nothing_else(tmp_path: Path) -> None:
    """What is no report of ours any more is not shown; the reason still is."""
    configuration, source_id = await _quarantine(tmp_path)
    report = configuration.workspace / "quarantine" / source_id / "report.json"
    for content in ("", "[]", "{}", json.dumps({"rules": {"a": "b"}, "hint": 1, "refused_rows": 1})):
        report.write_text(content)
        async with _serve(configuration) as (page, _):
            reply = await page.get(f"/sources/{source_id}")
        assert (reply.status, "break a rule" in reply.body) == (200, True)


async def test_a_person_s_word_is_carried_out_and_noted(tmp_path: Path) -> None:
    """As by the command: the state changes once, the history tells who, and the page tells what happened."""
    configuration, source_id = await _quarantine(tmp_path)
    async with _serve(configuration) as (page, ledger):
        reply = await _decide(page, source_id, "discard", reason="  nobody \n wants\x00 \x1b it ")
        shown = (await page.get(f"/sources/{source_id}?done=discard")).body
        again = await page.get(f"/sources/{source_id}/discard")
        (move,) = ledger.list_history(source_id=source_id, limit=1)
    assert (reply.status, reply.headers["location"]) == (303, f"../{source_id}?done=discard")
    assert "It is discarded." in shown
    assert (move.by, move.after) == ("page", "discarded")
    assert "nobody wants it" in (move.reason or "")
    assert again.status == 409


@pytest.mark.parametrize(("attempts", "word"), [(0, "Send now"), (1, "Try again")])
def test_a_file_is_tried_again_only_where_it_was_tried(attempts: int, word: str) -> None:
    """What only waits for the schedule is sent; what failed, or needs a person, is tried again."""
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    waiting = SourceView(source=make_source(attempts=attempts), parts=(), waits_for="the schedule", scheduled_at=at)
    assert [sections.describe_choice(choice, waiting)["word"] for choice in list_choices(waiting)] == [word, "Discard"]
    held = SourceView(source=make_source(state=SourceState.HELD, attempts=0), parts=(), waits_for=None)
    assert sections.describe_choice(Choice.RETRY, held)["word"] == "Try again"


async def test_who_looked_before_somebody_else_decided_is_told(tmp_path: Path) -> None:
    """A form that was opened when the source stood elsewhere changes nothing."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        hold(ledger, configuration.workspace, "s1")
        form = (await page.get("/sources/s1/release")).body
        fields = dict(re.findall(r'name="(mark|seen_at)" value="([^"]+)"', form))
        ledger.sources.retry("s1", by="ben")
        ledger.sources.hold("s1", "another reason")
        reply = await page.post("/sources/s1/release", fields)
        state = ledger.sources.get("s1").state
    assert (reply.status, state) == (409, SourceState.HELD)
    assert "It changed since you looked, and is held now. Look again, and decide then." in reply.body


async def test_refused_rows_that_somebody_corrected_are_not_lost_by_a_button(tmp_path: Path) -> None:
    """The page says what the command says."""
    configuration, source_id = await _quarantine(tmp_path)
    path = configuration.workspace / "quarantine" / source_id / "failed_rows.csv"
    path.write_text("corrected")
    async with _serve(configuration) as (page, _):
        reply = await _decide(page, source_id, "release")
    assert reply.status == 409
    assert "was changed since it was written, and would be lost" in reply.body
    assert path.read_text() == "corrected"


async def test_refused_rows_of_a_delivered_file_are_given_up_by_a_button(tmp_path: Path) -> None:
    """Asked first; then page, status and history say so at once, and the rows lie in the archive after a start."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feed = {"feeds": {"purchases": {"max_bad_rows": 0.5}}}
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox, feed)).configuration
        (configuration.staging / "purchases.csv").write_text(ROWS, encoding="utf-8")
        with open_daemon(configuration, Board()) as daemon:
            await daemon.run_once()
            await sandbox.wait_until_idle()
        (kept,) = (configuration.workspace / "rejected").iterdir()
        async with _serve(configuration) as (page, ledger):
            before = (await page.get(f"/sources/{kept.name}")).body
            asked = (await page.get(f"/sources/{kept.name}/discard")).body
            reply = await _decide(page, kept.name, "discard", reason="tests of theirs")
            shown = (await page.get(f"/sources/{kept.name}?done=discard")).body
            status = json.loads((await page.get("/status.json")).body)
            mark = dict(re.findall(r'name="(mark)" value="([^"]+)"', asked))
            again = await page.post(f"/sources/{kept.name}/discard", mark)
            (move,) = ledger.list_history(source_id=kept.name, limit=1)
        with open_daemon(configuration, Board()) as daemon:
            await daemon.run_once()
        async with _serve(configuration) as (page, _):
            later = (await page.get(f"/sources/{kept.name}")).body
    assert f"<dt>Report lies in</dt><dd><code>{kept}</code>" in before, "its file does not: that is in the archive"
    assert "Discard the rows: purchases.csv?" in asked
    assert "Gives up the rows that were refused; what was sent stays sent." in asked
    assert reply.status == 303
    assert "Its refused rows are discarded." in shown
    assert f"sources/{kept.name}/discard" not in shown
    assert (status["with_refused_rows"], status["sources"]) == ([], [])
    assert (again.status, "Its refused rows were given up before." in again.body) == (409, True)
    assert (move.by, move.before, move.after) == ("page", "archived", "archived")
    assert "tests of theirs" in (move.reason or "")
    (rows,) = (configuration.workspace / "archive").rglob("failed_rows.csv")
    assert (rows.parent.name, kept.exists()) == (f"{kept.name}-refused-rows", False)
    assert f"<code>{rows.parent}</code>" in later


async def test_uncertain_parts_are_resolved_together_or_one_by_one(tmp_path: Path) -> None:
    """Both words stand on both pages; of one of several parts the word is for that one alone."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        doubt(ledger, "s1", parts=3)
        first, own = (await page.get("/")).body, (await page.get("/sources/s1")).body
        asked = (await page.get("/sources/s1/resend")).body
        one = await _decide(page, "s1", "delivered", part="2")
        states = [part.state for part in ledger.parts.list_of("s1")]
        rest = await _decide(page, "s1", "resend")
        after = [part.state for part in ledger.parts.list_of("s1")]
        wrong = await page.get("/sources/s1/resend?part=9")
    for word in ("delivered", "resend"):
        assert f'href="./sources/s1/{word}"' in first
        assert f'href="../sources/s1/{word}"' in own
    assert "sources/s1/delivered?part=2" in own
    assert "Send it again: purchases.csv, all 3 uncertain parts?" in asked
    assert (one.status, rest.status, wrong.status) == (303, 303, 409)
    assert states == [PartState.UNCERTAIN, PartState.DELIVERED, PartState.UNCERTAIN]
    assert after == [PartState.PLANNED, PartState.DELIVERED, PartState.PLANNED]


@pytest.mark.parametrize(
    "path", ["/sources/nobody", "/sources/nobody/retry", "/sources/s1/explode", "/sources/s1/failed_rows.csv", "/x"]
)
async def test_what_is_not_there_is_a_page_that_says_so(tmp_path: Path, path: str) -> None:
    """404 with a way back, as every page has it."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        hold(ledger, configuration.workspace, "s1")
        reply = await page.get(path)
    assert (reply.status, "That did not work" in reply.body) == (404, True)


async def test_what_cannot_be_said_now_is_not_offered(tmp_path: Path) -> None:
    """A source that goes on by itself can only be given up, and any other word for it is refused."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        claim(ledger, "s1")
        body = (await page.get("/sources/s1")).body
        asked = [(await page.get(f"/sources/s1/{choice}")).status for choice in ("discard", "release", "accept")]
    assert re.findall(r"/s1/(\w+)\"", body) == ["discard"]
    assert asked == [200, 409, 409]


async def test_a_stream_tells_what_is_new(tmp_path: Path) -> None:
    """Of the first page and of a source's: all parts at first, then those that changed, until nobody listens."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    board = Board()
    async with _serve(configuration, board) as (page, ledger):
        hold(ledger, configuration.workspace, "s1")
        watching = asyncio.create_task(
            page.read_events("/events", until=lambda told: "a.csv 1/1" in told.get("work", "") and "done" in told)
        )
        own = asyncio.create_task(
            page.read_events("/sources/s1/events", until=lambda told: ">claimed<" in told.get("head", ""))
        )
        await asyncio.sleep(0)
        board.begin("a.csv 1/1", Phase.UPLOAD, 10)
        told = await watching
        ledger.sources.retry("s1", by="anna")
        moved = await own
        unknown = await page.get("/sources/nobody/events")
    assert set(told) == {"trouble", *sections.OVERVIEW}
    assert told["trouble"] == ""
    assert 'href="./sources/s1"' in told["needs"]
    assert {"trouble", "head"} <= set(moved) <= {"trouble", *sections.DOSSIER}
    assert unknown.status == 404


async def test_a_source_that_is_forgotten_meanwhile_is_trouble(tmp_path: Path) -> None:
    """Whoever watches it is told, and the stream goes on."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        hold(ledger, configuration.workspace, "s1")
        watching = asyncio.create_task(
            page.read_events("/sources/s1/events", until=lambda told: bool(told.get("trouble")))
        )
        await page.get("/sources/s1")
        ledger.discards.discard("s1", by="anna")
        assert ledger.forgetting.forget_sources(before=FAR_OFF, besides=()) == 1
        told = await watching
    assert "What stands below may be out of date" in told["trouble"]


async def test_all_who_watch_a_source_share_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten who ask at the same time have the ledger asked once; so it is with downloads."""
    configuration, source_id = await _quarantine(tmp_path)
    asked: list[str] = []
    for name in ("get_dossier", "find_failed_rows"):
        monkeypatch.setattr(Desk, name, _ask_slowly(name, asked, getattr(Desk, name)))
    async with _serve(configuration) as (page, _):
        for path in ("", "/failed_rows.csv"):
            await asyncio.gather(*(page.get(f"/sources/{source_id}{path}") for _ in range(10)))
    assert asked == ["get_dossier", "find_failed_rows"]


def _ask_slowly(name: str, asked: list[str], ask: Callable[..., T]) -> Callable[..., T]:
    def slowly(*arguments: object) -> T:
        asked.append(name)
        threading.Event().wait(LOOK_SECONDS)
        return ask(*arguments)

    return slowly


async def _render() -> dict[str, str]:
    return {"a": "b"}


async def _send_to(response: Response, received: list[bytes], *, leaves_after: int) -> None:
    """Send it to a client that leaves once it has so many pieces of the body."""
    left = asyncio.Event()

    async def receive() -> dict[str, str]:
        if leaves_after:
            await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if not leaves_after:
            await left.wait()
        received.append(message.get("body", b""))
        if len(received) > leaves_after:
            left.set()

    await response({"type": "http"}, receive, send)


@pytest.mark.parametrize("leaves_after", [0, 2])
async def test_so_many_watch_and_no_more(leaves_after: int) -> None:
    """Whoever comes later is told, also before the first byte; a place that somebody leaves is free again."""
    streams = Streams(most=2, pause_seconds=0)
    replies = [streams.answer(_render) for _ in range(10)]
    assert [reply.status_code for reply in replies] == [200] * 2 + [503] * 8
    received: list[bytes] = []
    await _send_to(replies[0], received, leaves_after=leaves_after)
    assert received[1:3] == [b"retry: 2000\n\n", b"event: a\ndata: b\n\n"][:leaves_after]
    assert [streams.answer(_render).status_code for _ in range(2)] == [200, 503]


async def test_a_stream_ends_after_a_while_so_that_who_watches_is_judged_anew() -> None:
    """By itself, and before anything newer is sent."""
    now = [100.0]
    streams = Streams(pause_seconds=0, clock=lambda: now[0])

    async def render() -> dict[str, str]:
        now[0] += LONGEST_SECONDS / 2
        return {"a": str(now[0])}

    received: list[bytes] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        await _send_to(streams.answer(render), received, leaves_after=1000)
    assert received[1:] == [b"retry: 2000\n\n", b"event: a\ndata: 250.0\n\n", b"retry: 100\n\n", b""]


def test_an_event_is_lines_of_data() -> None:
    """Whatever ends its lines, and also where it is empty: a browser drops an event without data."""
    assert format_event("a", "x\ny\r\nz\u2028") == "event: a\ndata: x\ndata: y\ndata: z\n\n"
    assert format_event("a", "") == "event: a\ndata: \n\n"


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("purchases.csv", "purchases_failed_rows.csv"),
        ("in/purchases.csv.gz", "purchases.csv_failed_rows.csv"),
        ('a"b\r\nc;d.csv', "a_b_c_d_failed_rows.csv"),
        ("../../etc/passwd", "passwd_failed_rows.csv"),
        ("\u00e4\u00f6.csv", "failed_rows.csv"),
        ("x" * 300 + ".csv", "x" * 80 + "_failed_rows.csv"),
        ("-rf.csv", "rf_failed_rows.csv"),
    ],
)
def test_a_download_has_a_plain_name_that_fits_its_feed(name: str, saved: str) -> None:
    """Nothing of a producer's name reaches a header or a disk but letters, digits, dots, dashes and underscores."""
    assert name_download(name) == saved
    assert html.escape(saved) == saved


async def test_a_run_is_asked_for_by_a_button(tmp_path: Path) -> None:
    """The running daemon finds the request, and who asked; without one the page says that nobody would come."""
    configuration = (await asyncio.to_thread(write_configuration, tmp_path)).configuration
    async with _serve(configuration) as (page, ledger):
        fields = dict(re.findall(r'name="(mark)" value="([^"]+)"', (await page.get("/")).body))
        alone = await page.post("/run-now", fields)
        with WorkspaceLock(Workspace(root=configuration.workspace).lock):
            unmarked = await page.post("/run-now", {"mark": "x"})
            unknown = await page.post("/run-now", {**fields, "destination": "elsewhere"})
            asked = ledger.requests.list_open("production", since=LONG_AGO)
            reply = await page.post("/run-now", {**fields, "destination": "production"})
        (request,) = ledger.requests.list_open("production", since=LONG_AGO)
        said = (await page.get("/?asked")).body
    assert asked == []
    assert (alone.status, "no daemon runs" in alone.body) == (503, True)
    assert (unmarked.status, unknown.status) == (403, 409)
    assert (reply.status, reply.headers["location"]) == (303, "./?asked")
    assert request.by == "page"
    assert "It begins within seconds" in said
