"""The threat model names what holds it: each of its tests is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "threat-model.md"


def _list_tests() -> set[tuple[str, str]]:
    return {
        (path.stem, node.name)
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_test_of_the_threat_model_exists() -> None:
    """What the page says is held by a test is: module and function are there."""
    named = set(re.findall(r"`(test_\w+): (test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert named - _list_tests() == set()
