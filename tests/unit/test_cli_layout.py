"""How the commands lay out what they tell: folded on a terminal, whole elsewhere."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from sftp_orchestrator.cli.layout import Entry, complain, make_console, print_entries, say

LONG = "region/purchases_2026-01-02T03-04-05_export_from_the_warehouse_of_the_western_region_number_0001.csv"
ENTRIES = [
    Entry(cells=("41dd9ez5rf", "ready"), name="a.csv", facts="(purchases, 1.1 kB)"),
    Entry(
        cells=("thzt3k292j", "quarantined"),
        name=LONG,
        facts="(purchases, 133.2 MB, 0/3 delivered, 3 planned, 5 min ago)",
        details=(
            ("why", "line 2: " + "a quoted field that begins here never ends " * 3),
            ("next", "first"),
            ("next", "sftp-orchestrator retry thzt3k292j"),
        ),
    ),
]


def _print(entries: list[Entry], *, terminal: bool, width: int = 80) -> list[str]:
    file = io.StringIO()
    print_entries(Console(file=file, force_terminal=terminal, width=width, no_color=True, color_system=None), entries)
    return file.getvalue().splitlines()


def test_elsewhere_than_on_a_terminal_every_line_is_whole_and_begins_with_the_id() -> None:
    """Piped output is one line a source and one a detail, uncut at any width, and can be found by the id."""
    lines = _print(ENTRIES, terminal=False, width=20)
    assert lines == [
        "41dd9ez5rf  ready        a.csv  (purchases, 1.1 kB)",
        f"thzt3k292j  quarantined  {LONG}  {ENTRIES[1].facts}",
        f"thzt3k292j  why: {ENTRIES[1].details[0][1]}",
        "thzt3k292j  next: first",
        "thzt3k292j  next: sftp-orchestrator retry thzt3k292j",
    ]


@pytest.mark.parametrize("width", [40, 80, 132])
def test_on_a_terminal_nothing_is_cut_and_no_line_is_wider(width: int) -> None:
    """Names and reasons are folded, never shortened; the id and the command to type stay in one piece."""
    lines = _print(ENTRIES, terminal=True, width=width)
    assert max(map(cell_len, lines)) <= width
    squeezed = "".join("".join(lines).split())
    for text in (LONG, ENTRIES[1].facts, ENTRIES[1].details[0][1]):
        assert "".join(text.split()) in squeezed
    assert sum(line.startswith("thzt3k292j  quarantined  ") for line in lines) == 1
    if width >= 80:
        assert any(line.strip() == "sftp-orchestrator retry thzt3k292j" for line in lines)


PATH = "/var/lib/sftp-orchestrator/workspace/rejected/41dd9ez5rf/failed_rows.csv"


@pytest.mark.parametrize("place", ["facts", "details"])
def test_a_path_stays_whole(place: str) -> None:
    """What does not fit beside the id has a line of its own, to be copied; the words around it are folded as ever."""
    said = f"9 of 10 rows sent, 1 refused: {PATH} has what is left of it"
    texts: dict[str, Any] = {"facts": said} if place == "facts" else {"details": (("rows", said),)}
    lines = _print([Entry(cells=("41dd9ez5rf",), name="a.csv", **texts)], terminal=True)
    assert f"  {PATH}" in lines
    assert " ".join(" ".join(lines).split()).endswith(said)


def test_further_lines_hang_below_the_first() -> None:
    """A line that begins with blanks is folded below its text."""
    file = io.StringIO()
    say(Console(file=file, force_terminal=True, width=40, color_system=None), "    line 2: " + "word " * 12)
    assert {line[:4] for line in file.getvalue().splitlines()} == {"    "}
    assert not any(line[4:].startswith(" ") for line in file.getvalue().splitlines())


def test_an_error_elsewhere_than_on_a_terminal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """However long it is, with every blank that is in it."""
    text = f"sftp-orchestrator: read {LONG}:  {LONG}: it is `a command` and no file"
    complain(text)
    assert capsys.readouterr().err == f"{text}\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_nothing_is_styled_where_that_is_not_wanted(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Neither colour nor bold nor dim: no escape at all, though it is a terminal."""
    file = io.StringIO()
    for variable in ("NO_COLOR", "COLORTERM", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("sys.stdout", file)
    monkeypatch.setattr(file, "isatty", lambda: True)
    print_entries(make_console(), ENTRIES)
    assert "\x1b[" in file.getvalue()
    file.truncate(0)
    monkeypatch.setenv(name, value)
    print_entries(make_console(), ENTRIES)
    assert file.getvalue().strip("\0")
    assert "\x1b" not in file.getvalue()


def test_what_fits_stays_on_one_line() -> None:
    """Where name and facts fit beside each other, a source takes a single line of the terminal."""
    (line,) = _print(ENTRIES[:1], terminal=True)
    assert line == "41dd9ez5rf  ready  a.csv  (purchases, 1.1 kB)"


def test_markup_in_names_is_text() -> None:
    """A file name with brackets is shown as it is."""
    for terminal in (True, False):
        (line,) = _print([Entry(cells=("id",), name="[red]a[/red].csv")], terminal=terminal)
        assert line == "id  [red]a[/red].csv"


def test_no_entries_print_nothing() -> None:
    """An empty list is an empty answer."""
    assert _print([], terminal=True) == []


def test_a_line_is_folded_between_words_on_a_terminal_alone() -> None:
    """A sentence is folded between its words where people read it, and left whole where programs do."""
    text = "word " * 30 + "end"
    for terminal in (True, False):
        file = io.StringIO()
        say(Console(file=file, force_terminal=terminal, width=80, color_system=None), text)
        lines = file.getvalue().splitlines()
        assert " ".join(" ".join(lines).split()) == text
        assert len(lines) == (2 if terminal else 1)
