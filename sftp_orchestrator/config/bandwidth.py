"""How fast a destination may be sent to: one rate, or one by the time of day."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import PlainValidator, WithJsonSchema

from sftp_orchestrator import units
from sftp_orchestrator.config.keys import Words
from sftp_orchestrator.config.times import TIME_OF_DAY, parse_time

OFF = "off"
SLOWEST_BYTES_PER_SECOND = 1000
"""Below this one manifest would take longer than a stop may last."""

_EXAMPLE = '{"08:00": 5 MB/s, "19:00": off}'


def require_bandwidth(value: object) -> str | dict[str, str]:
    """Return a rate or a timetable as it was written, ``off`` always as text; raises ``ValueError``. Pure."""
    if not isinstance(value, dict):
        return _require_rate(value, "")
    if not value:
        msg = f"must be a rate, or name times of day, such as {_EXAMPLE}"
        raise ValueError(msg)
    for moment in value:
        if not re.fullmatch(TIME_OF_DAY, moment):
            msg = f"must name times of day as HH:MM, such as {_EXAMPLE} (got {moment})"
            raise ValueError(msg)
    if len({parse_time(moment) for moment in value}) < len(value):
        msg = "must name each time of day once"
        raise ValueError(msg)
    return {moment: _require_rate(rate, f"from {moment} on it ") for moment, rate in value.items()}


def _require_rate(value: object, subject: str) -> str:
    # YAML 1.1 reads a bare off as false; nothing else could be meant by it here.
    if value is False or value == OFF:
        return OFF
    # A plain value is repeated by whoever tells of the error, one inside of a mapping is not.
    echo = f" (got {value})" if subject else ""
    text = value if isinstance(value, str) else ""
    try:
        rate = units.parse_rate(text)
    except ValueError as error:
        msg = f"{subject}must be a rate with its unit, such as 10 MB/s or 80 Mbit/s, or off{echo}"
        raise ValueError(msg) from error
    if rate < SLOWEST_BYTES_PER_SECOND:
        msg = f"{subject}must be at least {units.format_bytes(SLOWEST_BYTES_PER_SECOND)}/s{echo}"
        raise ValueError(msg)
    return text


_RATE_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string", "pattern": units.RATE_PATTERN}, {"enum": [OFF, False]}]}
_SCHEMA: dict[str, Any] = {
    "anyOf": [
        *_RATE_SCHEMA["anyOf"],
        {
            "type": "object",
            "patternProperties": {TIME_OF_DAY: _RATE_SCHEMA},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}

Bandwidth = Annotated[
    str | dict[str, str],
    PlainValidator(require_bandwidth),
    WithJsonSchema(_SCHEMA),
    Words("rate, off, or mapping of times to these"),
]
"""As it is written: ``10 MB/s``, or ``{"08:00": 5 MB/s, "19:00": off}``."""

PATTERN_MEANINGS = {
    units.RATE_PATTERN: "must be a rate with its unit, such as 10 MB/s",
}
"""What each pattern asks for, in words."""


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """The limits of a day, each from its time on; before the first of them the last one still holds."""

    limits: tuple[tuple[datetime.time, float | None], ...]
    """bytes per second by the time of day at which they begin, the earliest first; None = no limit"""

    @classmethod
    def of(cls, bandwidth: str | Mapping[str, str]) -> Self:
        """Return what ``bandwidth``, as the configuration has it, means."""
        rates = {"00:00": bandwidth} if isinstance(bandwidth, str) else bandwidth
        limits = {parse_time(moment): None if rate == OFF else units.parse_rate(rate) for moment, rate in rates.items()}
        return cls(limits=tuple((moment, limits[moment]) for moment in sorted(limits)))

    def get_limit(self, at: datetime.time) -> float | None:
        """Return the limit that holds at this time of day, in bytes per second; None where there is none. Pure."""
        begun = [limit for moment, limit in self.limits if moment <= at]
        return begun[-1] if begun else self.limits[-1][1]


def watch_limit(
    bandwidth: str | Mapping[str, str],
    zone: ZoneInfo,
    now: Callable[[datetime.tzinfo], datetime.datetime] = datetime.datetime.now,
) -> Callable[[], float | None]:
    """Return what tells the limit in force: bytes per second, None where there is none now."""
    timetable = Timetable.of(bandwidth)
    return lambda: timetable.get_limit(now(zone).time())
