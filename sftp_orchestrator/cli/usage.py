"""What is wrong with a command line, in our own words: the library's speak of its insides."""

from __future__ import annotations

from typing import Any

import pydantic
import typer

from sftp_orchestrator.config.wording import get_nearest

_TYPES = {"int_parsing": "must be a whole number", "int_type": "must be a whole number"}


def describe(error: typer.TyperException) -> str:
    """Return what is wrong, and which help tells more; or that help itself, where a command alone was not enough."""
    context: Any = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():
        return error.message
    said = error.format_message().rstrip(".")
    parameter, cause = getattr(error, "param", None), error.__cause__
    if parameter is not None and isinstance(cause, pydantic.ValidationError):
        said = f"{parameter.opts[0]}: {_say(parameter, cause)}"
    command = context.command_path if context is not None else "sftp-orchestrator"
    return f"sftp-orchestrator: {said} (see: {command} --help)"


def _say(parameter: Any, cause: pydantic.ValidationError) -> str:  # noqa: ANN401 - typer's own click
    found = cause.errors(include_url=False)[0]
    given = str(found["input"])
    choices = [str(choice) for choice in parameter.type_descriptor.choices or ()]
    if choices:
        near = get_nearest(given, choices)
        return f"must be one of {', '.join(choices)} (got {given})" + (f"; did you mean {near}?" if near else "")
    if found["type"] in _TYPES:
        return f"{_TYPES[found['type']]} (got {given})"
    return f"must be {_say_range(parameter.min, parameter.max)} (got {given})"


def _say_range(least: int | None, most: int | None) -> str:
    if most is None:
        return f"{least} or more"
    return f"{most} or less" if least is None else f"{least} to {most}"
