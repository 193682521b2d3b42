"""Live progress: what is drawn of a board, and a log that does not tear it."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator

import pytest
import structlog
from rich.cells import cell_len
from rich.console import Console

from sftp_orchestrator.cli.display import Meter, Picture, divide, shorten, show_progress
from sftp_orchestrator.progress import Board, Phase

LONG = "region/purchases_2026-01-02T03-04-05_export_of_the_western_region_0001.csv"


class _Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def _fresh_log() -> Iterator[None]:
    """A log that leaves nothing to later tests."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def _draw(picture: Picture, width: int = 80, height: int = 24) -> list[str]:
    file = io.StringIO()
    Console(file=file, force_terminal=True, width=width, height=height, color_system=None).print(picture)
    return file.getvalue().splitlines()


def test_each_part_shows_bytes_rate_and_time_left_within_eighty_columns() -> None:
    """A part under way shows its phase, name, bytes of bytes, rate of late and time left; a total stands below."""
    now = [100.0]
    board = Board()
    board.begin(f"{LONG} 12/34", Phase.UPLOAD, 4_000_000_000)
    picture = Picture(board, clock=lambda: now[0])
    _draw(picture)
    board.advance(f"{LONG} 12/34", 1_000_000_000)
    now[0] += 10
    part, total = _draw(picture)
    assert cell_len(part) <= 80
    assert re.match(r"upload  region/.*….*csv 12/34 ", part)
    assert re.search(r"1\.0/4\.0 GB +100\.0 MB/s +0:30$", part)
    assert total == "sent    1.0 GB so far, 100.0 MB/s"


@pytest.mark.parametrize(
    ("width", "labels", "names", "bars"),
    [
        (80, ["a.csv 1/1"], 9, 27),
        (80, [LONG], 26, 10),
        (160, ["a.csv 1/1"], 9, 107),
        (160, [LONG, "a.csv 1/1"], cell_len(LONG), 160 - 44 - cell_len(LONG)),
        (40, [LONG], 14, 10),
    ],
)
def test_bars_have_what_the_names_leave(width: int, labels: list[str], names: int, bars: int) -> None:
    """Names come first, and a bar is never so short that nothing is seen."""
    assert divide(width, labels) == (names, bars)


@pytest.mark.parametrize("width", [80, 132])
def test_a_bar_fills_the_line(width: int) -> None:
    """And the line fits."""
    board = Board()
    board.begin("a.csv 1/1", Phase.UPLOAD, 4_000_000_000)
    (part,) = _draw(Picture(board), width=width)
    assert width - 2 <= cell_len(part) <= width


def test_what_the_receiver_imports_has_a_share_and_no_rate_of_sending_beside_it() -> None:
    """Once all is sent its rate says nothing any more; how far the receiver is does."""
    now = [100.0]
    board = Board()
    board.begin("a.csv 1/1", Phase.UPLOAD, 300_000_000)
    picture = Picture(board, clock=lambda: now[0])
    _draw(picture)
    board.advance("a.csv 1/1", 300_000_000)
    board.end("a.csv 1/1")
    board.begin("what was sent", Phase.IMPORT, 400_000_000)
    board.advance("what was sent", 100_000_000)
    now[0] += 1
    imported, total = _draw(picture)
    assert re.match(r"import  what was sent .* 100\.0/400\.0 MB ", imported)
    assert total == "sent    300.0 MB so far"


def test_a_line_that_stalls_is_seen_within_seconds() -> None:
    """The rate is that of the last seconds: it falls to nothing when no byte is acknowledged any more."""
    meter = Meter()
    rates = [meter.look(float(second), min(second, 10) * 1000) for second in range(20)]
    assert rates[10] == 1000
    assert rates[19] == 0


def test_an_upload_that_begins_again_has_no_rate_below_zero() -> None:
    """A repeated upload counts from nothing, and so does its rate."""
    meter = Meter()
    meter.look(0.0, 0)
    meter.look(1.0, 500)
    assert meter.look(2.0, 100) == 0
    assert meter.look(3.0, 300) == 200


def test_more_work_than_lines_is_counted() -> None:
    """What does not fit on the screen is told as a number."""
    board = Board()
    for number in range(30):
        board.begin(f"a.csv {number}/30", Phase.ENCRYPT, 10)
    lines = _draw(Picture(board), height=13)
    assert lines[-1] == "and 20 more"
    assert len(lines) == 11


def test_nothing_under_way_draws_nothing() -> None:
    """An idle daemon leaves the terminal to the log."""
    assert _draw(Picture(Board())) == [""] or _draw(Picture(Board())) == []


@pytest.mark.parametrize("cells", [14, 20, 40, 200])
def test_a_long_name_keeps_its_end(cells: int) -> None:
    """The middle of a long name is left out, for its end says which part it is."""
    found = shorten(f"東京{LONG} 12/34", cells)
    assert cell_len(found) <= cells
    assert found.endswith(" 12/34")


@pytest.mark.usefixtures("_fresh_log")
def test_a_log_line_scrolls_above_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log line is written through the display, on a line of its own; afterwards the log is as it was."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(terminal)
    )
    board = Board()
    board.begin("a.csv 1/1", Phase.UPLOAD, 10)
    before = structlog.get_config()["logger_factory"]
    with show_progress(board):
        structlog.get_logger().info("seen")
    assert structlog.get_config()["logger_factory"] is before
    assert sys.stderr is terminal
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).replace("\r", "\n")
    assert '{"event": "seen"}' in [line.strip() for line in plain.splitlines()]


def test_without_a_terminal_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file gets log lines alone."""
    board = Board()
    board.begin("a.csv 1/1", Phase.UPLOAD, 10)
    with show_progress(board):
        pass
    assert capsys.readouterr() == ("", "")
