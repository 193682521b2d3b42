"""Who gets in through the page's door, and what a browser can be made to do by other sites: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.desk import Desk
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.states import SourceState
from sftp_orchestrator.progress import Board
from sftp_orchestrator.web.access import COOKIE, Access
from sftp_orchestrator.web.app import make_app
from sftp_orchestrator.web.forms import MOST_BYTES
from sftp_orchestrator.web.pulse import Pulse
from tests.support.configuration import write_configuration
from tests.support.pages import DEADLINE_SECONDS, Page, serve
from tests.support.plights import hold

TOKEN = "0123456789abcdef"
BEARER = f"Bearer {TOKEN}"
EVIL = "evil.example.com"
PATHS = ("/", "/status.json", "/metrics", "/events", "/sources/held", "/sources/held/failed_rows.csv")


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """A workspace with one held source, ``held``."""
    found = write_configuration(tmp_path).configuration
    with Ledger.open("sqlite", found.workspace) as ledger:
        hold(ledger, found.workspace, "held")
    return found


@contextlib.asynccontextmanager
async def _serve(configuration: Configuration, access: Access) -> AsyncIterator[Page]:
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        async with serve(make_app(Desk(configuration, ledger), Board(), Pulse(), access=access)) as page:
            yield page


def _get_state(configuration: Configuration) -> SourceState:
    with Ledger.open("sqlite", configuration.workspace) as ledger:
        return ledger.sources.get("held").state


async def _find_mark(page: Page, cookie: str = "") -> dict[str, str]:
    """Return the hidden fields of the form that releases the source."""
    reply = await page.get("/sources/held/release", cookie=cookie)
    return dict(re.findall(r'name="(mark|seen_at)" value="([^"]+)"', reply.body))


async def _log_in(page: Page, token: str = TOKEN, **fields: str) -> tuple[int, str, str]:
    """Return the status, the cookie, and where it leads to."""
    reply = await page.post("/login", {"token": token, **fields})
    cookie = reply.headers.get("set-cookie", "")
    return reply.status, cookie, reply.headers.get("location", "")


# Without a token: this machine alone.


async def test_a_name_that_was_made_to_lead_here_gets_nothing(configuration: Configuration) -> None:
    """DNS rebinding: the browser believes that it asks the other site. Probes answer anybody who reaches the port."""
    async with _serve(configuration, Access()) as page:
        replies = [await page.get(path, host=f"{EVIL}:{page.port}") for path in (*PATHS, "/login", "/static/page.css")]
        posted = await page.post("/sources/held/retry", await _find_mark(page), host=EVIL, origin=f"http://{EVIL}")
        probes = [(await page.get(path, host=EVIL)).status for path in ("/healthz", "/readyz")]
    assert {reply.status for reply in replies} == {421}
    assert all("held" not in reply.body for reply in replies)
    assert posted.status == 421
    assert probes == [200, 503]
    assert _get_state(configuration) is SourceState.HELD


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": f"https://{EVIL}"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "", "sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(configuration: Configuration, headers: dict[str, str]) -> None:
    """Even one that guessed all fields: the browser says where it comes from, or nothing, and that is not enough."""
    async with _serve(configuration, Access()) as page:
        reply = await page.post("/sources/held/release", await _find_mark(page), **headers)
    assert reply.status == 403
    assert _get_state(configuration) is SourceState.HELD


@pytest.mark.parametrize("mark", ["", "0" * 64, "\u00fc"])
async def test_a_form_that_was_not_ours_changes_nothing(configuration: Configuration, mark: str) -> None:
    """Each form has a mark that is read on our pages alone; one from before a restart is told as such."""
    async with _serve(configuration, Access()) as page:
        fields = {**(await _find_mark(page)), "mark": mark}
        reply = await page.post("/sources/held/release", fields)
    assert (reply.status, "The form is older than this daemon" in reply.body) == (403, True)
    assert _get_state(configuration) is SourceState.HELD


async def test_no_look_changes_anything(configuration: Configuration) -> None:
    """Every address can be visited, with all that a form would send, and nothing happens."""
    async with _serve(configuration, Access()) as page:
        fields = await _find_mark(page)
        query = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in fields.items())
        for word in ("retry", "release", "discard"):
            assert (await page.get(f"/sources/held/{word}?{query}")).status == 200
    assert _get_state(configuration) is SourceState.HELD


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"mark=" + b"a" * MOST_BYTES, "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=b"] * 100), "application/x-www-form-urlencoded", 400),
        (b"mark=%ff\xff", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 400),
        (b"mark=a", "text/plain", 400),
    ],
)
async def test_what_is_no_form_of_ours_is_read_no_further(
    configuration: Configuration, body: bytes, content_type: str, status: int
) -> None:
    """Too long, too many fields, no text, another type: refused in a sentence."""
    async with _serve(configuration, Access()) as page:
        reply = await page.post("/sources/held/release", body, content_type=content_type)
    assert (reply.status, "That did not work" in reply.body) == (status, True)
    assert _get_state(configuration) is SourceState.HELD


# With a token.


async def test_without_the_token_nothing_is_told(configuration: Configuration) -> None:
    """People are led to the form, programs get 401 and what to send; probes stay open."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        replies = {path: await page.get(path) for path in PATHS}
        posted = await page.post("/sources/held/release", {"mark": "x"})
        probes = [(await page.get(path)).status for path in ("/healthz", "/readyz")]
    told = {path: (reply.status, reply.headers.get("location")) for path, reply in replies.items()}
    assert told == {
        "/": (303, "./login?next="),
        "/sources/held": (303, "../login?next=sources/held"),
        **{path: (401, None) for path in PATHS if path not in {"/", "/sources/held"}},
    }
    assert replies["/metrics"].headers["www-authenticate"].startswith("Bearer")
    assert all("purchases" not in reply.body for reply in replies.values())
    assert (posted.status, probes) == (401, [200, 503])


async def test_a_scraper_sends_the_token(configuration: Configuration) -> None:
    """By whatever name it knows us; a wrong one is no better than none."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        good = await page.get("/metrics", authorization=BEARER, host="etl-host.internal:8765")
        bad = await page.get("/metrics", authorization=f"{BEARER}x")
    assert (good.status, bad.status) == (200, 401)
    assert "sftp_orchestrator_sources" in good.body


async def test_a_script_may_decide_with_the_token_alone(configuration: Configuration) -> None:
    """No browser sends it by itself, so that nothing else is asked for."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        reply = await page.post("/sources/held/retry", {}, authorization=BEARER, origin="")
    assert (reply.status, reply.headers["location"]) == (303, "../held?done=retry")
    assert _get_state(configuration) is SourceState.CLAIMED


async def test_who_logs_in_gets_a_cookie_that_no_script_and_no_other_site_can_use(
    configuration: Configuration,
) -> None:
    """HttpOnly, SameSite=Strict, without a path that a proxy's prefix would break; Secure wherever TLS is spoken."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        status, cookie, place = await _log_in(page, name="Anna", next="sources/held")
        over_tls = await page.post("/login", {"token": TOKEN}, x_forwarded_proto="https")
        value = cookie.partition(";")[0]
        fields = await _find_mark(page, value)
        decided = await page.post("/sources/held/release", fields, cookie=value)
        moves = (await page.get("/sources/held", cookie=value)).body
    assert (status, place) == (303, "./sources/held")
    assert cookie.startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "path" not in cookie.lower()
    assert ("Secure" in cookie, "Secure" in over_tls.headers["set-cookie"]) == (False, True)
    assert decided.status == 303
    assert "Anna (page)" in moves


async def test_a_login_leads_nowhere_else(configuration: Configuration) -> None:
    """Whatever address somebody was sent here with."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        for place in (
            "//evil.example.com",
            "https://evil.example.com",
            "sources/../../x",
            "javascript:alert(1)",
            "\\\\x",
        ):
            assert (await _log_in(page, next=place))[2] == "./"
            assert place not in (await page.get(f"/login?next={place.replace(' ', '%20')}")).body


async def test_a_wrong_token_opens_nothing(configuration: Configuration) -> None:
    """It is told, and no cookie is set; another site cannot log anybody in, either."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        assert (await _log_in(page, TOKEN[:-1]))[:2] == (403, "")
        assert (await _log_in(page, ""))[:2] == (403, "")
        reply = await page.post("/login", {"token": TOKEN}, origin=f"https://{EVIL}")
        made_up = await page.get("/", cookie=f"{COOKIE}=9999999999.YW5uYQ==.00")
    assert (reply.status, "set-cookie" in reply.headers) == (403, False)
    assert made_up.status == 303


async def test_who_tries_token_after_token_does_not_fill_the_log(configuration: Configuration) -> None:
    """The first try is told at once, and after a right one the next wrong one, too."""
    with capture_logs() as logs:
        async with _serve(configuration, Access(token=TOKEN)) as page:
            for token in (*("wrong",) * 5, TOKEN, *("wrong",) * 5):
                await _log_in(page, token)
    told = [line for line in logs if line["event"] == "page_login_refused"]
    assert [(line["client"], line["failures"]) for line in told] == [("127.0.0.1", 1)] * 2


async def test_a_path_is_judged_as_it_is_routed(configuration: Configuration) -> None:
    """A line feed is left out of an address that is put together anew; what is no login page is judged as none."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        replies = [await page.get(path) for path in ("/log%0Ain", "/log%0Din", "/sta%09tic/page.css")]
    assert [reply.status for reply in replies] == [401] * 3


async def test_who_logs_out_is_forgotten_by_the_browser(configuration: Configuration) -> None:
    """By a form of our own alone."""
    async with _serve(configuration, Access(token=TOKEN)) as page:
        cookie = (await _log_in(page))[1].partition(";")[0]
        mark = (await _find_mark(page, cookie))["mark"]
        left = await page.post("/logout", {"mark": mark}, cookie=cookie)
        forced = await page.post("/logout", {"mark": "x"}, cookie=cookie)
    assert (left.status, "Max-Age=0" in left.headers["set-cookie"]) == (303, True)
    assert forced.status == 403


# Every answer.


async def test_every_answer_is_guarded(configuration: Configuration) -> None:
    """Also refusals and errors: nothing inline, no frame, nothing guessed, nothing kept; our own files may be kept."""
    async with _serve(configuration, Access()) as page:
        paths = ("/", "/sources/held", "/sources/nobody", "/nowhere", "/healthz", "/metrics", "/login")
        replies = [await page.get(path) for path in paths]
        replies += [await page.get("/", host=EVIL), await page.post("/login", b"", content_type="text/plain")]
        asset = await page.get("/static/page.css")
    for reply in replies:
        assert reply.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
    assert (asset.status, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert asset.headers["content-type"].startswith("text/css")


async def test_no_address_leads_out_of_the_page_s_own_files(configuration: Configuration) -> None:
    """Only what lies in the package's folder has an address."""
    async with _serve(configuration, Access()) as page:
        for name in ("..%2fapp.py", "../app.py", "%2e%2e/app.py", "app.py", ""):
            assert (await page.get(f"/static/{name}")).status in {404, 405}


async def test_the_page_works_below_a_prefix_of_a_proxy(configuration: Configuration) -> None:
    """No address begins at the root of the host; each leads up as far as its page lies deep."""
    async with _serve(configuration, Access()) as page:
        bodies = {path: (await page.get(path)).body for path in ("/", "/sources/held", "/sources/held/discard")}
    for path, body in bodies.items():
        places = re.findall(r'(?:href|src|action|data-events)="([^"]+)"', body)
        assert places
        assert [place for place in places if place.startswith("/") or ":" in place] == []
        up = "../" * (path.count("/") - 1) or "./"
        assert f'href="{up}static/page.css' in body


async def test_a_stream_ends_when_the_page_does(configuration: Configuration) -> None:
    """Who still watches when the daemon stops holds it up no more than anybody else."""
    async with _serve(configuration, Access()) as page:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"event: summary")
        watching = asyncio.create_task(reader.read())
    # Without an end it would be watched for ever; so long no machine is busy.
    await asyncio.wait({watching}, timeout=DEADLINE_SECONDS)
    assert watching.done(), "the stream outlived the page"
    await watching
    writer.close()
