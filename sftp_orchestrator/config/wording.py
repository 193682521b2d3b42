"""What pydantic found, in plain words: what the value must be, what it is, which key was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import pydantic
from pydantic_core import ErrorDetails

from sftp_orchestrator.config import findings, keys, model
from sftp_orchestrator.config.document import Document
from sftp_orchestrator.config.findings import Finding, KeyPath
from sftp_orchestrator.config.keys import Key
from sftp_orchestrator.config.secrets import SecretReference

_LONGEST_ECHO = 60
"""Characters of a value that a message repeats."""

_TYPES = {
    "string_type": "must be text",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
_HINTS = {
    "string_type": "put it in quotes",
    "path_type": "put it in quotes",
    "tuple_type": "write [one, another]",
    "dict_type": "leave the key out to have its defaults",
    "model_type": "leave the key out to have its defaults",
}
_BARE_TYPES = frozenset({"int_type", "float_type", "bool_type"})
_OUT_OF_BOUNDS = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})


def get_finding(error: ErrorDetails, document: Document) -> Finding:
    """Return ``error`` as a finding with its line and, unless the key may hold a secret, the value. Pure."""
    at_name = error["loc"][-1:] == ("[key]",)
    path: KeyPath = error["loc"][:-1] if at_name else error["loc"]
    key = keys.find_key(model.Configuration, path)
    said, hint = _say(error, path, key)
    if error["type"] in _TYPES and document.places[path].kind in {"a list", "a mapping", "nothing"}:
        said += f" (got {document.places[path].kind})"
    elif error["type"] not in {"missing", "extra_forbidden"} and not at_name:
        said += get_echo(path, document)
    if error["type"] in _BARE_TYPES and (document.places[path].text or "").startswith('"'):
        hint = "leave the quotes out"
    return Finding(path=hide_secret(path), said=said, hint=hint, line=document.get_line(path))


def require_value(path: KeyPath, text: str) -> str:
    """Return ``text`` where the configuration takes it as the text of the key at ``path``. Pure.

    Raises ``ValueError``, which says in plain words what it must be.
    """
    key = keys.find_key(model.Configuration, path)
    if key is None:
        msg = f"no key of the configuration: {findings.format_path(path)}"
        raise LookupError(msg)
    taken = pydantic.TypeAdapter[str](Annotated[str, *key.field.metadata])
    try:
        return taken.validate_python(text)
    except pydantic.ValidationError as error:
        said, _ = _say(error.errors(include_url=False)[0], path, key)
    raise ValueError(said)


def get_echo(path: KeyPath, document: Document) -> str:
    """Return `` (got …)`` for the scalar at ``path``; nothing for a list, a mapping and what may be a secret. Pure."""
    place = document.places.get(path)
    if place is None or place.text is None or is_secret(path) or "-----" in place.text:
        return ""
    shown = "".join(letter if letter.isprintable() else "…" for letter in place.text)
    return f" (got {shown if len(shown) <= _LONGEST_ECHO else shown[:_LONGEST_ECHO] + '…'})"


def is_secret(path: KeyPath) -> bool:
    """Whether the value at ``path`` may be a secret, or stand inside of one. Pure."""
    return _find_secret(path) is not None


def hide_secret(path: KeyPath) -> KeyPath:
    """Return ``path``, cut where it goes on below a secret with other keys than the model's own. Pure."""
    end = _find_secret(path)
    if end is None or len(path) == end:
        return path
    return path[: end + 1] if path[end] in SecretReference.model_fields else path[:end]


def get_nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the one of ``choices`` that ``word`` most resembles, in any case; None where none is near. Pure."""
    folded = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def _find_secret(path: KeyPath) -> int | None:
    """Return how many steps of ``path`` lead to the secret; None where it leads to none."""
    for length in range(1, len(path) + 1):
        key = keys.find_key(model.Configuration, path[:length])
        if key is not None and key.is_secret:
            return length
    return None


def _say(error: ErrorDetails, path: KeyPath, key: Key | None) -> tuple[str, str | None]:
    """Return what is wrong, and the hint."""
    kind = error["type"]
    said, hint = error["msg"], None
    if kind == "extra_forbidden":
        said, hint = "unknown key", _say_known(path)
    elif kind == "missing":
        said, hint = "is required", (key.description or None) if key else None
    elif kind == "model_type" and key is not None and key.model is SecretReference:
        said = "must be {file: PATH}, {env: NAME} or {credential: NAME}, never the secret itself"
    elif kind in _OUT_OF_BOUNDS and key is not None:
        said = f"must be {key.bounds}"
    elif kind in _TYPES:
        said, hint = _TYPES[kind], _HINTS.get(kind)
    elif kind in _WITH_CONTEXT:
        said, hint = _WITH_CONTEXT[kind](error.get("ctx", {}), "" if is_secret(path) else str(error["input"]))
    return said, hint


def _say_error(context: dict[str, Any], _given: str) -> tuple[str, str | None]:
    error = context["error"]
    return str(error), f"did you mean {error.meant}?" if isinstance(error, findings.MisspeltError) else None


def _say_choice(context: dict[str, Any], given: str) -> tuple[str, str | None]:
    choices = re.findall(r"'([^']*)'", context["expected"])
    near = get_nearest(given, choices)
    return f"must be one of {', '.join(choices)}", f"did you mean {near}?" if near else None


def _say_pattern(context: dict[str, Any], _given: str) -> tuple[str, str | None]:
    return model.PATTERN_MEANINGS.get(context["pattern"], "has the wrong form"), None


def _say_short(context: dict[str, Any], _given: str) -> tuple[str, str | None]:
    return f"must have at least {context['min_length']} entry", None


def _say_long_text(context: dict[str, Any], _given: str) -> tuple[str, str | None]:
    return f"must be at most {context['max_length']} characters long", None


_WITH_CONTEXT: dict[str, Callable[[dict[str, Any], str], tuple[str, str | None]]] = {
    "value_error": _say_error,
    "enum": _say_choice,
    "literal_error": _say_choice,
    "string_pattern_mismatch": _say_pattern,
    "string_too_short": lambda _context, _given: ("must not be empty", None),
    "string_too_long": _say_long_text,
    "too_short": _say_short,
}


def _say_known(path: KeyPath) -> str | None:
    """Return the hint for an unknown key: the nearest known one, where else it belongs, or all that are known."""
    section = keys.find_model(model.Configuration, path[:-1])
    known = list(section.model_fields) if section is not None else []
    if is_secret(path):
        return f"known are {', '.join(known)}"
    if near := get_nearest(str(path[-1]), known):
        return f"did you mean {near}?"
    elsewhere = [key.path for key in keys.list_keys(model.Configuration) if key.path[-1] == path[-1]]
    if elsewhere:
        return f"it belongs to {findings.format_path(elsewhere[0][:-1]) or 'the outermost level'}"
    return f"known are {', '.join(known)}"
