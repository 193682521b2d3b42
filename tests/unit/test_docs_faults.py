"""What the documentation says of faults of this machine is held by tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "explanation" / "faults.md"
HEADING = "## On this machine"
COLUMNS = 5


def _list_rows() -> list[list[str]]:
    part = PAGE.read_text(encoding="utf-8").split(HEADING)[1]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def _list_tests() -> set[str]:
    """Return the name of every test function."""
    return {
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_fault_of_this_machine_is_held_by_tests_that_exist() -> None:
    """No row is empty, and none rests on a test that was renamed or removed."""
    known, rows = _list_tests(), _list_rows()
    assert rows
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row[-1])
        assert len(row) == COLUMNS, row
        assert named, row
        assert set(named) <= known, (row[0], set(named) - known)
