"""Headless Chromium on the daemon's page: what it says wrong in its console, and whom it asks, is noted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Page, async_playwright

from tests.support.listening import find_program

DEADLINE_MS = 20_000
"""For anything that a page is waited for; generous, for a machine that is shared."""


@dataclass(kw_only=True)
class Tab:
    """A page in a browser of its own."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)
    """errors in the console, and those that nobody caught"""
    strangers: list[str] = field(default_factory=list)
    """addresses that it asked for elsewhere"""

    async def go(self, path: str = "/") -> None:
        """Go to a path of the page."""
        await self.page.goto(f"{self.origin}{path}")

    async def press_until(self, key: str, role: str, name: str) -> None:
        """Press ``key`` until the focus is on what has this role and begins with this name, and can be seen there."""
        target = self.page.get_by_role(role, name=name).first  # type: ignore[arg-type] # one of many literals
        for _ in range(60):
            await self.page.keyboard.press(key)
            if await target.evaluate("element => element === document.activeElement"):
                outline = await target.evaluate("element => getComputedStyle(element).outlineStyle")
                assert outline != "none", f"nobody sees that the focus is on {name}"
                return
        msg = f"{key} never leads to {role} {name}"
        raise AssertionError(msg)

    async def measure_overhang(self) -> int:
        """Return how many pixels the page is wider than its window."""
        found: int = await self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return found

    def check(self) -> None:
        """Check that nothing was wrong so far, and nobody else was asked."""
        assert (self.complaints, self.strangers) == ([], [])


@contextlib.asynccontextmanager
async def open_tab(
    port: int,
    *,
    width: int = 1280,
    height: int = 900,
    scheme: Literal["light", "dark"] = "light",
    scale: float = 1,
    has_script: bool = True,
) -> AsyncIterator[Tab]:
    """Run a browser for the time of the context, with a page of this size; ``check`` it yourself."""
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": height},
        "color_scheme": scheme,
        "device_scale_factor": scale,
        "java_script_enabled": has_script,
    }
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=find_program("chromium"))
        try:
            page = await browser.new_page(**options)
            page.set_default_timeout(DEADLINE_MS)
            tab = Tab(page=page, origin=f"http://127.0.0.1:{port}")
            page.on("console", lambda said: tab.complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: tab.complaints.append(str(error)))
            page.on(
                "request",
                lambda asked: None if asked.url.startswith(f"{tab.origin}/") else tab.strangers.append(asked.url),
            )
            yield tab
        finally:
            await browser.close()
