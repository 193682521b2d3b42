"""``demo``: everything on this machine, from keys to what the receiver saw."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftp_orchestrator import threads, units
from sftp_orchestrator.cli import layout, options
from sftp_orchestrator.cli.display import show_progress
from sftp_orchestrator.demo import files
from sftp_orchestrator.demo.stage import Outcome, Seen, perform
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError, ExitCode
from sftp_orchestrator.prepare.refusals.quarantine import REPORT_NAME
from sftp_orchestrator.prepare.refusals.rejecting import FAILED_ROWS_NAME
from sftp_orchestrator.progress import Board, Phase
from sftp_orchestrator.workspace import Workspace, remove_tree

DEFAULT_SIZE = "4MB"
SMALLEST_BYTES = 1_000
"""Less than this shows nothing: each file has a row at least."""
_WORKSPACE = "workspace"
_WRONG = "Something went WRONG: see the outcomes above."
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def demo(
    context: typer.Context,
    *,
    file: Annotated[Path | None, typer.Option("--file", metavar="CSV", help="Your own file; a copy is sent.")] = None,
    feed_type: Annotated[
        FeedType | None, typer.Option("--feed-type", help="What the rows of your file are; event unless told.")
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="HEADER=PROPERTY", help="What a column of your file is: --map customer=identity."
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option("--size", metavar="SIZE", help="How much to generate: 200MB, 2GB; 4MB unless told.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="DIR", help="Where everything lies, else a fresh folder.")
    ] = None,
) -> int:
    """Show the main job at work: keys, a look-alike receiver, files dropped in the wrong order, delivered in the right.

    Nothing leaves this machine.
    """
    # The file that is broken on purpose is told of in the answer.
    options.quieten(context, logging.ERROR)
    make = _choose(file, feed_type, mapping or [], size)
    if root is not None and (root / _WORKSPACE).exists():
        # Its ledger, not what happens now, would be the story told.
        raise ConfigurationError("use", f"--root {root}", "a demo has run there before", hint="name a fresh folder")
    folder = root or Path(tempfile.mkdtemp(prefix="sftp-demo-"))
    try:
        with contextlib.ExitStack() as stack:
            if root is None:
                stack.callback(remove_tree, folder)
            outcome = _play(folder, make)
            # It came to its end: what was made is there to be looked at.
            stack.pop_all()
    except KeyboardInterrupt:
        left = f"{folder} is removed again" if root is None else f"what was made lies in {folder}"
        layout.complain(f"sftp-orchestrator: interrupted; {left}")
        raise
    console = options.get_console()
    layout.say(console, f"Look around: {folder}/receiver/activity.jsonl, {folder / _WORKSPACE}")
    if root is None:
        layout.say(console, f"When you are done: rm -rf {folder}")
    return ExitCode.DONE if outcome.is_right else ExitCode.NOT_ALL_DELIVERED


_Make = Callable[[Path, Board], files.Drop]


def _choose(file: Path | None, feed_type: FeedType | None, mapping: Sequence[str], size: str | None) -> _Make:
    """Return what makes the files to drop; raises ConfigurationError where options do not go together."""
    if file is None:
        for option, given in {"--feed-type": feed_type, "--map": mapping}.items():
            if given:
                raise ConfigurationError("use", option, "it is about your own file", hint="give --file, too")
        return functools.partial(_generate, size=_parse(size or DEFAULT_SIZE))
    if size is not None:
        raise ConfigurationError("use", f"--size {size}", "it is how much to generate", hint="--file is sent as it is")
    chosen = dict(_parse_mapping(text) for text in mapping)
    return lambda folder, _: files.take(folder, file, feed_type or FeedType.EVENT, chosen)


def _generate(folder: Path, board: Board, *, size: int) -> files.Drop:
    label = "files to drop"
    board.begin(label, Phase.MAKE, size)
    drop = files.generate(folder, size=size, progress=lambda count: board.advance(label, count))
    board.end(label)
    return drop


def _parse(size: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMG]?)B?", size.strip(), re.IGNORECASE)
    if found is None:
        raise ConfigurationError("read", f"--size {size}", "it is no size", hint="such as 200MB or 2GB")
    parsed = int(float(found[1]) * _UNITS[found[2].upper()])
    if parsed < SMALLEST_BYTES:
        least = units.format_bytes(SMALLEST_BYTES)
        raise ConfigurationError("read", f"--size {size}", f"it is less than {least}", hint="such as 200MB or 2GB")
    return parsed


def _parse_mapping(text: str) -> tuple[str, str]:
    header, _, property_ = text.rpartition("=")
    if not header or not property_:
        raise ConfigurationError("read", f"--map {text}", "it is no HEADER=PROPERTY", hint="such as customer=identity")
    return header, property_


def _play(folder: Path, make: _Make) -> Outcome:
    """Make the files, deliver them, and print what came of it."""
    console = options.get_console()
    board = Board()
    with show_progress(board):
        drop = make(folder / "made", board)
    total = units.format_bytes(drop.size)
    layout.say(console, f"In {folder}: SSH and OpenPGP keys, a sandbox as receiver, the daemon.")
    layout.say(console, f"Dropping {total}: {', '.join(one.name for one in drop.files)}")
    start = time.monotonic()
    with show_progress(board):
        outcome = threads.run(perform(folder, drop, board))
    _print(console, outcome, time.monotonic() - start)
    layout.say(console, _judge_own(outcome, folder) if drop.is_own else _judge(outcome))
    return outcome


def _print(console: Console, outcome: Outcome, seconds: float) -> None:
    table = Table("taken as", "file", "type", box=None, pad_edge=False, title="What the receiver saw, in its order")
    for heading in ("parts", "rows in", "rows out"):
        table.add_column(heading, justify="right")
    table.add_column("outcome")
    for seen in outcome.seen:
        table.add_row(
            _name_places(seen.places),
            Text(seen.file.name, overflow="fold"),
            seen.file.type.value,
            str(seen.parts),
            units.format_count(seen.rows_in),
            units.format_count(seen.rows_taken),
            _name_outcome(seen),
        )
    console.print(table, soft_wrap=not console.is_terminal)
    for seen in outcome.seen:
        if seen.source.reason:
            layout.say(console, f"{seen.file.name}: {seen.source.state}: {seen.source.reason}")
    layout.say(console, f"{len(outcome.taken)} encrypted parts taken in {seconds:.1f} s, {outcome.refused} refused.")


def _judge(outcome: Outcome) -> str:
    if not outcome.is_right:
        return _WRONG
    return "Everything is as it should be: profiles before events, events oldest first, rows in = rows out."


def _judge_own(outcome: Outcome, folder: Path) -> str:
    """Say what came of the user's own file, and where to look; of one file there is no order to speak of."""
    (seen,) = outcome.seen
    workspace, refused = Workspace(root=folder / _WORKSPACE), seen.source.refused_rows
    if seen.is_kept_back:
        report = workspace.get_quarantine(seen.source.id) / REPORT_NAME
        hint = json.loads(report.read_text(encoding="utf-8"))["hint"]
        return f"Your file was kept back: nothing of it was sent{f'; {hint}' if hint else ''}. See {report}"
    if not outcome.is_right:
        return _WRONG
    if refused:
        rows = workspace.get_rejected(seen.source.id) / FAILED_ROWS_NAME
        return (
            f"Your file was delivered, but for the rows that break a rule ({units.format_count(refused)}). See {rows}"
        )
    return "Your file was delivered: rows in = rows out."


def _name_places(places: Sequence[int]) -> str:
    if not places:
        return "-"
    return str(places[0]) if len(places) == 1 else f"{places[0]}-{places[-1]}"


def _name_outcome(seen: Seen) -> str:
    if seen.is_kept_back and (seen.is_right or seen.file.is_own):
        return "kept back"
    if not seen.is_right:
        return f"WRONG: {seen.source.state}"
    refused = seen.source.refused_rows
    return f"delivered, {units.format_count(refused)} rows refused" if refused else "delivered"
