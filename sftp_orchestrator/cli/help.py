"""What ``--help`` prints: plain text for 80 columns, with every name whole, and how each command ends."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_NUMBER = "N"
"""What stands for a whole number where an option names nothing else."""


class Command(TyperCommand):
    """A command; its epilog has a line for each exit code: the code, and when it ends so."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - typer's own click
        """Return what follows the command's name in the line of usage."""
        arguments = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, TyperArgument)]
        return ["[OPTIONS]", *(argument.display_name_raw for argument in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Write arguments and options."""
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's own click
        """Write how the command ends."""
        _write_section(formatter, "Exit codes", list_endings(self))


class Group(TyperGroup):
    """A command with commands below it."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Write the options, and the commands with their first paragraph in full."""
        _write_parameters(self, ctx, formatter)
        summaries = [(name, _get_summary(command)) for name, command in self.commands.items()]
        _write_section(formatter, "Commands", summaries)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - typer's own click
        """Write how its commands end."""
        _write_section(formatter, "Exit codes", list_endings(self))


def list_endings(command: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - typer's own click
    """Return each exit code of a command, and when it ends with it. Pure."""
    lines = (command.epilog or "").splitlines()
    return [(code, when) for code, _, when in (line.partition(" ") for line in lines)]


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
    rows: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        if isinstance(parameter, TyperArgument):
            rows["Arguments"].append((parameter.display_name_raw, parameter.help or ""))
        elif isinstance(parameter, TyperOption):
            rows["Options"].append((_name(parameter, ctx), _describe(parameter)))
    for heading, found in rows.items():
        _write_section(formatter, heading, found)


def _write_section(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:  # noqa: ANN401 - typer's own click
    if rows:
        with formatter.section(heading):
            formatter.write_dl(rows)


def _get_summary(command: Any) -> str:  # noqa: ANN401 - typer's own click
    return " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())


def _name(option: TyperOption, ctx: Any) -> str:  # noqa: ANN401 - typer's own click
    names = ", ".join(sorted(option.opts, key=len))
    if option.is_flag:
        return names
    is_number = option.min is not None or option.max is not None
    value = option.metavar or (_NUMBER if is_number else option.display_type(ctx).strip("<>"))
    return f"{names} {value}"


def _describe(option: TyperOption) -> str:
    return " ".join([option.help or "", *_list_notes(option)])


def _list_notes(option: TyperOption) -> Iterator[str]:
    if option.required:
        yield "[required]"
    elif not option.is_flag and option.default is not None:
        yield f"[default: {option.default}]"
