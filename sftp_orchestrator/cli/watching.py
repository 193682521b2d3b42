"""``status --watch``: the same answer again and again, in place, with bars for the work under way."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout
from sftp_orchestrator.cli.display import Picture
from sftp_orchestrator.overview import Overview
from sftp_orchestrator.progress import Work

REFRESH_SECONDS = 1.0
PIPED_SECONDS = 5.0
"""Elsewhere than on a terminal: there every look stays."""
_QUIT = "q"
_FOOT = "q quits"


class Seen:
    """The work that another process has under way, as it was told last."""

    def __init__(self) -> None:
        self.work: list[Work] = []

    def list_work(self) -> list[Work]:
        """Return what is under way."""
        return self.work

    @property
    def sent_bytes(self) -> int:
        """How much it sent in all is not told."""
        return 0


def watch(
    look: Callable[[], Overview], ask_work: Callable[[], list[Work] | None], draw: Callable[[Console, Overview], None]
) -> None:
    """Show what ``look`` finds until ``q`` is pressed, or Ctrl-C raises KeyboardInterrupt.

    On a terminal it stands in place, what is most urgent at the end; elsewhere each look is told below the one before.
    """
    console = layout.make_console()
    if not console.is_terminal:
        _repeat(console, look, draw)
        return
    seen = Seen()
    picture = Picture(seen)
    with _pressing() as wait_for_key, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            overview = look()
            seen.work = (ask_work() or []) if overview.outlook.has_daemon else []
            live.update(_compose(console, overview, picture, seen, draw), refresh=True)
            if wait_for_key(REFRESH_SECONDS) == _QUIT:
                return


def _repeat(console: Console, look: Callable[[], Overview], draw: Callable[[Console, Overview], None]) -> None:
    while True:
        overview = look()
        console.print(f"At {units.format_time(overview.at)}:", markup=False, soft_wrap=True)
        draw(console, overview)
        console.print()
        sys.stdout.flush()
        time.sleep(PIPED_SECONDS)


def _compose(
    console: Console, overview: Overview, picture: Picture, seen: Seen, draw: Callable[[Console, Overview], None]
) -> RenderableType:
    """Return what fits on the screen: a line with the time, the work, and of the rest the end, which is most urgent."""
    head = Text(f"{units.format_time(overview.at)}   {_FOOT}", "dim", no_wrap=True)
    drawn = io.StringIO()
    # As on this terminal, with its colours, but to be cut.
    page = Console(
        file=drawn,
        force_terminal=True,
        width=console.width,
        highlight=False,
        color_system=console.color_system and "standard",  # type: ignore[arg-type] # None = without colours
        no_color=console.no_color,
    )
    draw(page, overview)
    lines = drawn.getvalue().splitlines()
    work = _draw_work(console, picture) if seen.work else []
    room = max(2, console.height - 2 - len(work))
    if len(lines) > room:
        lines = [f"… {len(lines) - room + 1} lines above", *lines[-(room - 1) :]]
    return Group(head, *work, Text.from_ansi("\n".join(lines)))


def _draw_work(console: Console, picture: Picture) -> list[Text]:
    """Return a line for each work under way, in at most half of the screen."""
    options = console.options.copy()
    options.max_height = console.height // 2
    lines = console.render_lines(picture, options, pad=False)
    return [Text.assemble(*((part.text, part.style or "") for part in line)) for line in lines]


@contextlib.contextmanager
def _pressing() -> Iterator[Callable[[float], str]]:
    """Give what waits for a key so many seconds and returns it, or nothing; the terminal is as before afterwards."""
    if not sys.stdin.isatty():
        yield _wait
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _wait_for_key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _wait_for_key(descriptor: int, seconds: float) -> str:
    """Return the key that is pressed meanwhile, or nothing; of a terminal that is gone, that we quit."""
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    return os.read(descriptor, 1).decode("utf-8", "replace") or _QUIT
