"""The keys of the model, found by walking it: what the sample, the reference and the messages know of a key."""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, PlainSerializer
from pydantic.fields import FieldInfo

from sftp_orchestrator.config import findings
from sftp_orchestrator.config.secrets import SecretReference

SECRET = "writeOnly"  # noqa: S105 - JSON Schema's word for a value that is never shown, not a password
"""A field with this in its ``json_schema_extra`` may hold a secret: its value is never echoed."""

GROUPED_FROM = 1_000_000
"""Whole numbers from here on are written in groups of three, as 5_000_000_000."""


AS_WRITTEN = PlainSerializer(lambda value: value, return_type=Any)
"""For a type whose validator keeps what was written: one value, or several."""


@dataclasses.dataclass(frozen=True)
class Words:
    """In a type's ``Annotated``: how its values are called where no plain type says it."""

    said: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """One key of the model. In ``path`` a name that people choose stands as ``<name>`` or ``<header>``."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def description(self) -> str:
        """What the key means, in a few words."""
        return (self.field.description or "").strip()

    @property
    def model(self) -> type[BaseModel] | None:
        """The model of the value, or of each value of a mapping; None for a plain value."""
        return _find_model(self.field.annotation)

    @property
    def is_mapping(self) -> bool:
        """Whether the value maps names that people choose to models."""
        return get_origin(_strip_none(self.field.annotation)) is dict

    @property
    def is_nullable(self) -> bool:
        """Whether null is allowed."""
        return type(None) in get_args(self.field.annotation)

    @property
    def is_secret(self) -> bool:
        """Whether the value is a secret's reference, or may hold a secret: never echoed."""
        extra = self.field.json_schema_extra
        return self.model is SecretReference or (isinstance(extra, dict) and extra.get(SECRET) is True)

    @property
    def type_name(self) -> str:
        """The type of the value in plain words, or the values allowed."""
        extra = self.field.json_schema_extra
        if isinstance(extra, dict) and isinstance(choices := extra.get("enum"), list):
            return " | ".join("null" if choice is None else str(choice) for choice in choices)
        inner = _strip_none(self.field.annotation)
        named = [
            one.said for one in (*self.field.metadata, *getattr(inner, "__metadata__", ())) if isinstance(one, Words)
        ]
        return (named[0] if named else _name_type(inner)) + (" or null" if self.is_nullable else "")

    @property
    def bounds(self) -> str | None:
        """The numbers allowed, as a range, ``at least 0`` or ``above 0``; None where there is no bound."""
        found: dict[str, Any] = {}
        for constraint in self.field.metadata:
            for name in ("ge", "gt", "le", "lt"):
                if (value := getattr(constraint, name, None)) is not None:
                    found[name] = value
        low, high = found.get("ge"), found.get("le")
        if low is not None and high is not None:
            return f"{_group(low)}\N{EN DASH}{_group(high)}"
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
        return " and ".join(f"{words[name]} {_group(value)}" for name, value in found.items()) or None


def list_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield every key of ``model``, each section's own keys after the key of the section. Pure."""
    for name, field in model.model_fields.items():
        key = Key(path=(*path, name), field=field)
        yield key
        if key.model is not None:
            yield from list_keys(key.model, get_inner_path(key))


def get_inner_path(key: Key) -> tuple[str, ...]:
    """Return the path that the keys inside of ``key`` begin with: one step more where people choose the names. Pure."""
    if not key.is_mapping:
        return key.path
    return (*key.path, "<header>" if key.path[-1] == "columns" else "<name>")


def find_key(model: type[BaseModel], path: findings.KeyPath) -> Key | None:
    """Return the key of ``model`` that a real ``path`` ends at or stands inside of; None where it leaves the model."""
    key: Key | None = None
    inside: type[BaseModel] | None = model
    steps = iter(path)
    for step in steps:
        if inside is None:
            return key
        field = inside.model_fields.get(str(step))
        if field is None:
            return None
        key = Key(path=(*(key.path if key else ()), str(step)), field=field)
        inside = key.model
        if key.is_mapping and next(steps, None) is None:
            return key
    return key


def find_model(model: type[BaseModel], path: findings.KeyPath) -> type[BaseModel] | None:
    """Return the model whose keys stand directly below ``path``; None where people choose the names, or it has none."""
    if not path:
        return model
    key = find_key(model, path)
    parent = find_key(model, path[:-1])
    if key is None:
        return None
    names_chosen_here = key.is_mapping and not (parent is not None and parent.field is key.field)
    return None if names_chosen_here else key.model


def _group(number: float) -> str:
    return f"{number:_}" if number >= GROUPED_FROM else str(number)


def _strip_none(annotation: object) -> object:
    if get_origin(annotation) in {Union, types.UnionType}:
        rest = [choice for choice in get_args(annotation) if choice is not type(None)]
        return rest[0] if len(rest) == 1 else annotation
    return annotation


def _find_model(annotation: object) -> type[BaseModel] | None:
    annotation = _strip_none(annotation)
    if get_origin(annotation) is dict:
        annotation = get_args(annotation)[1]
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _name_type(annotation: object) -> str:
    """Return the plain word for a type; ``Annotated`` counts as what it holds."""
    words: dict[object, str] = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true | false",
        tuple: "list of text",
        dict: "mapping",
        SecretReference: "secret",
    }
    if hasattr(annotation, "__metadata__"):
        annotation = get_args(annotation)[0]
    word = words.get(get_origin(annotation) or annotation)
    if word is None and isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        word = " | ".join(str(choice.value) for choice in annotation)
    if word is None and _find_model(annotation) is not None:
        word = "section"
    return word or "path"
