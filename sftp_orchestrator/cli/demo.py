"""``demo``: everything on this machine, from keys to what the receiver saw."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sftp_orchestrator import logs
from sftp_orchestrator.cli import options
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.config.model import FeedType
from sftp_orchestrator.demo import files
from sftp_orchestrator.demo.stage import Outcome, perform
from sftp_orchestrator.errors import ConfigurationError, ExitCode
from sftp_orchestrator.progress import Board

DEFAULT_SIZE = "4MB"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def demo(
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
    logs.configure(quiet=True)
    console = options.get_console()
    folder = root or Path(tempfile.mkdtemp(prefix="sftp-demo-"))
    drop = files.take(folder / "made", file, feed_type) if file else files.generate(folder / "made", size=_parse(size))
    total = options.format_bytes(drop.size)
    console.print(
        f"In {folder}: SSH and OpenPGP keys, a sandbox as receiver, the daemon.", markup=False, soft_wrap=True
    )
    console.print(f"Dropping {total}: {', '.join(one.path.name for one in drop.files)}", markup=False, soft_wrap=True)
    board = Board()
    start = time.monotonic()
    with show_progress(board):
        outcome = asyncio.run(perform(folder, drop, board))
    _print(console, outcome, time.monotonic() - start)
    console.print(f"Look around: {folder}/receiver/activity.jsonl, {folder}/workspace", markup=False, soft_wrap=True)
    return ExitCode.DONE if outcome.is_right else ExitCode.NOT_ALL_DELIVERED


def _parse(size: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?)B?", size.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigurationError("read", f"--size {size}", "it is no size", hint="such as 200MB or 2GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _print(console: Console, outcome: Outcome, seconds: float) -> None:
    table = Table(
        "taken", "file", "type", "parts", "rows in", "rows out", "", title="What the receiver saw, in its order"
    )
    for seen in outcome.seen:
        table.add_row(
            str(seen.order or "-"),
            seen.file.path.name,
            seen.file.type.value,
            str(seen.parts),
            options.format_count(seen.file.rows),
            options.format_count(seen.rows_taken),
            "as it should" if seen.is_right else f"WRONG: {seen.source.state}",
        )
    console.print(table)
    for seen in outcome.seen:
        if seen.source.reason:
            console.print(f"{seen.file.path.name}: {seen.source.state}: {seen.source.reason}", markup=False)
    console.print(
        f"{len(outcome.taken)} encrypted parts taken in {seconds:.1f} s, {outcome.refused} refused. "
        + ("Profiles came before events, events oldest first." if outcome.is_right else "Something went WRONG."),
        markup=False,
        soft_wrap=True,
    )
