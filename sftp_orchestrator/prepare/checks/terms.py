"""Pieces of SQL that the row checks are put together from: patterns in RE2, literals, dates. All pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPACE = r"[\t-\r\x{1c}-\x{1f} \x{85}\x{a0}\pZ]*"
"""What Python, and with it most importers, strip: every kind of white space that Unicode knows."""
_DAY, _MONTH = "(0[1-9]|[12][0-9]|3[01])", "(0[1-9]|1[0-2])"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_STRPTIME = (("yyyy", "%Y"), ("MMM", "%b"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))


def quote(text: str) -> str:
    """Return ``text`` as a string literal."""
    return "'" + text.replace("'", "''") + "'"


def escape(text: str) -> str:
    """Return ``text`` as a pattern that matches it and nothing else; RE2 takes what Python escapes."""
    return re.escape(text)


def is_blank(column: str) -> str:
    """Whether a cell is empty or holds white space alone."""
    return f"({column} IS NULL OR regexp_full_match({column}, {quote(SPACE)}))"


def is_filled(column: str) -> str:
    """Whether a cell holds anything at all; an empty cell is never of a wrong type."""
    return f"({column} IS NOT NULL AND {column} <> '')"


def is_not(column: str, pattern: str, *, ignore_case: bool = False) -> str:
    """Whether a cell that holds something does not match ``pattern`` as a whole."""
    return f"({is_filled(column)} AND NOT {matches(column, pattern, ignore_case=ignore_case)})"


def matches(column: str, pattern: str, *, ignore_case: bool = False) -> str:
    """Whether a cell matches ``pattern`` as a whole; NULL where it is empty."""
    options = ", 'i'" if ignore_case else ""
    return f"regexp_full_match({column}, {quote(pattern)}{options})"


def is_one_of(column: str, values: Iterable[str]) -> str:
    """Whether a cell is one of ``values``, case and white space around it aside."""
    return matches(column, f"{SPACE}({'|'.join(re.escape(value) for value in values)}){SPACE}", ignore_case=True)


def contains_any(column: str, characters: str) -> str:
    """Whether a cell contains any of ``characters``."""
    return f"regexp_matches({column}, {quote('[' + re.escape(characters) + ']')})"


def is_longer(column: str, characters: int) -> str:
    """Whether a cell has more than so many characters; bytes are compared first, which is quicker."""
    return f"(CASE WHEN strlen({column}) > {characters} THEN length({column}) > {characters} ELSE false END)"


def any_of(conditions: Iterable[str]) -> str:
    """Return the disjunction of conditions, each once."""
    return "(" + " OR ".join(dict.fromkeys(conditions)) + ")"


def get_date_shape(date_format: str) -> str:
    """Return the pattern of a documented date format; days that no month has still match."""
    pattern = date_format.replace("'", "").replace("HH:mm:ss", _CLOCK).replace("yyyy", "[0-9]{4}")
    return pattern.replace("MMM", f"({'|'.join(_MONTHS)})").replace("MM", _MONTH).replace("dd", _DAY)


def get_strptime(date_format: str) -> str:
    """Return a documented date format as strptime(3) writes it."""
    text = date_format.replace("'", "")
    for ours, theirs in _STRPTIME:
        text = text.replace(ours, theirs)
    return text
