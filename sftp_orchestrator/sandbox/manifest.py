"""A manifest, read as strictly as the receiver reads it (CleverTap, *Imports via SFTP*)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sftp_orchestrator.sandbox.refusals import INCORRECT_MANIFEST, Ignored, Refusal

TYPES = frozenset({"profile", "event"})
DATA_TYPES = frozenset({"STRING", "INTEGER", "LONG", "FLOAT", "BOOLEAN", "DATE"})
_TIMED_FORMATS = (
    "dd/MM/yyyy HH:mm:ss",
    "MM/dd/yyyy HH:mm:ss",
    "yyyy/dd/MM HH:mm:ss",
    "yyyy/MM/dd HH:mm:ss",
    "dd MMM yyyy HH:mm:ss",
)
DATE_FORMATS = frozenset(
    {
        *_TIMED_FORMATS,
        *(timed.removesuffix(" HH:mm:ss") for timed in _TIMED_FORMATS),
        "yyyy-MM-dd",
        "yyyy-MM-dd'T'HH:mm:ss",
        "UNIX",
    }
)
"""Case-sensitive (*Imports via SFTP*; the two with dashes: *Imports: FAQs*)."""
MAX_BYTES = 1_000_000
"""More than a mapping of every column could need; what is larger is not read into memory."""

_ONE_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\".]+(\.[^@\s,;<>\".]+)+")
_KNOWN_KEYS = frozenset({"fileName", "type", "columns", "clientEmail", "keyId"})
_KNOWN_COLUMN_KEYS = frozenset({"ctName", "dataType", "dateFormat"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """What the manifest says of one column of the data."""

    property_name: str
    data_type: str = "STRING"
    date_format: str | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest in which every detail is well-formed."""

    file_name: str
    type: str
    client_email: str
    key_id: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    """By the column's header."""

    @property
    def is_encrypted(self) -> bool:
        """Whether the data file's name says that it is encrypted."""
        return self.file_name.endswith(".asc")


def parse_document(content: bytes) -> dict[str, Any]:
    """Return the JSON object in ``content``, its ``clientEmail`` checked, the rest not.

    Raises:
        Ignored: it is not strictly JSON in UTF-8, no object, or names no address to answer to: the vendor stays silent.
    """
    try:
        # RecursionError: nested deeper than any manifest.
        document = json.loads(content.decode(), object_pairs_hook=_require_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Ignored(f"invalid JSON: {error}") from error
    if not isinstance(document, dict):
        raise Ignored("invalid JSON: not an object")
    email = document.get("clientEmail")
    if not isinstance(email, str) or not _ONE_ADDRESS.fullmatch(email):
        raise Ignored("clientEmail is missing" if email is None else f"clientEmail {email!r} is not one address")
    return document


def read_manifest(document: Mapping[str, Any]) -> Manifest:
    """Return the manifest that a checked ``document`` stands for.

    Raises:
        Refusal: a detail is missing, unknown or invalid.
    """
    _require_known(document, _KNOWN_KEYS, "the manifest")
    file_name = _get_text(document, "fileName", "the manifest")
    if file_name is None:
        raise _incorrect("fileName is missing")
    key_id = _get_text(document, "keyId", "the manifest")
    columns = document.get("columns", {})
    if not isinstance(columns, dict):
        raise _incorrect("columns is not an object")
    return Manifest(
        file_name=file_name,
        type=_read_type(document),
        client_email=document["clientEmail"],
        key_id=key_id,
        columns={header: _read_column(header, column) for header, column in columns.items()},
    )


def _require_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            msg = f"the key {key!r} stands there twice"
            raise ValueError(msg)
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _read_type(document: Mapping[str, Any]) -> str:
    kind = _get_text(document, "type", "the manifest")
    if kind is None:
        raise _incorrect("type is missing")
    if kind.lower() not in TYPES:
        raise _incorrect(f"type {kind!r} is neither profile nor event")
    return kind.lower()


def _read_column(header: str, column: object) -> Column:
    where = f"column {header!r}"
    if not isinstance(column, dict):
        raise _incorrect(f"{where} is not an object")
    _require_known(column, _KNOWN_COLUMN_KEYS, where)
    data_type = (_get_text(column, "dataType", where) or "STRING").upper()
    if data_type not in DATA_TYPES:
        raise _incorrect(f"{where}: unknown dataType {column['dataType']!r}")
    date_format = _get_text(column, "dateFormat", where)
    if date_format is not None and date_format not in DATE_FORMATS:
        raise _incorrect(f"{where}: unknown dateFormat {date_format!r}")
    if data_type == "DATE" and date_format is None:
        raise _incorrect(f"{where}: a DATE needs a dateFormat")
    name = _get_text(column, "ctName", where) or header
    return Column(property_name=name, data_type=data_type, date_format=date_format)


def _require_known(found: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(set(found) - known)
    if unknown:
        raise _incorrect(f"{where} has the unknown key {unknown[0]!r}")


def _get_text(found: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return the text under ``key``, None where there is no such key; an empty text or anything else is refused."""
    if key not in found:
        return None
    value = found[key]
    if not isinstance(value, str) or not value:
        raise _incorrect(f"{where}: {key} must be a text, not {value!r}")
    return value


def _incorrect(reason: str) -> Refusal:
    return Refusal(reason, vendor=INCORRECT_MANIFEST)
