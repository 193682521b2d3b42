"""How many data files go up at the same time: a number, or as many as pay."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import PlainValidator, WithJsonSchema

from sftp_orchestrator.config.keys import Words

AUTO: Final = "auto"
MOST_CONNECTIONS = 32


def require_connections(value: object) -> int | Literal["auto"]:
    """Return the number or ``auto``; raises ``ValueError``. Pure."""
    if value == AUTO:
        return AUTO
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_CONNECTIONS:
        msg = f"must be {AUTO}, or a whole number of 1 to {MOST_CONNECTIONS}"
        raise ValueError(msg)
    return value


Connections = Annotated[
    int | Literal["auto"],
    PlainValidator(require_connections),
    WithJsonSchema({"anyOf": [{"enum": [AUTO]}, {"type": "integer", "minimum": 1, "maximum": MOST_CONNECTIONS}]}),
    Words(f"{AUTO}, or whole number, 1\N{EN DASH}{MOST_CONNECTIONS}"),
]
"""How many data files go up at the same time."""
