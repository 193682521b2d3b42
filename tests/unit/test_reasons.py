"""Why a source is held is kept as its reason; what to type is told beside it, once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import sftp_orchestrator
from sftp_orchestrator.calling import COMMAND

PACKAGE = Path(sftp_orchestrator.__file__).parent


def _list_held_for() -> Iterator[str]:
    """Yield each call by which intake, preparation or delivery holds a source, as it stands in the code."""
    for folder in ("intake", "prepare", "deliver"):
        for path in (PACKAGE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "DecisionNeeded":
                    yield ast.unparse(node)


def test_no_reason_tells_what_to_type() -> None:
    """``status``, page, alerts and ``history`` show the commands of ``advice`` below it."""
    found = list(_list_held_for())
    assert len(found) > 5
    assert [call for call in found if COMMAND in call] == []
