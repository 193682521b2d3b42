"""Remote names: plain ASCII, unique for ever, sorting by part within a source, telling feed, time, source and part.

``<feed>_<UTC time>_<short id>_<part>of<parts>.csv[.asc]``, and ``.manifest`` in place of ``.csv[.asc]``.
"""

from __future__ import annotations

import datetime
import secrets

PLAIN_SUFFIX = ".csv"
ENCRYPTED_SUFFIX = ".csv.asc"
MANIFEST_SUFFIX = ".manifest"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no letters that people take for others."""
_ID_LENGTH = 10
"""50 random bits; should two sources ever draw the same id, the ledger refuses the second claim."""


def make_short_id() -> str:
    """Return a fresh random id for a source."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def make_stem(feed: str, at: datetime.datetime, short_id: str, part: int, parts: int) -> str:
    """Return the remote name without its ending; the part is padded with zeros, so that names sort by it. Pure."""
    time = at.astimezone(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{feed}_{time}_{short_id}_{part:0{len(str(parts))}}of{parts}"


def get_data_name(stem: str, *, encrypted: bool) -> str:
    """Return the name of the data file. Pure."""
    return stem + (ENCRYPTED_SUFFIX if encrypted else PLAIN_SUFFIX)


def get_manifest_name(stem: str) -> str:
    """Return the name of the data file's manifest. Pure."""
    return stem + MANIFEST_SUFFIX
