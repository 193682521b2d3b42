"""The reference page of the configuration, made from the model."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from sftp_orchestrator.config import keys
from sftp_orchestrator.config.keys import Key
from sftp_orchestrator.config.loading import DEFAULT_PATHS
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.places import VARIABLE
from sftp_orchestrator.config.secrets import SecretReference

_HEAD = f"""\
# Configuration

One YAML file, named by `--config FILE` or `{VARIABLE}`; where neither names one, the first of
{" and ".join(f"`{path}`" for path in DEFAULT_PATHS)} that is there.
`sftp-orchestrator init` makes one, `config sample` prints every key, `config schema` its JSON Schema, `config show` the
values in effect, `check` says everything that is wrong in it.

- Relative paths are relative to the file's folder.
- Unknown keys and keys given twice are errors.
- Text that YAML would read as a number or as true/false goes in quotes: `username: "1000000000"`.
- Cron lines mean what crontab(5) says (Sunday is 0 or 7), in the `timezone`.

Made from the model by `sftp_orchestrator/config/reference.py`; a test holds the two together.
"""


def render() -> str:
    """Return the page as Markdown: a table for each section of the model, then one for secrets. Pure."""
    return _HEAD + "".join(_render_sections(Configuration, ())) + _render_table("Secrets", SecretReference, ())


def _render_sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    yield _render_table(f"`{'.'.join(path)}`" if path else "The outermost keys", model, path)
    for name, field in model.model_fields.items():
        key = Key(path=(*path, name), field=field)
        if key.model is not None and key.model is not SecretReference:
            yield from _render_sections(key.model, keys.get_inner_path(key))


def _render_table(title: str, model: type[BaseModel], path: tuple[str, ...]) -> str:
    rows = [_render_row(Key(path=(*path, name), field=field)) for name, field in model.model_fields.items()]
    head = "| Key | Value | Default | Meaning |\n|---|---|---|---|\n"
    return f"\n## {title}\n\n{inspect.getdoc(model)}\n\n{head}{''.join(rows)}"


def _render_row(key: Key) -> str:
    value = key.type_name if key.bounds is None else f"{key.type_name}, {key.bounds}"
    cells = (f"`{key.path[-1]}`", _escape(value), _get_default(key), _escape(key.description))
    return f"| {' | '.join(cells)} |\n"


def _get_default(key: Key) -> str:
    if key.field.is_required():
        return "**required**"
    if key.model is not None and not key.is_nullable:
        return "see below" if not key.is_mapping else "`{}`"
    return f"`{json.dumps(to_jsonable_python(key.field.get_default(call_default_factory=True)), ensure_ascii=False)}`"


def _escape(text: str) -> str:
    """Return ``text`` for a cell: what Markdown would take for a column's end or a tag stays what it is."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
