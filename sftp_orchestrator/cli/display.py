"""Live progress on a terminal: a bar for each part under way, with bytes, rate and time left; nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sftp_orchestrator.progress import Board, Work

REFRESH_SECONDS = 0.2


@contextlib.contextmanager
def show_progress(board: Board) -> Iterator[None]:
    """Show what is on ``board`` while the body runs, where stderr is a terminal; the log scrolls above it."""
    if not sys.stderr.isatty():
        yield
        return
    progress = Progress(
        TextColumn("{task.fields[phase]:8}"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
    stopped = threading.Event()
    painter = threading.Thread(target=_paint, args=(progress, board, stopped), name="progress", daemon=True)
    with progress:
        painter.start()
        try:
            yield
        finally:
            stopped.set()
            painter.join()


def _paint(progress: Progress, board: Board, stopped: threading.Event) -> None:
    shown: dict[tuple[str, str, float], TaskID] = {}
    while not stopped.wait(REFRESH_SECONDS):
        current = {(work.label, work.phase.value, work.started): work for work in board.list_work()}
        for key in shown.keys() - current.keys():
            progress.remove_task(shown.pop(key))
        for key, work in current.items():
            if key not in shown:
                shown[key] = _add(progress, work)
            progress.update(shown[key], completed=work.done_bytes)


def _add(progress: Progress, work: Work) -> TaskID:
    return progress.add_task(work.label, total=work.total_bytes or None, phase=work.phase.value)
