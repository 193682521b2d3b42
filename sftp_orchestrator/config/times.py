"""Times of day and days of the week, as the configuration has them."""

from __future__ import annotations

import datetime

TIME = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
TIME_OF_DAY = f"^{TIME}$"
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
DAYS = f"{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*"
DAYS_PATTERN = f"^{DAYS}$"
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORTEST_NAME = 2
_OTHER_NAMES = {"di": "tue", "mi": "wed", "do": "thu", "so": "sun"}
"""The German ones of two letters, where they are not the English."""

PATTERN_MEANINGS = {
    TIME_OF_DAY: "must be a time of day as HH:MM",
    DAYS_PATTERN: "must be days of the week, such as mon-fri or mon,thu",
}
"""What each pattern asks for, in words."""


def parse_time(moment: str) -> datetime.time:
    """Return the time of day that ``moment``, which fits ``TIME_OF_DAY``, says. Pure."""
    hours, _, minutes = moment.partition(":")
    return datetime.time(int(hours), int(minutes))


def find_day(word: str) -> str | None:
    """Return what the configuration calls a day that ``word``, in small letters, seems to mean; None for none. Pure."""
    if len(word) < _SHORTEST_NAME:
        return None
    found = (day for day, full in zip(WEEK, _FULL_NAMES, strict=True) if full.startswith(word))
    return next(found, _OTHER_NAMES.get(word))


def parse_days(text: str) -> frozenset[int]:
    """Return the days that ``text``, which fits ``DAYS_PATTERN``, names; Monday is 0, as in ``date.weekday``. Pure.

    A range may go past the end of the week: ``fri-mon`` has four days.
    """
    found: set[int] = set()
    for term in text.split(","):
        first, _, last = term.partition("-")
        start = WEEK.index(first)
        length = (WEEK.index(last or first) - start) % len(WEEK)
        found |= {(start + step) % len(WEEK) for step in range(length + 1)}
    return frozenset(found)
