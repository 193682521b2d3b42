"""Dates on which no run begins: a list, or a file with one a line."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from sftp_orchestrator.config import paths
from sftp_orchestrator.config.keys import AS_WRITTEN, Words
from sftp_orchestrator.errors import ConfigurationError

DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_EXAMPLE = "such as 2026-12-25"
LATEST_YEAR = 2200
"""No holiday is that far away; behind the last day that there is no opening can be looked for."""

PATTERN_MEANINGS = {DATE_PATTERN: f"must be a date, {_EXAMPLE}"}
"""What each pattern asks for, in words."""


def require_dates(value: object, info: ValidationInfo) -> tuple[str, ...] | Path:
    """Return dates as they were written, or the path of a file of dates; raises ``ValueError``."""
    if isinstance(value, str | Path):
        if re.fullmatch(DATE_PATTERN, str(value)):
            msg = "must be a list of dates, or the path of a file with one a line"
            raise ValueError(msg)
        return paths.resolve(Path(value), info)
    if not isinstance(value, list | tuple):
        msg = f"must be a list of dates, {_EXAMPLE}, or the path of a file with one a line"
        raise ValueError(msg)  # noqa: TRY004 - the one that pydantic takes for a finding
    for text in value:
        _parse(text)
    return tuple(value)


def read_dates(given: tuple[str, ...] | Path) -> frozenset[datetime.date]:
    """Return the dates that a list, or the file of a path, has; empty lines and ``#`` to the end of a line say nothing.

    Raises:
        ConfigurationError: the file cannot be read, or a line of it is no date.
    """
    if not isinstance(given, Path):
        return frozenset(_parse(text) for text in given)
    try:
        lines = given.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        cause = (error.strerror if isinstance(error, OSError) else "not UTF-8") or type(error).__name__
        raise ConfigurationError("read", str(given), cause, hint="one date a line, such as 2026-12-25") from error
    found = set()
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            try:
                found.add(_parse(text))
            except ValueError as error:
                raise ConfigurationError("read", f"{given}:{number}", str(error)) from error
    return frozenset(found)


def _parse(text: object) -> datetime.date:
    msg = f"{PATTERN_MEANINGS[DATE_PATTERN]} (got {text})"
    if not isinstance(text, str) or not re.fullmatch(DATE_PATTERN, text):
        raise ValueError(msg)
    try:
        date = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(msg) from error
    if date.year > LATEST_YEAR:
        msg = f"must be a date up to {LATEST_YEAR}: correct it, or leave it out (got {text})"
        raise ValueError(msg)
    return date


_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "array", "items": {"type": "string", "pattern": DATE_PATTERN}}, {"type": "string"}]
}

Dates = Annotated[
    tuple[str, ...] | Path,
    PlainValidator(require_dates),
    AS_WRITTEN,
    WithJsonSchema(_SCHEMA),
    Words("list of dates, or path"),
]
"""As it is written: ``[2026-12-25, 2027-01-01]``, or ``holidays.txt``."""
