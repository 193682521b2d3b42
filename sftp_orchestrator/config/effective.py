"""The configuration as it takes effect: defaults filled in, paths absolute, secrets as references only."""

from __future__ import annotations

import json

import yaml
from pydantic import BaseModel

from sftp_orchestrator.config.ledger_url import hide_password
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.secrets import SecretReference


def get_effective(configuration: Configuration) -> dict[str, object]:
    """Return every key with its value, as plain dict, list, str, int, float, bool and None. Pure.

    A secret is its reference, never its content; a password in ``ledger.url`` is ``***``.
    """
    values = _plain(configuration)
    ledger = {**_plain(configuration.ledger), "url": hide_password(configuration.ledger.url)}
    return {**values, "ledger": ledger}


def render_yaml(configuration: Configuration) -> str:
    """Return the effective values as YAML; without a hidden password it loads to the same configuration. Pure."""
    return yaml.safe_dump(get_effective(configuration), sort_keys=False, allow_unicode=True, width=120)


def render_json(configuration: Configuration) -> str:
    """Return the effective values as JSON. Pure."""
    return json.dumps(get_effective(configuration), indent=2, ensure_ascii=False) + "\n"


def list_changes(before: Configuration, after: Configuration) -> list[str]:
    """Return the keys whose effective values differ, in their order. Pure."""
    return _compare(get_effective(before), get_effective(after), "")


def _compare(before: object, after: object, key: str) -> list[str]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [key] if before != after else []
    names = dict.fromkeys([*before, *after])
    return [
        changed
        for name in names
        for changed in _compare(before.get(name), after.get(name), f"{key}.{name}" if key else str(name))
    ]


def _plain(section: BaseModel) -> dict[str, object]:
    shown = {name: _plain_value(getattr(section, name)) for name in type(section).model_fields}
    if isinstance(section, SecretReference):
        return {name: value for name, value in shown.items() if value is not None}
    return shown


def _plain_value(value: object) -> object:
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, dict):
        return {key: _plain_value(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain_value(entry) for entry in value]
    # Numbers, booleans and null are themselves; paths and choices are text.
    return value if value is None or type(value) in {str, int, float, bool} else str(value)
