"""The page, its JSON, metrics and probes on a real socket, of a workspace that real runs have filled."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import re
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.scheduling import Expected, Schedule
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.figures import Figures, get_figures
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Untaken
from sftp_orchestrator.overview import MOST_SHOWN, Overview
from sftp_orchestrator.progress import Board, Phase, Work
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.latest import Latest
from sftp_orchestrator.web.metrics import render_metrics
from sftp_orchestrator.web.pulse import Pulse
from sftp_orchestrator.web.readiness import find_obstacle
from sftp_orchestrator.web.server import open_socket
from tests.support.configuration import write_configuration
from tests.support.pages import DEADLINE_SECONDS, Page, serve
from tests.support.records import make_pause
from tests.support.sandboxes import make_sandbox
from tests.support.service import configure

EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,a\n"
MORE = "Sold,1700000100,b\n"
"""Files of the same content would be held."""
HOSTILE = "purchases_<script>alert(1)<script>.csv"
NO_UTF8 = b"purchases_K\xf6ln.csv"
LEADING = {"src", "href", "action", "data-events"}
NEEDY = {"srcset", "data", "poster", "background", "style", "onclick", "onload", "onsubmit"}


class _Reader(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.places: list[str] = []
        self.pieces: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.places += [value or "" for name, value in attrs if name in LEADING]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    @property
    def text(self) -> str:
        """All text, with single blanks."""
        return " ".join(" ".join(self.pieces).split())


async def _fill(folder: Path) -> Configuration:
    """Deliver one file; leave profiles quarantined, events waiting for them, files arriving and left alone."""
    async with make_sandbox(folder / "receiver") as sandbox:
        written = await asyncio.to_thread(configure, folder, sandbox)
        staging = os.fsencode(written.configuration.staging)
        for files in (
            {b"purchases_done.csv": EVENTS},
            {b"customers.csv": "user_id,Name\na\n", HOSTILE.encode(): EVENTS + MORE, NO_UTF8: EVENTS + MORE * 2},
        ):
            for name, content in files.items():
                await asyncio.to_thread(_write, os.path.join(staging, name), content)  # noqa: PTH118 - bytes
            with open_daemon(written.configuration, Board()) as daemon:
                await daemon.run_once()
        await sandbox.wait_until_idle()
    for name in (b"purchases_next.csv", b"orphan_\xff<b>.txt"):
        await asyncio.to_thread(_write, os.path.join(staging, name), EVENTS)  # noqa: PTH118 - bytes
    return written.configuration


def _write(path: bytes, content: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123 - the name is bytes
        stream.write(content)


@asynccontextmanager
async def _serve(configuration: Configuration, board: Board, pulse: Pulse) -> AsyncIterator[Page]:
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        async with serve(make_app(Desk(configuration, ledger), board, pulse)) as page:
            yield page


async def test_the_page_tells_what_needs_a_person_what_waits_and_what_is_under_way(tmp_path: Path) -> None:
    """State, file, id, reason and the command to type of each source; bytes of work under way; what was delivered."""
    configuration = await _fill(tmp_path)
    board = Board()
    board.begin("purchases_big.csv 1/2", Phase.UPLOAD, 40_000_000)
    board.advance("purchases_big.csv 1/2", 10_000_000)
    async with _serve(configuration, board, Pulse()) as page:
        reply = await page.get("/")
        status = json.loads((await page.get("/status.json")).body)
    text = _Reader(reply.body).text
    ids = {source["file"]: source["id"] for source in status["sources"]}
    assert reply.status == 200
    assert "1 file was delivered so far" in text
    assert "upload purchases_big.csv 1/2 10.0/40.0 MB 10.0/40.0 MB" in text
    assert "In need of a person 1 quarantined customers.csv" in text
    assert f"sftp-orchestrator retry {ids['customers.csv']}" in text
    assert f"quarantine/{ids['customers.csv']}/report.json" in text
    assert f"sftp-orchestrator release {ids[HOSTILE]}" in text
    assert "arriving purchases_next.csv" in text
    assert "(1) SFTP orchestrator" in reply.body


async def test_the_page_tells_of_rows_that_were_not_sent(tmp_path: Path) -> None:
    """What was delivered without some of its rows stands on the page, with their number and place, and is counted."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        feed = {"feeds": {"purchases": {"max_bad_rows": 0.5}}}
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox, feed)).configuration
        path = os.fsencode(configuration.staging / "purchases.csv")
        await asyncio.to_thread(_write, path, EVENTS + MORE + "Sold,soon,c\n")
        with open_daemon(configuration, Board()) as daemon:
            await daemon.run_once()
        await sandbox.wait_until_idle()
    async with _serve(configuration, Board(), Pulse()) as page:
        text = _Reader((await page.get("/")).body).text
        metrics = (await page.get("/metrics")).body
        (refused,) = json.loads((await page.get("/status.json")).body)["with_refused_rows"]
        body = (await page.get("/")).body
    assert f'href="./sources/{refused["id"]}/discard">Discard the rows…' in body
    rows = f"{refused['refused_folder']}/failed_rows.csv"
    assert f"rows refused purchases.csv {refused['id']}" in text.partition("Rows refused 1 ")[2]
    assert f"2 of 3 rows sent, 1 refused: {rows}" in text
    assert 'sftp_orchestrator_refused_rows_total{feed="purchases"} 1.0' in metrics
    assert 'sftp_orchestrator_refused_rows_total{feed="customers"} 0.0' in metrics
    assert 'sftp_orchestrator_duplicate_rows_total{feed="purchases"} 0.0' in metrics


async def test_where_nothing_waits_the_page_tells_of_runs_and_receivers(tmp_path: Path) -> None:
    """The last delivery and run, the next by the schedule, and where files go; text in backticks is code."""
    configuration = await _fill(tmp_path)
    nightly = configuration.model_copy(update={"schedule": Schedule(deliver="0 2 * * *")})
    async with _serve(nightly, Board(), Pulse()) as page:
        reply = await page.get("/")
        status = json.loads((await page.get("/status.json")).body)
    text = _Reader(reply.body).text
    assert "1 file was delivered so far, the last one " in text
    assert "ago: purchases_done.csv." in text
    assert f"Delivers to production (127.0.0.1:{nightly.destinations['production'].port})." in text
    assert re.search(r"Last run \d+ s ago: 0 delivered, 3 not\.", text)
    assert re.search(r"Schedule: next at .*02:00 UTC \(in ", text)
    assert status["last_run"]["not_delivered"] == 3
    assert status["next_delivery_at"].endswith("T02:00:00+00:00")
    assert (status["daemon"], status["last_delivery_at"] is None) == (
        {"running": False, "pid": None, "host": None, "configuration_is_outdated": False},
        False,
    )


async def test_a_file_that_is_missing_is_told_and_counted(tmp_path: Path) -> None:
    """On the page, for programs and for monitors; a feed of which none is missing counts 0."""
    configuration = await _fill(tmp_path)
    feeds = {
        name: feed.model_copy(update={"expected": Expected(by="03:00")}) for name, feed in configuration.feeds.items()
    }
    due_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=3)
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        ledger.missing.note("purchases", due_at)
    async with _serve(configuration.model_copy(update={"feeds": feeds}), Board(), Pulse()) as page:
        text = _Reader((await page.get("/")).body).text
        expected = json.loads((await page.get("/status.json")).body)["expected_files"]
        metrics = (await page.get("/metrics")).body
    assert f"Missing: a file of purchases, expected by {due_at:%H:%M} UTC (3 h ago)." in text
    assert {one["feed"]: (one["missing_since"], one["missed"]) for one in expected} == {
        "customers": (None, 0),
        "purchases": (due_at.isoformat(timespec="microseconds"), 1),
    }
    assert 'sftp_orchestrator_missed_deadlines_total{feed="purchases"} 1.0' in metrics
    assert 'sftp_orchestrator_missed_deadlines_total{feed="customers"} 0.0' in metrics
    assert 'sftp_orchestrator_expected_file_missing{feed="purchases"} 1.0' in metrics
    assert 'sftp_orchestrator_expected_file_missing{feed="customers"} 0.0' in metrics


async def test_complete_files_that_cannot_be_taken_are_told_with_their_reason(tmp_path: Path) -> None:
    """As a banner, and beside the file; it is not among what is arriving, and counted for monitors."""
    configuration = await _fill(tmp_path)
    for name in ("purchases_a.csv", "purchases_b.csv"):
        (configuration.staging / name).write_text("x")
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        now = datetime.datetime.now(datetime.UTC)
        one = Untaken(relative_path=b"purchases_a.csv", feed="purchases", reason="no room", since=now)
        ledger.untaken.replace([one])
    async with _serve(configuration, Board(), Pulse()) as page:
        body = (await page.get("/")).body
        matched = json.loads((await page.get("/status.json")).body)["staging"]["arriving"]
        metrics = (await page.get("/metrics")).body
    assert "1 complete file in staging cannot be taken:" in _Reader(body).text
    assert f"<b>{len(matched) - 1}</b> arriving" in body
    assert '<p class="reason">no room</p>' in body
    assert 'sftp_orchestrator_files_not_taken{feed="purchases"} 1.0' in metrics


@pytest.mark.parametrize(
    ("kind", "word", "needing"),
    [(PauseKind.HOST_KEY, "host key changed", 2), (PauseKind.AWAY, "receiver away", 1)],
)
async def test_a_receiver_that_only_a_person_can_mend_is_counted_among_what_needs_one(
    tmp_path: Path, kind: PauseKind, word: str, needing: int
) -> None:
    """At the top, in the title, in its section and for monitors; one that is away is told, and needs nobody."""
    configuration = await _fill(tmp_path)
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        ledger.pauses.note(make_pause(kind=kind))
    async with _serve(configuration, Board(), Pulse()) as page:
        body = (await page.get("/")).body
        metrics = (await page.get("/metrics")).body
    text = _Reader(body).text
    assert f"({needing}) SFTP orchestrator" in body
    assert f"{needing} {'need' if needing > 1 else 'needs'} a person" in text
    assert f"{word} production failed 2 times in a row, since " in text
    assert ("this needs a person: sftp-orchestrator check --connect" in text) == (needing == 2)
    assert (f"In need of a person 2 {word} production Nothing gets through" in text) == (needing == 2)
    assert f'sftp_orchestrator_destination_needs_person{{destination="production"}} {needing - 1}.0' in metrics


async def test_an_upload_that_stands_still_has_no_rate(tmp_path: Path) -> None:
    """A receiver that takes nothing is told as such, with for how long, in place of a rate that only decays."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox)).configuration
    now = time.monotonic()
    board = _StandingStill(
        Work(label="a 1/1", phase=phase, done_bytes=5, total_bytes=9, started=now - 90, moved=now - idle)
        for phase, idle in ((Phase.UPLOAD, 65), (Phase.UPLOAD, 0), (Phase.INSPECT, 65))
    )
    async with _serve(configuration, board, Pulse()) as page:
        text = _Reader((await page.get("/")).body).text
        work = json.loads((await page.get("/status.json")).body)["work"]
    assert text.count("no byte for 1:0") == 1
    assert text.count(" left") == 2
    assert [one["idle_seconds"] >= 65 for one in work] == [True, False, True]


class _StandingStill(Board):
    """A board with work that nobody does."""

    def __init__(self, work: Iterable[Work]) -> None:
        super().__init__()
        self._standing = list(work)

    def list_work(self) -> list[Work]:
        return self._standing


async def test_names_are_text_on_the_page_and_in_the_json(tmp_path: Path) -> None:
    """A name made of markup is shown as it is, and one that is no UTF-8 with escapes; neither becomes a tag."""
    configuration = await _fill(tmp_path)
    board = Board()
    board.begin(HOSTILE, Phase.INSPECT, 10)
    async with _serve(configuration, board, Pulse()) as page:
        reply, status = await page.get("/"), json.loads((await page.get("/status.json")).body)
    reader = _Reader(reply.body)
    assert reader.tags.count("script") == 1
    assert "<b>.txt" not in reply.body
    assert reader.text.count(HOSTILE) == 2
    assert r"purchases_K\xf6ln.csv" in reader.text
    assert r"orphan_\xff<b>.txt" in reader.text
    assert {HOSTILE, r"purchases_K\xf6ln.csv", "customers.csv"} == {source["file"] for source in status["sources"]}
    assert [found["file"] for found in status["staging"]["left_alone"]] == [r"orphan_\xff<b>.txt"]


async def test_the_page_needs_nothing_of_others(tmp_path: Path) -> None:
    """Every address is its own and relative, nothing stands inline, a policy forbids the rest; nothing is cached."""
    configuration = await _fill(tmp_path)
    async with _serve(configuration, Board(), Pulse()) as page:
        reply, other = await page.get("/"), await page.get("/", method="POST")
        headers = [(await page.get(path)).headers for path in ("/", "/status.json", "/healthz", "/readyz", "/metrics")]
    reader = _Reader(reply.body)
    assert not {"img", "iframe", "style", "object"} & set(reader.tags)
    assert not NEEDY & reader.attributes
    assert not re.search(r"https?://|@import|url\(|<script(?! src)", reply.body)
    assert [place for place in reader.places if re.match(r"[a-z]+:|/", place)] == []
    assert other.status == 403
    assert all(found["content-security-policy"].startswith("default-src 'none'") for found in headers)
    assert not any("unsafe" in found["content-security-policy"] for found in headers)
    assert all(
        (found["cache-control"], found["x-content-type-options"]) == ("no-store", "nosniff") for found in headers
    )


async def test_an_empty_workspace_has_a_page(tmp_path: Path) -> None:
    """Where nothing waits, the page says so."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox)).configuration
    async with _serve(configuration, Board(), Pulse()) as page:
        text = _Reader((await page.get("/")).body).text
    assert "0 files were delivered so far" in text
    assert "Nothing waits." in text


async def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    """The page lists so many of a kind and tells how many more there are: it stays small."""
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox)).configuration
    for number in range(MOST_SHOWN + 7):
        (configuration.staging / f"orphan_{number}.txt").touch()
    async with _serve(configuration, Board(), Pulse()) as page:
        text = _Reader((await page.get("/")).body).text
    assert text.count("left alone") == MOST_SHOWN
    assert "and 7 more" in text


async def test_metrics_count_what_the_ledger_has(tmp_path: Path) -> None:
    """Prometheus reads sources by state, bytes acknowledged, and the age of the oldest that waits."""
    configuration = await _fill(tmp_path)
    board = Board()
    board.begin("a.csv 1/1", Phase.UPLOAD, 10)
    board.advance("a.csv 1/1", 7)
    async with _serve(configuration, board, Pulse()) as page:
        reply = await page.get("/metrics")
    samples = {
        (sample.name, sample.labels.get("state")): sample.value
        for family in text_string_to_metric_families(reply.body)
        for sample in family.samples
    }
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert samples["sftp_orchestrator_sources", "archived"] == 1
    assert samples["sftp_orchestrator_sources", "quarantined"] == 1
    assert samples["sftp_orchestrator_sources", "planned"] == 2
    assert samples["sftp_orchestrator_sent_bytes_total", None] == 7
    assert samples["sftp_orchestrator_uncertain_parts", None] == 0
    assert samples["sftp_orchestrator_oldest_waiting_seconds", None] > 0


async def test_the_probes_tell_a_starting_and_a_stuck_daemon_from_a_working_one(tmp_path: Path) -> None:
    """``readyz`` is 503 until the start is through; ``healthz`` is 503 and names the station that is overdue."""
    now = [0.0]
    pulse = Pulse(clock=lambda: now[0])
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox)).configuration
    pulse.beat("delivery", within_seconds=300)
    pulse.beat("intake", within_seconds=400)
    async with _serve(configuration, Board(), pulse) as page:

        async def probe() -> list[tuple[int, str]]:
            replies = [await page.get("/healthz"), await page.get("/readyz")]
            return [(reply.status, reply.body) for reply in replies]

        assert await probe() == [(200, "ok\n"), (503, "not ready: starting\n")]
        pulse.is_ready = True
        assert await probe() == [(200, "ok\n"), (200, "ready\n")]
        now[0] = 301.0
        assert await probe() == [(503, "stuck: delivery\n"), (503, "not ready: stuck: delivery\n")]
        pulse.beat("delivery", within_seconds=300)
        assert await probe() == [(200, "ok\n"), (200, "ready\n")]


async def test_a_ledger_that_does_not_answer_makes_the_daemon_unready_and_not_unhealthy(tmp_path: Path) -> None:
    """One that is away, or hangs: nothing is restarted for it, and the line says what is in the way."""
    pulse = Pulse()
    pulse.is_ready = True
    configuration = await asyncio.to_thread(write_configuration, tmp_path)
    with Ledger.open("sqlite", configuration.configuration.workspace) as ledger:
        async with serve(make_app(_Failing(configuration.configuration, ledger), Board(), pulse)) as page:
            replies = [await page.get("/healthz"), await page.get("/readyz")]
    assert [(reply.status, reply.body) for reply in replies] == [
        (200, "ok\n"),
        (503, "not ready: use ledger postgresql://db/ledger: the server is away\n"),
    ]
    hung = threading.Event()
    obstacle = await find_obstacle(pulse, Latest(lambda: _wait(hung)), within_seconds=0.01)
    hung.set()
    assert obstacle == "the ledger did not answer within 0.01 s"


async def test_what_was_delivered_is_counted_by_the_ledger_and_what_it_took_by_the_process(tmp_path: Path) -> None:
    """Files, bytes, rows, time of the last by feed and destination; seconds by stage; a restart keeps the former."""
    board = Board()
    async with make_sandbox(tmp_path / "receiver") as sandbox:
        configuration = (await asyncio.to_thread(configure, tmp_path, sandbox)).configuration
        await asyncio.to_thread(_write, os.fsencode(configuration.staging / "purchases.csv"), EVENTS + MORE)
        with open_daemon(configuration, board) as daemon:
            await daemon.run_once()
        await sandbox.wait_until_idle()
    bytes_ = len((EVENTS + MORE).encode())
    for seen, stages in ((board, 1.0), (Board(), 0.0)):
        samples = await asyncio.to_thread(_measure, configuration, seen)
        of = {"destination": "production", "feed": "purchases"}
        assert samples["delivered_files_total", *of.values()] == 1
        assert samples["delivered_bytes_total", *of.values()] == bytes_
        assert samples["delivered_rows_total", *of.values()] == 2
        assert abs(samples["last_delivery_timestamp_seconds", *of.values()] - time.time()) < DEADLINE_SECONDS
        assert samples["delivered_files_total", "production", "customers"] == 0
        assert samples["ledger_bytes",] > 4096
        assert samples["failed_runs", "production"] == samples["retries_total", "production"] == 0
        assert samples["delivery_seconds_count", "production"] == stages
        for stage in ("settle", "inspect", "upload", "publish"):
            assert samples["stage_seconds_count", stage] == stages


def _measure(configuration: Configuration, board: Board) -> dict[tuple[str, ...], float]:
    """Return every sample by its name, without what all begin with, and the values of its labels in their order."""
    with Ledger.open(configuration.ledger.url, configuration.workspace) as ledger:
        text = render_metrics(get_figures(configuration, ledger), board, Pulse()).decode()
    return {
        (sample.name.removeprefix("sftp_orchestrator_"), *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_staging_that_is_gone_hides_nothing_else(tmp_path: Path) -> None:
    """An unmounted staging folder is told on the page, beside what the ledger knows."""
    configuration = await _fill(tmp_path)
    await asyncio.to_thread(shutil.rmtree, configuration.staging)
    async with _serve(configuration, Board(), Pulse()) as page:
        reply = await page.get("/")
    text = _Reader(reply.body).text
    assert reply.status == 200
    assert "No such file or directory" in text
    assert "quarantined customers.csv" in text


@pytest.mark.parametrize("path", ["/", "/status.json", "/metrics"])
async def test_a_ledger_that_fails_is_one_line_and_no_success(tmp_path: Path, path: str) -> None:
    """What cannot be looked up is 503 with the reason, so that no monitor takes it for an empty workspace."""
    configuration = await asyncio.to_thread(write_configuration, tmp_path)
    with Ledger.open("sqlite", configuration.configuration.workspace) as ledger:
        async with serve(make_app(_Failing(configuration.configuration, ledger), Board(), Pulse())) as page:
            reply = await page.get(path)
    assert (reply.status, reply.body) == (503, "read the ledger: the disk is gone\n")


class _Failing(Desk):
    """A desk whose ledger cannot be read."""

    def get_overview(self) -> Overview:
        raise LocalFault("read", "the ledger", "the disk is gone")

    def get_figures(self) -> Figures:
        raise LocalFault("read", "the ledger", "the disk is gone")

    def require_answer(self) -> None:
        raise LocalFault("use", "ledger postgresql://db/ledger", "the server is away")


def _wait(event: threading.Event) -> None:
    event.wait(DEADLINE_SECONDS)


def test_a_port_that_is_taken_is_one_line() -> None:
    """Listening where somebody else does names the address and what to do."""
    with open_socket("127.0.0.1:0") as taken, pytest.raises(LocalFault, match=r"web\.listen") as caught:
        open_socket(f"127.0.0.1:{taken.getsockname()[1]}")
    assert "\n" not in str(caught.value)
