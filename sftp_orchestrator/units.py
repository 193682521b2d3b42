"""Sizes, counts and times as people read them: one wording for terminal and page."""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

TO_THE_SECOND = "%Y-%m-%d %H:%M:%S"
TO_THE_MINUTE = "%Y-%m-%d %H:%M"

RATE_PATTERN = r"^([0-9]+(?:\.[0-9]+)?) *((?:[kKMG]i?)?)(B|bit)/s$"
"""A number and its unit, such as ``10 MB/s``, ``512 KiB/s`` or ``80 Mbit/s``; case counts, as Mb/s is said of both."""
_PREFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "ki": 2**10, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def format_bytes(count: float | None) -> str:
    """Return a size in powers of ten, as the receiver's limits are. Pure."""
    if count is None:
        return "-"
    for unit, size in _UNITS:
        # What would be rounded to 1000.0 is said in the larger unit.
        if count >= size * 0.99995:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def end_sentence(text: str) -> str:
    """Return ``text`` with a full stop, unless it has an end of its own: a hint may be a question. Pure."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def parse_rate(text: str) -> float:
    """Return the bytes per second that ``text`` says; raises ``ValueError`` where it is no rate. Pure."""
    found = re.fullmatch(RATE_PATTERN, text)
    if found is None:
        msg = f"not a rate: {text!r}"
        raise ValueError(msg)
    number, prefix, unit = found.groups()
    return float(number) * _PREFIXES[prefix] / (8 if unit == "bit" else 1)


def format_share(done: int, total: int) -> str:
    """Return how many bytes of how many, in the unit of the latter. Pure."""
    unit, size = next((pair for pair in _UNITS if total >= pair[1]), ("B", 1))
    return f"{done / size:.1f}/{total / size:.1f} {unit}" if size > 1 else f"{done}/{total} B"


def format_percent(part: int, whole: int) -> str:
    """Return a share; nothing is said to be all or none that is not. Pure."""
    tenths = 1000 * part // whole if whole else 0
    if part and not tenths:
        return "< 0.1 %"
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 1000 else f"{tenths // 10} %"


def format_count(count: int | None) -> str:
    """Return a number with separators. Pure."""
    return "-" if count is None else f"{count:,}"


def format_seconds(seconds: float) -> str:
    """Return a length of time as minutes and seconds, with hours before them where there are any. Pure."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_moment(moment: datetime.datetime, now: datetime.datetime, zone: ZoneInfo | None = None) -> str:
    """Return a moment to the minute, with its day where that is not near, and how far off it is; as ``format_time``.

    By the clock of ``zone`` first, where that shows another time: it is the one that the configuration has.
    """
    form = "%H:%M" if abs(moment - now) < datetime.timedelta(hours=20) else TO_THE_MINUTE
    ours, age = format_time(moment, form), format_age(moment, now)
    if zone is None or moment.astimezone(zone).utcoffset() == moment.astimezone().utcoffset():
        return f"{ours} ({age})"
    return f"{moment.astimezone(zone):{form}} {zone.key} ({ours}, {age})"


def format_time(moment: datetime.datetime, form: str = TO_THE_SECOND) -> str:
    """Return a moment in the zone of whoever reads it (``TZ``, else this machine's), and that zone's name."""
    local = moment.astimezone()
    return f"{local:{form}} {local:%Z}"


def format_age(moment: datetime.datetime | None, now: datetime.datetime) -> str:
    """Return how long ago, or how soon, ``moment`` is. Pure."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    size = abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if size >= length:
            said = f"{size / length:.0f} {unit}"
            break
    else:
        said = f"{size:.0f} s"
    return f"{said} ago" if seconds >= 0 else f"in {said}"
