"""Tables in the documentation whose cells are what tests saw: a test fails where the page says something else.

``pytest --write-tables`` writes what is seen instead; the columns, and the words around them, are written by hand.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTHING = "-"


@dataclass(frozen=True, kw_only=True)
class Table:
    """The first table of ``page``; its rows are called by their first cell."""

    page: Path
    is_writing: bool

    def note(self, row: str, column: str, seen: str) -> None:
        """Compare the cell with what was ``seen``, or write it."""
        head, rows = self.read()
        place = head.index(column)
        if not self.is_writing:
            assert row in rows, f"{self.page} has no row {row!r}: `make tables` writes it"
            assert rows[row][place] == seen, f"{self.page}, {row}, {column}: `make tables` writes what is seen"
            return
        rows.setdefault(row, [row, *[NOTHING] * (len(head) - 1)])[place] = seen
        self._write(head, list(rows.values()))

    def read(self) -> tuple[list[str], dict[str, list[str]]]:
        """Return the head and the rows."""
        first, last = _find_table(lines := self._read_lines())
        head, *rows = [_split(line) for line in lines[first:last] if not line.startswith("|--")]
        return head, {row[0]: row for row in rows}

    def _read_lines(self) -> list[str]:
        return self.page.read_text(encoding="utf-8").splitlines()

    def _write(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = self._read_lines()
        first, last = _find_table(lines)
        table = [f"| {' | '.join(row)} |" for row in [head, *rows]]
        table.insert(1, "|---" * len(head) + "|")
        text = "\n".join([*lines[:first], *table, *lines[last:], ""])
        self.page.write_text(text, encoding="utf-8")


def _find_table(lines: Sequence[str]) -> tuple[int, int]:
    """Return the numbers of its first line, and of the first one behind it."""
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    length = sum(1 for _ in itertools.takewhile(lambda line: line.startswith("|"), lines[first:]))
    return first, first + length


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--write-tables``."""
    parser.addoption("--write-tables", action="store_true", help="write what tests saw into the documentation's tables")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to write with several processes, which would take each other's cells away."""
    if config.getoption("write_tables") and config.getoption("numprocesses"):
        raise pytest.UsageError("--write-tables wants one process: `make tables`")


@pytest.fixture
def receivers_table(pytestconfig: pytest.Config) -> Table:
    """Receivers and what each of them does."""
    return Table(page=DOCS / "reference" / "receivers.md", is_writing=pytestconfig.getoption("write_tables"))


@pytest.fixture
def faults_table(pytestconfig: pytest.Config) -> Table:
    """What goes wrong between us and a receiver, and what comes of it."""
    return Table(page=DOCS / "explanation" / "faults.md", is_writing=pytestconfig.getoption("write_tables"))
