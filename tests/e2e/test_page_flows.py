"""What a person does on the page, in headless Chromium, beside a real daemon that delivers to the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from sftp_orchestrator.sandbox.activity import Event, read_activity
from sftp_orchestrator.sandbox.receiver import Sandbox
from sftp_orchestrator.sandbox.settings import Traits
from tests.support.browsing import DEADLINE_MS, open_tab
from tests.support.ports import find_free_port
from tests.support.sandboxes import make_sandbox
from tests.support.service import Service, configure, run_service

expect.set_options(timeout=DEADLINE_MS)
EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,u1\nSold,1700000001,u2\n"
BAD_EVENTS = "event_name,time_stamp,user_id\nSold,1700000000,u1\nSold,soon,<b>u2</b>\nSold,later,u3\n"
PHONE = {"width": 390, "height": 844}
KILLED_LATE = {"SFTP_ORCHESTRATOR_FAILPOINT": "publish.manifest.after:kill"}
"""The receiver has the manifest, and the ledger knows only that it was about to go."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A daemon's folder, its page, and the receiver it delivers to."""

    folder: Path
    config: Path
    port: int
    sandbox: Sandbox

    def drop(self, name: str, content: str) -> None:
        """Drop a file."""
        (self.folder / "staging" / name).write_text(content, encoding="utf-8")

    def list_taken(self) -> list[str]:
        """Return the feeds of what the receiver took, in order."""
        entries = read_activity(self.sandbox.paths.activity)
        return [str(entry.details["data"]).split("_")[0] for entry in entries if entry.event is Event.TAKEN]


@contextlib.asynccontextmanager
async def _set_up(folder: Path, overrides: dict[str, Any] | None = None, **traits: Any) -> AsyncIterator[Place]:
    port = find_free_port()
    web = {"listen": f"127.0.0.1:{port}", **(overrides or {}).pop("web", {})}
    async with make_sandbox(folder / "receiver", traits=Traits(**traits)) as sandbox:
        written = await asyncio.to_thread(configure, folder, sandbox, {"web": web, **(overrides or {})})
        yield Place(folder=folder, config=written.path, port=port, sandbox=sandbox)


@contextlib.asynccontextmanager
async def _run(place: Place) -> AsyncIterator[Service]:
    async with run_service(place.config) as service:
        started = await service.wait_for("daemon_started")
        assert started["page"] == f"http://127.0.0.1:{place.port}/"
        yield service
        assert await service.stop() == 0


async def test_an_upload_is_watched_from_its_arrival_to_its_delivery(tmp_path: Path) -> None:
    """Bar, bytes, rate and time left move without a reload; then it stands among what was delivered today."""
    line = {"destinations": {"production": {"bandwidth": "250 kB/s", "connections": 1}}}
    async with _set_up(tmp_path, line) as place, _run(place), open_tab(place.port) as tab:
        await tab.go()
        await expect(tab.page.locator("#live")).to_have_text("Live")
        await tab.page.evaluate("window.isSamePage = true")
        rows = "".join(f"Sold,{1_700_000_000 + number},{secrets.token_hex(20)}\n" for number in range(20_000))
        await asyncio.to_thread(place.drop, "purchases.csv", f"event_name,time_stamp,user_id\n{rows}")
        work = tab.page.locator(".work", has_text="upload")
        seen = set()
        for least in (0.1, 0.4, 0.7):
            await tab.page.wait_for_function(
                "least => { const bar = document.querySelector('progress'); return bar && bar.position >= least }",
                arg=least,
            )
            seen.add(await work.locator(".numbers").first.text_content())
        assert len(seen) == 3
        await expect(work).to_contain_text(re.compile(r"[\d.]+/1\.1 MB\s+[\d.]+ kB/s, 0:0\d left"))
        await expect(tab.page.locator(".tiles")).to_contain_text("1 going up")
        done = tab.page.locator("[data-live=done]")
        await expect(done.get_by_role("link", name="purchases.csv")).to_be_visible()
        await expect(done).to_contain_text("20,000 rows")
        await expect(tab.page.locator("#needs")).to_contain_text("0")
        assert await tab.page.evaluate("window.isSamePage")
        tab.check()


async def test_a_report_is_read_and_the_file_released_by_keyboard_alone(tmp_path: Path) -> None:
    """From the first page to the report, its refused rows, the question and back, seen at each step; events go on."""
    async with _set_up(tmp_path) as place, _run(place) as service, open_tab(place.port) as tab:
        place.drop("customers.csv", "user_id,Name,phone\nu1,Ada,1\nu2,Bob\n")
        await service.wait_for("source_quarantined")
        place.drop("purchases.csv", EVENTS)
        await service.wait_for("events_wait")
        await tab.go()
        await expect(tab.page).to_have_title("(1) SFTP orchestrator")
        await expect(tab.page.locator("[data-live=waiting]")).to_contain_text(
            "waits for the profiles claimed before it"
        )
        await tab.press_until("Tab", "link", "Look and decide")
        await tab.page.keyboard.press("Enter")
        report = tab.page.locator("[data-live=report]")
        await expect(report).to_contain_text("row.ragged")
        await expect(report).to_contain_text("line 3")
        await tab.press_until("Tab", "link", "Release…")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator(".meaning")).to_contain_text("Events no longer wait for these profiles")
        await tab.press_until("Tab", "button", "Release")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator(".said")).to_have_text("It is released, and goes on.")
        await expect(tab.page.locator("[data-live=moves]")).to_contain_text("released by a person")
        await service.wait_for("source_delivered", file="purchases.csv")
        await tab.press_until("Shift+Tab", "link", "← All files")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("[data-live=done]")).to_contain_text("purchases.csv")
        await place.sandbox.wait_until_idle()
        assert place.list_taken() == ["purchases"]
        tab.check()


async def test_refused_rows_are_read_on_a_phone_and_taken_along(tmp_path: Path) -> None:
    """Rows stand in a table as they are, whatever is in them, can be downloaded, and nothing hangs over the edge."""
    async with (
        _set_up(tmp_path) as place,
        _run(place) as service,
        open_tab(place.port, width=PHONE["width"], height=PHONE["height"], scheme="dark") as tab,
    ):
        place.drop("purchases_<i>.csv", BAD_EVENTS)
        source = (await service.wait_for("source_quarantined"))["source"]
        await tab.go()
        assert await tab.measure_overhang() <= 0
        await tab.page.get_by_role("link", name="purchases_<i>.csv", exact=True).click()
        await expect(tab.page.locator(".cells")).to_contain_text("<b>u2</b>")
        await expect(tab.page.locator(".cells thead")).to_contain_text("Failure Description")
        assert await tab.measure_overhang() <= 0
        async with tab.page.expect_download() as download:
            await tab.page.get_by_role("link", name="Download failed_rows.csv").click()
        saved = await download.value
        assert saved.suggested_filename == "purchases__i_failed_rows.csv"
        kept = tmp_path / "workspace" / "quarantine" / source / "failed_rows.csv"
        assert (await saved.path()).read_bytes() == kept.read_bytes()
        tab.check()


async def test_an_uncertain_part_is_resolved(tmp_path: Path) -> None:
    """Both buttons stand on the first page; sent again by a person's word, after the page said what that means."""
    async with _set_up(tmp_path, removes_taken=True) as place:
        place.drop("purchases.csv", EVENTS)
        async with run_service(place.config, environment=KILLED_LATE) as service:
            assert await service.wait() < 0
        await place.sandbox.wait_until_idle()
        async with _run(place) as service, open_tab(place.port) as tab:
            await service.wait_for("run_finished")
            await tab.go()
            needs = tab.page.locator("[data-live=needs]")
            await expect(needs).to_contain_text("neither data nor manifest is there")
            await expect(needs.get_by_role("link", name="It was taken…")).to_be_visible()
            await needs.get_by_role("link", name="Send it again…").click()
            await expect(tab.page.locator(".meaning")).to_contain_text("every event of it counts twice")
            assert place.list_taken() == ["purchases"]
            await tab.page.get_by_role("button", name="Send it again").click()
            await expect(tab.page.locator(".said")).to_have_text("It is sent again under a new name.")
            await service.wait_for("source_delivered")
            await expect(tab.page.locator("h1 .pill")).to_have_text("archived")
            await place.sandbox.wait_until_idle()
            assert place.list_taken() == ["purchases", "purchases"]
            tab.check()


async def test_who_has_no_token_sees_nothing_and_who_has_it_logs_in(tmp_path: Path) -> None:
    """The right one leads to what was asked for; neither a script of the page nor the log gets to see it."""
    token = secrets.token_hex(16)
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(f"{token}\n")
    async with (
        _set_up(tmp_path, {"web": {"token": {"file": "token"}}}) as place,
        _run(place) as service,
        open_tab(place.port) as tab,
    ):
        place.drop("purchases.csv", BAD_EVENTS)
        source = (await service.wait_for("source_quarantined"))["source"]
        await tab.go(f"/sources/{source}")
        await expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
        assert "purchases" not in await tab.page.content()
        await tab.page.get_by_label("Token").fill("something else of length")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.get_by_role("alert")).to_have_text("That is not the token.")
        tab.complaints.clear()  # The browser tells of the refusal itself.
        await tab.page.get_by_label("Token").fill(token)
        await tab.page.get_by_label("Your name").fill("Anna")
        await tab.page.keyboard.press("Enter")
        await expect(tab.page.locator("h1")).to_contain_text("purchases.csv")
        assert await tab.page.evaluate("document.cookie") == ""
        await tab.page.get_by_role("button", name="Try again").click()
        await service.wait_for("decided_on_page", by="Anna (page)")
        await expect(tab.page.locator("[data-live=moves]")).to_contain_text("Anna (page)")
        await tab.page.get_by_role("button", name="Log out").click()
        await tab.go()
        await expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
        tab.check()
        assert token not in str(service.lines)


async def test_the_page_works_without_script(tmp_path: Path) -> None:
    """What waits is told, and can be decided about, where a browser runs no script."""
    async with (
        _set_up(tmp_path) as place,
        _run(place) as service,
        open_tab(place.port, has_script=False) as tab,
    ):
        place.drop("purchases.csv", BAD_EVENTS)
        await service.wait_for("source_quarantined")
        await tab.go()
        await tab.page.get_by_role("link", name="Look and decide").click()
        await tab.page.get_by_role("link", name="Discard…").click()
        await tab.page.get_by_label("Why").fill("a test of ours")
        await tab.page.get_by_role("button", name="Discard").click()
        await expect(tab.page.locator("[data-live=moves]")).to_contain_text("a test of ours")
        tab.check()


async def test_a_run_by_hand(tmp_path: Path) -> None:
    """By one button what waits for its time is delivered, and the page says so."""
    nightly = {"schedule": {"deliver": "0 2 1 1 *"}}
    async with _set_up(tmp_path, nightly) as place, _run(place) as service, open_tab(place.port) as tab:
        place.drop("customers.csv", "user_id,Name\na,Ada\n")
        await service.wait_for("source_claimed")
        await tab.go()
        await tab.page.get_by_role("button", name="Run now").click()
        await expect(tab.page.locator(".said")).to_have_text(
            "It begins within seconds, or once what is arriving in staging is complete: that goes, too."
        )
        await expect(tab.page.locator("[data-live=done]")).to_contain_text("customers.csv")
        tab.check()
        assert place.list_taken() == ["customers"]
