"""The commented sample, made from the model: descriptions are its comments, examples and defaults its values."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from sftp_orchestrator.config.keys import Key
from sftp_orchestrator.config.model import Column, Configuration
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.config.yaml_text import render_flow

_HEAD = """\
# The configuration of SFTP orchestrator: every key, with its default or an example.
# Relative paths are relative to this file. Unknown keys are errors. 'sftp-orchestrator check' tells what is missing.

"""
_COMMENT_COLUMN = 51
_WIDTH = 120
_INDENT = "  "
_ON_ONE_LINE: tuple[type[BaseModel], ...] = (SecretReference, Column)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Line:
    code: str
    comment: str = ""


def render() -> str:
    """Return the sample as YAML text; it loads once the files it names exist. Pure."""
    blocks: list[str] = []
    said: set[str] = set()
    for name, field in Configuration.model_fields.items():
        key = Key(path=(name,), field=field)
        lines = ""
        for line in _render_key(key, _get_example(key), depth=0):
            # A second entry of the same kind need not be explained again.
            lines += _format(dataclasses.replace(line, comment="") if line.comment in said else line)
            said.add(line.comment)
        # Sections are set apart by an empty line, plain values stand together.
        blocks.append(lines if key.model is None else f"\n{lines}")
    return _HEAD + "".join(blocks)


def render_given(values: Mapping[str, Any]) -> str:
    """Return ``values``, nested as in the configuration, as YAML text: each key with its comment, and no other. Pure.

    What maps headers or rules is left to whoever knows more to say of them.
    """
    lines = _render_section(
        Configuration, values, (), 0, Configuration.model_fields.keys() - values.keys(), whole=False
    )
    return "".join(map(_format, lines))


def _render_key(key: Key, value: Any, depth: int, *, whole: bool = True) -> Iterator[_Line]:  # noqa: ANN401 - an example's value is of any type
    start = f"{_INDENT * depth}{key.path[-1]}:"
    if key.model is None or key.model is SecretReference or value is None:
        yield _Line(code=f"{start} {render_flow(value)}", comment=key.description)
        return
    yield _Line(code=start, comment=key.description)
    if not key.is_mapping:
        hidden = frozenset() if whole else key.model.model_fields.keys() - value.keys()
        yield from _render_section(key.model, value, key.path, depth + 1, hidden, whole=whole)
    elif key.model in _ON_ONE_LINE:
        width = max(map(len, value), default=0) + 1
        for name, entry in value.items():
            yield _Line(code=f"{_INDENT * (depth + 1)}{f'{name}:':{width}} {render_flow(entry)}")
    else:
        yield from _render_entries(key.model, value, key.path, depth + 1, whole=whole)


def _render_entries(
    model: type[BaseModel], entries: Mapping[str, Mapping[str, Any]], path: tuple[str, ...], depth: int, *, whole: bool
) -> Iterator[_Line]:
    """Yield the named entries, each with its own keys; of a ``whole`` the first also with those that no other shows."""
    first = next(iter(entries))
    elsewhere = {shown for name, entry in entries.items() if name != first for shown in entry}
    for name, entry in entries.items():
        yield _Line(code=f"{_INDENT * depth}{name}:")
        hidden = {shown for shown in model.model_fields if shown not in entry}
        if name == first and whole:
            hidden &= elsewhere
        yield from _render_section(model, entry, (*path, name), depth + 1, hidden, whole=whole)


def _render_section(
    model: type[BaseModel],
    given: Mapping[str, Any],
    path: tuple[str, ...],
    depth: int,
    hidden: set[str] | frozenset[str] = frozenset(),
    *,
    whole: bool = True,
) -> Iterator[_Line]:
    for name, field in model.model_fields.items():
        if name not in hidden:
            key = Key(path=(*path, name), field=field)
            yield from _render_key(key, given[name] if name in given else _get_example(key), depth, whole=whole)


def _get_example(key: Key) -> Any:  # noqa: ANN401 - an example's value is of any type
    """Return the value to show: the field's example, else its default."""
    if key.field.examples:
        return key.field.examples[0]
    if key.model is not None and not key.is_nullable:
        return {}
    return to_jsonable_python(key.field.get_default(call_default_factory=True))


def _format(line: _Line) -> str:
    if not line.comment:
        return f"{line.code}\n"
    start = f"{line.code:{_COMMENT_COLUMN - 2}}  # "
    words = textwrap.wrap(line.comment, max(_WIDTH - len(start), 30))
    rest = "".join(f"{' ' * (len(start) - 2)}# {more}\n" for more in words[1:])
    return f"{start}{words[0]}\n{rest}"
