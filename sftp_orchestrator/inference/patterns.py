"""A feed's name and its pattern of files, from names of files: numbers, dates and what follows cut off. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath

from sftp_orchestrator.prepare.unpack.formats import Compression, get_format

FALLBACK_NAME = "feed"
"""For files whose names tell nothing."""
_MAX_NAME_CHARACTERS = 40
"""What the configuration takes."""
_WORD = re.compile(r"[^\W_]+")
_MONTHS = frozenset(
    {
        *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "january"),
        *("february", "march", "april", "june", "july", "august", "september", "october", "november", "december"),
    }
)
_BEFORE_NUMBER = re.compile(r"([^\W\d_]+)[0-9]+$|([^\W\d_]{4,})[0-9]")
"""Letters with a number behind them; where more follows, only enough letters to be a word."""
_PLAIN_ENDING = ".csv"
_MAGIC = re.compile(r"([*?\[\]\\])")


def make_patterns(names: Sequence[str]) -> list[str]:
    """Return the patterns that fit files of these names, and later ones of the same kind; each pattern once.

    What is no plain text has a second one: refused rows of it, once corrected, come back as CSV.
    """
    stems = [_split_ending(name) for name in names]
    own = [_make_pattern(stem, ending) for stem, ending in stems]
    returned = [
        _make_pattern(stem, _PLAIN_ENDING)
        for name, (stem, _) in zip(names, stems, strict=True)
        if not get_format(name).is_plain_text
    ]
    return list(dict.fromkeys([*own, *returned]))


def fits_everything(pattern: str) -> bool:
    """Return whether nothing of a file's name is in a pattern."""
    return pattern.startswith("*") and pattern.count("*") == 1


def make_feed_name(names: Sequence[str]) -> str:
    """Return a name for the feed that the configuration takes."""
    plain = unicodedata.normalize("NFKD", _find_common(names)).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-_")
    return name[:_MAX_NAME_CHARACTERS].rstrip("-_") or FALLBACK_NAME


def _find_common(names: Sequence[str]) -> str:
    """Return the words that the names begin with; where they share none, all that tells something of the first."""
    cores = list(filter(None, (_get_core(_split_ending(name)[0]) for name in names)))
    if not cores:
        return ""
    words = [list(_WORD.finditer(core)) for core in cores]
    common = 0
    for same in zip(*words, strict=False):
        if len({word[0] for word in same}) > 1:
            break
        common = same[0].end()
    return cores[0][:common] if common else cores[0]


def _make_pattern(stem: str, ending: str) -> str:
    core = _get_core(stem)
    before = "" if stem.startswith(core) else "*"
    return f"{before}{_escape(core)}*{_escape(ending)}" if core else f"*{_escape(ending)}"


def _split_ending(name: str) -> tuple[str, str]:
    """Return a name without its ending, and the ending: of a compressed file both, ``.csv.gz``."""
    path = PurePath(name)
    if get_format(name).compression is Compression.NONE:
        return path.stem, path.suffix
    inner = PurePath(path.stem)
    return inner.stem, inner.suffix + path.suffix


def _get_core(stem: str) -> str:
    """Return what of a file's name stays the same from day to day; nothing where it is all numbers."""
    words = list(_WORD.finditer(stem))
    core, start = "", None
    for place, word in enumerate(words):
        is_month = place > 0 and word[0].lower() in _MONTHS
        stays = "" if is_month else _cut(word[0], is_last=word is words[-1])
        if stays:
            start = word.start() if start is None else start
            core = stem[start : word.start()] + stays
        if core and stays != word[0]:
            break
    return core


def _cut(word: str, *, is_last: bool) -> str:
    """Return what of a word stays: nothing of a number, a date or a code, the letters of ``orders2024``.

    A single digit within a name says which kind it is, as in ``q1_sales`` or ``b2b``.
    """
    digits = sum(char.isdigit() for char in word)
    if digits == 0 or (digits == 1 and not is_last and len(word) > 1):
        return word
    if found := _BEFORE_NUMBER.match(word):
        return found[1] or found[2]
    return word if digits == 1 and len(word) > 1 else ""


def _escape(text: str) -> str:
    return _MAGIC.sub(r"\\\1", text)
