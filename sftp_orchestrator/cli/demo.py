"""``demo``: everything on this machine, from keys to what the receiver saw."""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftp_orchestrator import units
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.demo import files
from sftp_orchestrator.demo.stage import Outcome, Seen, perform
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError, ExitCode
from sftp_orchestrator.progress import Board, Phase

DEFAULT_SIZE = "4MB"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def demo(
    context: typer.Context,
    *,
    file: Annotated[Path | None, typer.Option("--file", metavar="CSV", help="Your own file; a copy is sent.")] = None,
    feed_type: Annotated[FeedType, typer.Option("--feed-type", help="What its rows are.")] = FeedType.EVENT,
    size: Annotated[
        str, typer.Option("--size", metavar="SIZE", help="How much to generate: 200MB, 2GB.")
    ] = DEFAULT_SIZE,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="Where everything lies, else a fresh folder.")
    ] = None,
) -> int:
    """Show the main job at work: keys, a look-alike receiver, files dropped in the wrong order, delivered in the right.

    Nothing leaves this machine.
    """
    # The file that is broken on purpose is told of in the answer.
    options.quieten(context, logging.ERROR)
    console = options.get_console()
    folder = root or Path(tempfile.mkdtemp(prefix="sftp-demo-"))
    board = Board()
    with show_progress(board):
        drop = _make(folder / "made", file, feed_type, _parse(size), board)
    total = units.format_bytes(drop.size)
    layout.say(console, f"In {folder}: SSH and OpenPGP keys, a sandbox as receiver, the daemon.")
    layout.say(console, f"Dropping {total}: {', '.join(one.name for one in drop.files)}")
    start = time.monotonic()
    with show_progress(board):
        outcome = asyncio.run(perform(folder, drop, board))
    _print(console, outcome, time.monotonic() - start)
    layout.say(console, f"Look around: {folder}/receiver/activity.jsonl, {folder}/workspace")
    return ExitCode.DONE if outcome.is_right else ExitCode.NOT_ALL_DELIVERED


def _make(folder: Path, file: Path | None, feed_type: FeedType, size: int, board: Board) -> files.Drop:
    if file is not None:
        return files.take(folder, file, feed_type)
    label = "files to drop"
    board.begin(label, Phase.MAKE, size)
    drop = files.generate(folder, size=size, progress=lambda count: board.advance(label, count))
    board.end(label)
    return drop


def _parse(size: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?)B?", size.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigurationError("read", f"--size {size}", "it is no size", hint="such as 200MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _print(console: Console, outcome: Outcome, seconds: float) -> None:
    table = Table("taken", "file", "type", box=None, pad_edge=False, title="What the receiver saw, in its order")
    for heading in ("parts", "rows in", "rows out"):
        table.add_column(heading, justify="right")
    table.add_column("outcome")
    for seen in outcome.seen:
        table.add_row(
            str(seen.order or "-"),
            Text(seen.file.name, overflow="fold"),
            seen.file.type.value,
            str(seen.parts),
            units.format_count(seen.file.rows),
            units.format_count(seen.rows_taken),
            _name_outcome(seen),
        )
    console.print(table, soft_wrap=not console.is_terminal)
    for seen in outcome.seen:
        if seen.source.reason:
            layout.say(console, f"{seen.file.name}: {seen.source.state}: {seen.source.reason}")
    layout.say(console, f"{len(outcome.taken)} encrypted parts taken in {seconds:.1f} s, {outcome.refused} refused.")
    layout.say(
        console,
        "Everything is as it should be: profiles before events, events oldest first, rows in = rows out."
        if outcome.is_right
        else "Something went WRONG: see the outcomes above.",
    )


def _name_outcome(seen: Seen) -> str:
    if not seen.is_right:
        return f"WRONG: {seen.source.state}"
    if seen.source.refused_rows:
        return f"delivered, {units.format_count(seen.source.refused_rows)} rows refused"
    return "kept back" if seen.is_kept_back else "delivered"
