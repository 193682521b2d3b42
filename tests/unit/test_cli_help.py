"""``--help``: plain, for 80 columns, with every name whole and how the command ends."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from sftp_orchestrator.cli import examples, execute
from sftp_orchestrator.cli.app import app
from sftp_orchestrator.cli.help import get_summary, list_endings
from sftp_orchestrator.errors import ExitCode
from tests.support.configuration import write_configuration

WIDTH = 80


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own click
    yield " ".join(path), command
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from _walk(below, (*path, name))


COMMANDS = dict(_walk(typer.main.get_command(app), ()))


@pytest.fixture
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command, on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("TERMINAL_WIDTH", str(WIDTH))
    assert execute([*request.param.split(), "--help"]) == ExitCode.DONE
    return capsys.readouterr().out


@pytest.mark.parametrize(("shown", "name"), [(name, name) for name in COMMANDS], indirect=["shown"])
def test_every_name_is_whole_and_plain(shown: str, name: str) -> None:
    """Options, arguments and commands are written out, with what they take in the words of the docs."""
    command = COMMANDS[name]
    assert all(len(line) <= WIDTH for line in shown.splitlines())
    assert "..." not in shown.replace("COMMAND [ARGS]...", "")
    # No types of the language: `<bool>`, `<list[Path]>`, `<int range>`, `{ID}`.
    assert not set("<>{}") & set(shown)
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            for option in parameter.opts:
                assert re.search(rf"^ .*(?<!\S){re.escape(option)}(?![\w-])", shown, flags=re.MULTILINE), option
        if isinstance(parameter, TyperArgument):
            assert parameter.display_name_raw in shown.partition("\n\n")[0]
    for below in getattr(command, "commands", {}):
        assert re.search(rf"^  {below}  ", shown, flags=re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name and " " not in name])
def test_what_is_listed_is_what_a_command_says_of_itself(name: str) -> None:
    """The list of commands is printed without importing them, and agrees with the help of each."""
    assert COMMANDS[""].get_summary(name) == get_summary(COMMANDS[name])


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        ("--version", {"pydantic", "structlog", "sqlalchemy", "duckdb", "asyncssh", "alembic", "numpy"}),
        ("--help", {"pydantic", "structlog", "sqlalchemy", "duckdb", "asyncssh", "alembic", "numpy"}),
        ("status", {"duckdb", "asyncssh", "alembic", "numpy"}),
    ],
)
def test_a_command_imports_what_it_needs(tmp_path: Path, arguments: str, heavy: set[str]) -> None:
    """What costs more than the command itself is not read for it, also where a ledger is there."""
    config = write_configuration(tmp_path).path
    assert execute(["--config", str(config), "status"]) == ExitCode.DONE
    code = (
        "import sys; from sftp_orchestrator.cli import execute\n"
        f"code = execute(['--config', {str(config)!r}, {arguments!r}])\n"
        "print(code, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, *modules = done.stderr.split()
    assert said == "0"
    assert not heavy & set(modules)


@pytest.mark.parametrize(
    ("shown", "name"),
    [(name, name) for name, command in COMMANDS.items() if name not in {"config", "schema", "notify"}],
    indirect=["shown"],
)
def test_how_it_ends_is_told_for_each_command(shown: str, name: str) -> None:
    """The exit codes of this command, each once, the lowest first; none that it cannot end with."""
    told = re.findall(r"^  (\d+)  ", shown.partition("Exit codes:\n")[2], flags=re.MULTILINE)
    assert told == [code for code, _ in list_endings(COMMANDS[name])]
    assert told == sorted(told, key=int)
    assert told[0] == "0"
    assert set(told) <= {str(code.value) for code in ExitCode}
    if name not in {"", "init", "run", "check", "notify test"}:
        assert "3" not in told


@pytest.mark.parametrize("shown", ["history"], indirect=True)
def test_what_is_taken_and_what_holds_without_it_is_told(shown: str) -> None:
    """A number is N, and its default stands beside it; a flag takes nothing."""
    assert re.search(r"^  --limit N +How many [^\[]+\[default: 50\]$", shown, flags=re.MULTILINE)
    assert re.search(r"^  --json +JSON for programs", shown, flags=re.MULTILINE)
    assert shown.startswith("Usage: sftp-orchestrator history [OPTIONS] [ID]\n")


def _list_examples() -> list[tuple[str, str]]:
    return [(name, typed) for name, found in examples.BY_COMMAND.items() for typed, _ in found]


def test_every_command_has_an_example() -> None:
    """Each command and group, and nothing else, shows what may be typed."""
    assert set(examples.BY_COMMAND) == set(COMMANDS)
    assert all(examples.BY_COMMAND.values())


@pytest.mark.parametrize(("name", "typed"), _list_examples())
def test_an_example_can_be_typed(name: str, typed: str) -> None:
    """It calls the command that shows it, with options that there are, and all that are required."""
    words = shlex.split(typed.replace("\\\n", ""))
    below = max((one for one in COMMANDS if words[: len(one.split())] == one.split()), key=len)
    assert below.startswith(name)
    COMMANDS[below].make_context(below, words[len(below.split()) :])


@pytest.mark.parametrize("shown", ["status"], indirect=True)
def test_examples_stand_before_the_exit_codes(shown: str) -> None:
    """What it does above what is typed, whole."""
    told = shown.partition("\nExamples:\n")[2].partition("\nExit codes:")[0].splitlines()
    assert told[2:4] == [
        "  # stays, with a bar for each file under way",
        "  sftp-orchestrator status --watch",
    ]
