"""The documentation as a site: built without a warning, every link followed, and nothing asked for elsewhere."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.support.listening import find_program

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ASKED_FOR = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""The elements that make a browser ask for something by itself, and by which attribute."""
DEADLINE_SECONDS = 60
LEFT_OUT = {"genindex.html", "search.html"}
"""Pages of the site that no page of the documentation becomes."""


@dataclass(kw_only=True)
class Page(HTMLParser):
    """A built page: what it asks for, what it leads to, and the anchors that it has."""

    path: Path
    asked_for: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Read the page."""
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element leads to."""
        found = dict(attrs)
        self.anchors |= {found["id"] or ""} if "id" in found else set()
        # Sphinx names the search's and the index's pages so, which no browser asks for.
        if found.get("rel") in {"search", "index", "next", "prev"}:
            return
        asked = found.get(ASKED_FOR.get(tag, ""))
        self.asked_for += [asked] if asked else []
        self.links += [found["href"] or ""] if tag == "a" and "href" in found else []


def _is_elsewhere(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in {"", "data"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--fail-on-warning", "--keep-going", "--quiet", "-d", str(folder / "doctrees"), "-c", str(DOCS / "site"))
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / "html")],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert (built.returncode, built.stdout + built.stderr) == (0, "")
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site, by its path."""
    return {path: Page(path=path) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_built_and_in_the_sidebar(site: Path, pages: dict[Path, Page]) -> None:
    """Each page of the documentation is one of the site, to which the front page's sidebar leads."""
    written = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md") if path.name != "README.md"}
    built = {path.relative_to(site) for path in pages}
    assert built == written | {Path(name) for name in LEFT_OUT}
    front = (site / "index.html").read_text(encoding="utf-8")
    sidebar = re.search(r'<div class="sidebar-tree">(.*?)</div>', front, re.DOTALL)
    assert sidebar is not None
    assert {Path(link) for link in re.findall(r'href="([^"#]+)"', sidebar[1])} == written - {Path("index.html")}
    captions = re.findall(r'class="caption-text">([^<]+)<', sidebar[1])
    assert captions == ["Tutorial", "How to", "Reference", "Explanation"]


def test_every_link_and_anchor_of_the_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    """What a page leads to is there: the file, and in it the anchor. Pictures, styles and scripts are there, too."""
    assert list(_list_broken(pages)) == []


def _list_broken(pages: dict[Path, Page]) -> Iterator[tuple[str, str]]:
    for path, page in pages.items():
        for link in (*page.links, *page.asked_for):
            if _is_elsewhere(link) or link.startswith("data:"):
                continue
            parts = urllib.parse.urlsplit(link)
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.is_file() or (parts.fragment and urllib.parse.unquote(parts.fragment) not in anchors):
                yield path.name, link


def test_no_page_asks_for_anything_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    """No script, style, font or picture comes from another host, in pages or in style sheets."""
    assert [link for page in pages.values() for link in page.asked_for if _is_elsewhere(link)] == []
    styles = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.css")}
    assert styles
    for path, style in styles.items():
        named = [name.strip("'\"") for name in re.findall(r"(?:url\(|@import\s+)([^);]+)", style)]
        assert [name for name in named if _is_elsewhere(name)] == [], path.name


async def test_it_is_found_and_read_without_a_network(site: Path) -> None:
    """The search finds pages from the folder alone, and pages follow the reader's wish for light or dark."""
    asked: list[str] = []
    async with async_playwright() as playwright:
        chromium = await asyncio.to_thread(find_program, "chromium")
        browser = await playwright.chromium.launch(executable_path=chromium)
        colours = set()
        for scheme in ("light", "dark"):
            context = await browser.new_context(color_scheme=scheme, offline=True)
            page = await context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            await page.goto((site / "search.html").as_uri() + "?q=uncertain")
            await page.get_by_role("link", name="On call", exact=True).first.click(timeout=20_000)
            await page.wait_for_url("**/how-to/on-call.html*")
            colours.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
        await browser.close()
    assert len(colours) == 2
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1100, 1200, 1312, 1320, 1366, 1400, 1410, 1920])
async def test_no_page_is_wider_than_the_window(site: Path, width: int) -> None:
    """Sidebar, text and the contents of the page have room beside each other; what is too wide is moved by itself."""
    async with async_playwright() as playwright:
        chromium = await asyncio.to_thread(find_program, "chromium")
        browser = await playwright.chromium.launch(executable_path=chromium)
        page = await browser.new_page(viewport={"width": width, "height": 900})
        for name in ("reference/metrics.html", "how-to/on-call.html"):
            await page.goto((site / name).as_uri())
            root = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert root == [width, width], name
        await browser.close()
