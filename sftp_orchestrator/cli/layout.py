"""Entries for people: folded to the width of a terminal; elsewhere a line each, whole, so that one can grep."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import typer
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

GAP = "  "
_WORDS = re.compile(r"(?:`[^`]*`|\S)+\s*")
"""A command in backticks counts as one."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing to tell: what one must see whole, what it is called, and more about it."""

    cells: tuple[str, ...]
    """never folded nor cut; the first, such as an id, stands before every line that is not on a terminal"""
    name: str
    facts: str = ""
    """beside the name where there is room for both, else below it"""
    details: tuple[tuple[str, str], ...] = ()
    """a word and its text, a line each at least"""
    style: str = ""
    """of the cells after the first"""


def make_console(*, is_error: bool = False) -> Console:
    """Return stdout, or stderr: styled only on a terminal, and not with NO_COLOR, which means bold and dim, too."""
    return Console(stderr=is_error, highlight=False, color_system=None if os.environ.get("NO_COLOR") else "auto")


def say(console: Console, text: str) -> None:
    """Print a line, folded between words on a terminal alone; further lines begin where its text does."""
    if not console.is_terminal:
        console.print(text, markup=False, soft_wrap=True)
        return
    words = text.lstrip(" ")
    _print_hanging(console, Text(text[: len(text) - len(words)]), words)


def complain(text: str) -> None:
    """Print what went wrong on stderr: folded between words on a terminal, else whole.

    No path, id or command in backticks is ever broken, so that it can be copied; the terminal folds what is too wide.
    """
    if not sys.stderr.isatty():
        typer.echo(text, err=True)
        return
    width = make_console(is_error=True).width
    for number, line in enumerate(_fold(text, width - len(GAP))):
        typer.echo((GAP if number else "") + line, err=True)


def _fold(text: str, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` cells, but for a word that is wider. Pure."""
    lines = [""]
    for word in _WORDS.findall(text):
        if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def print_entries(console: Console, entries: Sequence[Entry]) -> None:
    """Print ``entries`` with their cells aligned; on a terminal those that say more stand apart."""
    widths = [max(map(cell_len, column)) for column in zip(*(entry.cells for entry in entries), strict=True)]
    for entry in entries:
        if console.is_terminal:
            _print_folded(console, entry, widths)
        else:
            _print_whole(console, entry, widths)


def _print_whole(console: Console, entry: Entry, widths: Sequence[int]) -> None:
    lines = [GAP.join([*_align(entry.cells, widths), entry.name, entry.facts]).rstrip()]
    lines += [f"{entry.cells[0]}{GAP}{word}: {text}" for word, text in entry.details]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _print_folded(console: Console, entry: Entry, widths: Sequence[int]) -> None:
    first, *others = _align(entry.cells, widths)
    head = Text.assemble((first, "bold"), GAP)
    for cell in others:
        head.append(cell, entry.style).append(GAP)
    indent = cell_len(first) + len(GAP)
    beside = entry.facts and head.cell_len + cell_len(f"{entry.name}{GAP}{entry.facts}") <= console.width
    _print_hanging(console, head, entry.name + (GAP + entry.facts if beside else ""))
    if entry.facts and not beside:
        _print_hanging(console, Text(" " * indent), entry.facts)
    for word, text in _drop_repeated(entry.details):
        _print_hanging(console, Text(" " * indent + f"{word:<4}{GAP}", "dim"), text)
    if entry.details:
        console.print()


def _print_hanging(console: Console, head: Text, body: str) -> None:
    """Print ``body`` beside ``head``, its further lines below its own first one.

    A path that does not fit there has a line of its own, whole, to be copied.
    """
    room = max(console.width - head.cell_len, 1)
    beside = head
    for piece in _split_at_paths(body, room):
        is_path = piece.startswith("/") and cell_len(piece) > room
        lines = [Text(piece)] if is_path else Text(piece).wrap(console, room, overflow="fold") or [Text()]
        for line in lines:
            if is_path and beside.plain.strip():
                console.print(beside, soft_wrap=True)
            console.print((Text(GAP) if is_path else beside) + line, soft_wrap=True)
            beside = Text(" " * head.cell_len)


def _split_at_paths(text: str, room: int) -> Iterator[str]:
    """Yield ``text`` in pieces: each path that does not fit into ``room`` cells is one. Pure."""
    if not any(word.startswith("/") and cell_len(word) > room for word in text.split()):
        yield text
        return
    before: list[str] = []
    for word in text.split():
        if not (word.startswith("/") and cell_len(word) > room):
            before.append(word)
            continue
        if before:
            yield " ".join(before)
        yield word
        before = []
    if before:
        yield " ".join(before)


def _drop_repeated(details: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    last = ""
    for word, text in details:
        yield ("" if word == last else word), text
        last = word


def _align(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [set_cell_size(cell, width) for cell, width in zip(cells, widths, strict=True)]
