"""When runs may begin: windows of the day or the week, but for dates that are left out; by the clock of a zone."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import PlainValidator, WithJsonSchema

from sftp_orchestrator.config import times
from sftp_orchestrator.config.findings import MisspeltError
from sftp_orchestrator.config.keys import AS_WRITTEN, Words

_MINUTES = 24 * 60
_DAY = datetime.timedelta(days=1)
_DASH = "[-\N{EN DASH}]"
_SPAN = f"{times.TIME}{_DASH}(?:{times.TIME}|24:00)"
_LOOSE_SPAN = rf"([0-9]{{1,2}})(?::([0-9]{{2}}))?\s*{_DASH}\s*([0-9]{{1,2}})(?::([0-9]{{2}}))?"
"""Hours as people write them, who mean such a span."""
WINDOW_PATTERN = f"^(?:{times.DAYS}|(?:{times.DAYS} )?{_SPAN})$"
_EXAMPLES = "such as 22:00-06:00, mon-fri 22:00-06:00 or sat,sun"

PATTERN_MEANINGS = {WINDOW_PATTERN: f"must be a window, {_EXAMPLES}"}
"""What each pattern asks for, in words."""


ONLY, EXCEPT_DATES = "only", "except_dates"
"""The keys of a schedule that close it."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A span of hours that begins on some days of the week; it belongs to the day on which it begins."""

    days: frozenset[int] = times.EVERY_DAY
    """Monday is 0"""
    start: int = 0
    """in minutes of that day"""
    end: int = _MINUTES
    """the same; more than a day has where it is on the next one"""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the window that ``text`` means, such as ``mon-fri 22:00-06:00``; raises ``ValueError``. Pure."""
        if not re.fullmatch(WINDOW_PATTERN, text):
            said, meant = PATTERN_MEANINGS[WINDOW_PATTERN], _find_meant(text)
            raise ValueError(said) if meant is None else MisspeltError(said, meant)
        named, _, span = text.rpartition(" ") if ":" in text else (text, "", "")
        days = times.parse_days(named) if named else times.EVERY_DAY
        if not span:
            return cls(days=days)
        start, end = (_to_minutes(moment) for moment in re.split(_DASH, span))
        if start == end:
            msg = "must not begin and end at the same time: all day is 00:00-24:00"
            raise ValueError(msg)
        return cls(days=days, start=start, end=end if end > start else end + _MINUTES)

    def holds(self, weekday: int, minute: int) -> bool:
        """Return whether this minute of a day of the week falls into it, on a clock that is never set. Pure."""
        today = weekday in self.days and self.start <= minute < self.end
        return today or ((weekday - 1) % 7 in self.days and minute + _MINUTES < self.end)


def _find_meant(text: str) -> str | None:
    """Return the window that ``text`` seems to mean, with days behind hours or in other words; None for none. Pure."""
    hours = re.search(_LOOSE_SPAN, text)
    days = (text[: hours.start()] + text[hours.end() :] if hours is not None else text).strip(" :,").lower()
    terms = re.split(r"[\s,]+", re.sub(rf"\s*{_DASH}\s*", "-", days)) if days else []
    named = ["-".join(times.find_day(word) or "?" for word in term.split("-")) for term in terms]
    pieces = [",".join(named)] if named else []
    if hours is not None:
        begin, begin_minute, end, end_minute = hours.groups()
        pieces.append(f"{begin}:{begin_minute or '00'}-{end}:{end_minute or '00'}")
    meant = " ".join(pieces)
    return meant if re.fullmatch(WINDOW_PATTERN, meant) else None


def _to_minutes(moment: str) -> int:
    hours, _, minutes = moment.partition(":")
    return int(hours) * 60 + int(minutes)


def require_windows(value: object) -> str | tuple[str, ...]:
    """Return one window or several as they were written; raises ``ValueError``. Pure."""
    if isinstance(value, str):
        Window.parse(value)
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        msg = f"must be a window or a list of windows, {_EXAMPLES}"
        raise ValueError(msg)
    for text in value:
        try:
            Window.parse(text)
        except ValueError as error:
            # A plain value is repeated by whoever tells of the error, one inside of a list is not.
            msg = f"{error} (got {text})"
            raise MisspeltError(msg, error.meant) if isinstance(error, MisspeltError) else ValueError(msg) from error
    return tuple(value)


_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": WINDOW_PATTERN},
        {"type": "array", "items": {"type": "string", "pattern": WINDOW_PATTERN}},
    ]
}

Windows = Annotated[
    str | tuple[str, ...],
    PlainValidator(require_windows),
    AS_WRITTEN,
    WithJsonSchema(_SCHEMA),
    Words("window, or list of windows"),
]
"""As it is written: ``22:00-06:00``, or ``[mon-fri 22:00-06:00, "sat,sun"]``; an empty list is no window at all."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """When runs may begin. Without windows always, but for the dates that are left out."""

    zone: ZoneInfo
    windows: tuple[Window, ...] = ()
    closed_on: frozenset[datetime.date] = frozenset()
    """whole days of the zone"""

    def is_open(self, at: datetime.datetime) -> bool:
        """Return whether a run may begin at this moment. Pure."""
        return self.find_closing_key(at) is None

    def find_closing_key(self, at: datetime.datetime) -> str | None:
        """Return the key of the schedule by which no run may begin at this moment; None where one may. Pure."""
        today = at.astimezone(self.zone).date()
        if today in self.closed_on:
            return EXCEPT_DATES
        spans = (span for day in (today - _DAY, today) for span in self._list_spans(day))
        return None if not self.windows or any(begin <= at < end for begin, end in spans) else ONLY

    def find_opening(self, after: datetime.datetime) -> datetime.datetime:
        """Return ``after`` where it is open then, else the first moment behind it at which it opens, in UTC. Pure."""
        if self.is_open(after):
            return after
        day = after.astimezone(self.zone).date()
        # Windows come back each week; what lies behind the last date that is left out is certain to be found.
        last = max([day, *self.closed_on]) + 9 * _DAY
        while day <= last:
            # The rest of a window that began on a date that is left out opens at midnight.
            begins = sorted({_resolve(day, 0, self.zone), *(begin for begin, _ in self._list_spans(day))})
            for begin in begins:
                if begin > after and self.is_open(begin):
                    return begin
            day += _DAY
        msg = f"never open after {after}"
        raise AssertionError(msg)

    def _list_spans(self, day: datetime.date) -> Iterator[tuple[datetime.datetime, datetime.datetime]]:
        """Yield begin and end of the windows that begin on ``day``, in UTC.

        A window all of which the clock is set forward over is as much later and as long as ever, as a cron job of that
        hour is; one only whose begin is left out begins where the clock goes on. One that the clock is set back over
        opens once.
        """
        for window in self.windows:
            if day.weekday() not in window.days:
                continue
            first = next(
                (minute for minute in range(window.start, window.end) if _exists(day, minute, self.zone)), None
            )
            if first is None:
                begin = _resolve(day, window.start, self.zone)
                yield begin, begin + datetime.timedelta(minutes=window.end - window.start)
            else:
                yield _resolve(day, first, self.zone), _resolve(day, window.end, self.zone)


def _resolve(day: datetime.date, minute: int, zone: ZoneInfo) -> datetime.datetime:
    """Return the moment, in UTC, of a minute of ``day``: the first where there are two, a later one where none is."""
    return _place(day, minute).replace(tzinfo=zone, fold=0).astimezone(datetime.UTC)


def _exists(day: datetime.date, minute: int, zone: ZoneInfo) -> bool:
    """Return whether the clock of ``zone`` ever shows this minute of ``day``. Pure."""
    return _resolve(day, minute, zone).astimezone(zone).replace(tzinfo=None) == _place(day, minute)


def _place(day: datetime.date, minute: int) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(minutes=minute)
