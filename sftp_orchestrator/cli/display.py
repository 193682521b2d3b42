"""Live progress on a terminal: a line for each part under way, with bytes, rate and time left; nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import structlog
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout
from sftp_orchestrator.progress import Board, Phase, Work

REFRESHES_PER_SECOND = 5
RATE_SECONDS = 5.0
"""A rate is that of the last seconds: long enough to be calm, short enough to show a line that stalls."""
LEAST_BAR_CELLS = 10
FIXED_CELLS = 44
"""What all columns but the name and the bar take, gaps included."""
_LABEL_TAIL_CELLS = 12


@contextlib.contextmanager
def show_progress(board: Board) -> Iterator[None]:
    """Show what is on ``board`` while the body runs, where stderr is a terminal; the log scrolls above it.

    The body must not print on stdout: both would write to the same lines.
    """
    if not sys.stderr.isatty():
        yield
        return
    console = layout.make_console(is_error=True)
    before = structlog.get_config()["logger_factory"]
    with Live(
        Picture(board), console=console, transient=True, redirect_stdout=False, refresh_per_second=REFRESHES_PER_SECOND
    ):
        # From here on ``sys.stderr`` is the display's own: a log line that is written to it moves the display down.
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        try:
            yield
        finally:
            structlog.configure(logger_factory=before)


class Meter:
    """The rate of one count, from looks at it."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def look(self, now: float, count: int) -> float:
        """Note that ``count`` stands at ``now`` seconds, and return its rise per second of late."""
        if self._looks and count < self._looks[-1][1]:
            self._looks.clear()
        self._looks.append((now, count))
        while len(self._looks) > 2 and now - self._looks[1][0] >= RATE_SECONDS:
            self._looks.popleft()
        since, first = self._looks[0]
        return (count - first) / (now - since) if now > since else 0.0


class Shown(Protocol):
    """What there is to draw: a board, or what is known of another process's."""

    def list_work(self) -> list[Work]:
        """Return what is under way."""

    @property
    def sent_bytes(self) -> int:
        """Bytes sent since the start; 0 = nothing is said of it."""


class Picture:
    """What is drawn of a board, anew for each look."""

    def __init__(self, board: Shown, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock
        self._meters: dict[tuple[str, Phase, float], Meter] = {}
        self._sent = Meter()

    def __rich_console__(self, console: Console, room: ConsoleOptions) -> RenderResult:
        work, now = self._board.list_work(), self._clock()
        sent = self._board.sent_bytes
        rate = self._sent.look(now, sent)
        self._forget_all_but(work)
        if not work:
            return
        shown = work[: max(1, room.max_height - 3)]
        table = Table.grid(padding=(0, 1))
        for one in shown:
            table.add_row(*self._draw(one, now, *divide(room.max_width, [one.label for one in shown])))
        yield table
        if len(shown) < len(work):
            yield Text(f"and {len(work) - len(shown)} more")
        if sent:
            # Once all is sent the rate of late only falls, which would look like trouble.
            is_over = all(one.phase is Phase.IMPORT for one in work)
            speed = f", {units.format_bytes(rate)}/s" if rate and not is_over else ""
            yield Text(f"sent    {units.format_bytes(sent)} so far{speed}", "bold", no_wrap=True)

    def _forget_all_but(self, work: list[Work]) -> None:
        keys = {(one.label, one.phase, one.started) for one in work}
        self._meters = {key: self._meters.get(key) or Meter() for key in keys}

    def _draw(self, work: Work, now: float, label_cells: int, bar_cells: int) -> list[RenderableType]:
        rate = self._meters[work.label, work.phase, work.started].look(now, work.done_bytes)
        name: list[RenderableType] = [Text(f"{work.phase.value:7}"), Text(shorten(work.label, label_cells))]
        # A manifest is too short to be counted.
        if work.phase is Phase.PUBLISH or not work.total_bytes:
            return name
        done, left = work.done_bytes, max(work.total_bytes - work.done_bytes, 0)
        return [
            *name,
            ProgressBar(total=work.total_bytes, completed=done, width=bar_cells),
            Text(f"{units.format_share(done, work.total_bytes):>14}"),
            Text(f"{units.format_bytes(rate) + '/s' if rate else '':>10}"),
            Text(f"{units.format_seconds(left / rate) if rate else '-:--':>7}"),
        ]


def divide(width: int, labels: Sequence[str]) -> tuple[int, int]:
    """Return how wide names and bars are on a terminal of ``width``: the bars have what the names leave. Pure."""
    left = width - FIXED_CELLS
    wanted = max(map(cell_len, labels), default=0)
    names = min(wanted, max(left - LEAST_BAR_CELLS, _LABEL_TAIL_CELLS + 2))
    return names, max(left - names, LEAST_BAR_CELLS)


def shorten(label: str, cells: int) -> str:
    """Return ``label`` in at most ``cells``, its middle left out: the end of a name tells parts apart. Pure."""
    if cell_len(label) <= cells:
        return label
    head, tail = label[:-_LABEL_TAIL_CELLS], label[-_LABEL_TAIL_CELLS:]
    while head and cell_len(head) + 1 + cell_len(tail) > cells:
        head = head[:-1]
    return f"{head}…{tail}"
