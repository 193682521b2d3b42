"""The URL of the ledger's database: whether it is one, and how to speak of it without its password."""

from __future__ import annotations

import re
import urllib.parse

import sqlalchemy as sa

SQLITE = "sqlite"
_DRIVERS = frozenset({"postgresql", "postgresql+psycopg"})
HIDDEN = "***"
"""What stands in place of a password."""
# Greedy up to the last @: a password with an unescaped @ or / is hidden whole.
_USER_PASSWORD = re.compile(r"(://[^:@/]*):.*@", re.DOTALL)
_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
"""What libpq takes in a URL's query and nobody may read (PostgreSQL 18, 34.1.2)."""


def require_url(url: str) -> str:
    """Return ``url`` where a ledger may lie there. Pure.

    Raises:
        ValueError: it is none; the text repeats nothing of it.
    """
    if url == SQLITE:
        return url
    if not url.startswith(tuple(f"{driver}://" for driver in _DRIVERS)):
        msg = "must be 'sqlite' or begin with 'postgresql://'"
        raise ValueError(msg)
    parsed = _parse(url)
    # An @ further back means that the one before the host is not the one that was meant.
    is_whole = parsed is not None and "@" not in f"{parsed.host}{parsed.database}"
    if parsed is None or not is_whole or not 0 < (parsed.port or 1) <= 65535:
        msg = (
            "must be a URL such as postgresql://user:password@host:5432/database,"
            " with %40 for an @ in the password, %2F for a /, %3A for a : and %25 for a %"
        )
        raise ValueError(msg)
    return url


def hide_password(url: str) -> str:
    """Return ``url`` with ``***`` in place of a password, wherever it stands. Pure."""
    place, mark, query = _USER_PASSWORD.sub(rf"\1:{HIDDEN}@", url).partition("?")
    return place + mark + "&".join(map(_hide_value, query.split("&")))


def hide_password_in(text: str, url: str) -> str:
    """Return ``text``, such as what a database says, with ``***`` in place of the password in ``url``. Pure."""
    parsed = _parse(url) if url != SQLITE else None
    if parsed is None:
        return text
    found = [parsed.password or "", *(str(value) for name, value in parsed.query.items() if name.lower() in _SECRETS)]
    for secret in sorted(filter(None, found), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _parse(url: str) -> sa.URL | None:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return None


def _hide_value(pair: str) -> str:
    name, mark, _ = pair.partition("=")
    return f"{name}{mark}{HIDDEN}" if urllib.parse.unquote_plus(name).lower() in _SECRETS else pair
