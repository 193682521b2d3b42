"""Values written as YAML that is read back as the same, and that a person can look at. All pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

from sftp_orchestrator.config import keys

LONGEST_KEY = 1000
"""YAML takes a key for one only if its colon follows within 1024 characters; longer ones are marked by ``?``."""
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@:-]*|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9.]+:[0-9]+")


def render_flow(value: object) -> str:
    """Return ``value`` on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {render_flow(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(quote(entry) if isinstance(entry, str) else json.dumps(entry) for entry in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and value >= keys.GROUPED_FROM:
        return f"{value:_}"
    if isinstance(value, str):
        return render_text(value)
    return json.dumps(value)


def render_text(text: str) -> str:
    """Return ``text`` as it is where YAML reads it so, else in quotes: as a value or as a key."""
    return text if _PLAIN.fullmatch(text) and yaml.safe_load(text) == text else quote(text)


def quote(text: str) -> str:
    """Return ``text`` in double quotes; what cannot be seen, and what would end the line, is escaped."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escape(ord(char)) for char in shown)


def _escape(code: int) -> str:
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
