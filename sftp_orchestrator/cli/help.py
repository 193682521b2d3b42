"""What ``--help`` prints: plain text for 80 columns, every name whole, examples, and how each command ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, ClassVar

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from sftp_orchestrator.calling import COMMAND
from sftp_orchestrator.cli import examples

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

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Write what may be typed, and how the command ends."""
        _write_examples(ctx, formatter)
        _write_section(formatter, "Exit codes", list_endings(self))


class Group(TyperGroup):
    """A command with commands below it."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Write the options, and the commands with their first paragraph in full."""
        _write_parameters(self, ctx, formatter)
        _write_section(formatter, "Commands", [(name, self.get_summary(name)) for name in self.commands])

    def get_summary(self, name: str) -> str:
        """Return what a command below it does, in one paragraph."""
        return get_summary(self.commands[name])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
        """Write what may be typed, and how its commands end."""
        _write_examples(ctx, formatter)
        _write_section(formatter, "Exit codes", list_endings(self))


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A command that is imported once it is called: most of what one needs the others do not."""

    load: Callable[[str], Any]
    """returns the command of this name"""
    summary: str
    """the first paragraph of its help"""


class LazyGroup(Group):
    """A group whose commands are listed by a subclass, and imported one by one."""

    listed: ClassVar[Mapping[str, Listed]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _LazyCommands(self.listed)

    def get_summary(self, name: str) -> str:
        """Return what is listed."""
        return self.listed[name].summary


class _LazyCommands(MutableMapping[str, Any]):
    """The commands of a group by name, each loaded when it is looked up."""

    def __init__(self, listed: Mapping[str, Listed]) -> None:
        self._listed = listed
        self._loaded: dict[str, Any] = dict.fromkeys(listed)

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - typer's own click
        if self._loaded[name] is None:
            self._loaded[name] = self._listed[name].load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - typer's own click
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


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


def _write_examples(ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own click
    """Write what may be typed, each below what it does, so that a line can be copied whole."""
    with formatter.section("Examples"):
        for typed, does in examples.BY_COMMAND[get_full_name(ctx)]:
            formatter.write(f"  # {does}\n  {COMMAND} {typed}\n")


def get_full_name(ctx: Any) -> str:  # noqa: ANN401 - typer's own click
    """Return the name of a command with those of the groups above it, without the program's own. Pure."""
    above = ctx.parent
    return "" if above is None else f"{get_full_name(above)} {ctx.info_name}".strip()


def get_summary(command: Any) -> str:  # noqa: ANN401 - typer's own click
    """Return the first paragraph of a command's help. Pure."""
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
