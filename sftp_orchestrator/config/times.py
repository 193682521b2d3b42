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

PATTERN_MEANINGS = {
    TIME_OF_DAY: "must be a time of day as HH:MM",
    DAYS_PATTERN: "must be days of the week, such as mon-fri or mon,thu",
}
"""What each pattern asks for, in words."""


def parse_time(moment: str) -> datetime.time:
    """Return the time of day that ``moment``, which fits ``TIME_OF_DAY``, says. Pure."""
    hours, _, minutes = moment.partition(":")
    return datetime.time(int(hours), int(minutes))


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
