"""The page of exit codes has each command's own words; ``make tables`` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from sftp_orchestrator.cli.app import app
from sftp_orchestrator.cli.help import list_endings
from sftp_orchestrator.errors import ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
HEAD = "| Command | When |\n|---|---|\n"


def _walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _walk(below, (*path, name))
    else:
        yield " ".join(path), command


def _render_table(code: ExitCode) -> str:
    """Return the table of the commands that end with ``code``, each with its own words."""
    endings = [(name, list_endings(command)) for name, command in _walk(typer.main.get_command(app))]
    rows = [f"| `{name}` | {when} |\n" for name, told in endings for value, when in told if value == str(code.value)]
    return HEAD + "".join(rows)


@pytest.mark.parametrize("code", ExitCode, ids=lambda code: code.name)
def test_every_command_is_told_with_its_exit_codes(pytestconfig: pytest.Config, code: ExitCode) -> None:
    """Each code has a section, and in it a table of all commands that end so, and no other."""
    text = PAGE.read_text(encoding="utf-8")
    before, heading, rest = text.partition(f"\n## `{code.value}`: {code.name}\n")
    assert heading, f"{PAGE} has no section for {code.value}"
    found = re.search(rf"^{re.escape(HEAD)}(?:\|.*\n)*", rest, flags=re.MULTILINE)
    assert found is not None
    if pytestconfig.getoption("write_tables"):
        rest = rest[: found.start()] + _render_table(code) + rest[found.end() :]
        PAGE.write_text(before + heading + rest, encoding="utf-8")
        return
    assert found[0] == _render_table(code), f"{PAGE}: `make tables` writes what the commands say"


def test_no_other_code_is_told() -> None:
    """The sections are those of the codes, in their order."""
    sections = re.findall(r"^## `(\d+)`", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert sections == [str(code.value) for code in ExitCode]
