"""The sidebar, made from the front page: each of its lists of pages is a part of it, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sphinx.application import Sphinx

FRONT_PAGE = "index"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the sidebar's table of contents to the front page as it is read."""
    app.connect("source-read", _add_sidebar)
    return {"parallel_read_safe": True}


def _add_sidebar(_app: Sphinx, page: str, content: list[str]) -> None:
    if page == FRONT_PAGE:
        content[0] += "".join(_render(content[0]))


def _render(text: str) -> Iterator[str]:
    """Yield a hidden table of contents for each section that lists pages: a line is ``- [Title](page.md): …``."""
    pieces = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)[1:]
    for heading, section in zip(pieces[::2], pieces[1::2], strict=True):
        pages = re.findall(r"^- \[([^\]]+)\]\(([^)#\s]+)\.md\)", section, flags=re.MULTILINE)
        if pages:
            lines = "".join(f"{title} <{page}>\n" for title, page in pages)
            yield f"\n\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{lines}```\n"
