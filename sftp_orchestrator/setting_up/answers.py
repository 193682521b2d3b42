"""What ``init`` needs to know, which option says it, and how it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.config import wording
from sftp_orchestrator.destination.clevertap import FeedType

DESTINATION = "production"
"""What the configuration calls the receiver."""
DOCUMENTED_REGION = "eu1"
REGIONS = (DOCUMENTED_REGION, "in1", "sg1", "us1", "aps3", "mec1", "sk1")
"""Of CleverTap; the host of the first alone is documented, those of the others follow its pattern."""
_DOMAIN = "sftp.clevertap.com"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to know. ``take`` returns its answer from what was typed, and raises ValueError in plain words."""

    option: str
    text: str
    default: str | None = None
    """what holds where nobody answers; None = it must be answered"""
    take: Callable[[str], str] = str


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the options say."""

    host: str | None
    port: int | None
    username: str | None
    client_email: str | None
    samples: tuple[Path, ...]
    feed_type: FeedType | None
    private_key: Path | None
    passphrase_file: Path | None
    host_key_fingerprints: tuple[str, ...]
    accepts_new_host_key: bool
    public_key: Path | None
    key_id: str | None
    staging: Path | None
    workspace: Path | None
    is_forced: bool


def get_host(text: str) -> str:
    """Return the host that ``text`` says: of a region of CleverTap's its own, else a host as it stands. Pure.

    Raises ``ValueError``.
    """
    region = text.strip()
    if re.fullmatch(r"[^:\[\]]+:\d+", region):
        msg = f"must be a host without its port, which is asked for by itself: --port (got {region})"
        raise ValueError(msg)
    return f"{region}.{_DOMAIN}" if region in REGIONS else _take("host")(region)


def is_clevertap(host: str) -> bool:
    """Return whether it is a host of CleverTap's. Pure."""
    return host.endswith(f".{_DOMAIN}")


def is_documented(host: str) -> bool:
    """Return whether CleverTap's pages name this host. Pure."""
    return host == f"{DOCUMENTED_REGION}.{_DOMAIN}"


def _take(*path: str) -> Callable[[str], str]:
    return lambda text: wording.require_value(("destinations", DESTINATION, *path), text.strip())


def _take_kind(text: str) -> str:
    try:
        return FeedType(text.strip().casefold()).value
    except ValueError:
        pass
    msg = f"must be one of {', '.join(FeedType)}"
    raise ValueError(msg)


def _take_port(text: str) -> str:
    if text.strip().isdecimal() and 1 <= int(text) <= 65535:
        return text.strip()
    msg = "must be 1\N{EN DASH}65535"
    raise ValueError(msg)


def _take_file(text: str) -> str:
    if text.strip() and not Path(text.strip()).expanduser().is_file():
        msg = "there is no such file"
        raise ValueError(msg)
    return str(Path(text.strip()).expanduser()) if text.strip() else ""


HOST = Question(
    option="--host",
    text=f"Host, or region of CleverTap ({', '.join(REGIONS)})",
    take=get_host,
)
PORT = Question(option="--port", text="Port", default="22", take=_take_port)
USERNAME = Question(option="--username", text="User name there (CleverTap: the account id)", take=_take("username"))
CLIENT_EMAIL = Question(
    option="--client-email", text="E-mail address for CleverTap's notices", take=_take("client_email")
)
SAMPLE = Question(
    option="--sample", text="A typical file, to map its columns by (empty: none)", default="", take=_take_file
)
ANOTHER_SAMPLE = Question(
    option="--sample", text="Another one, of this or another kind (empty: no more)", default="", take=_take_file
)
KIND = Question(option="--feed-type", text="What are the rows of your files, profile or event?", take=_take_kind)
PUBLIC_KEY = Question(
    option="--public-key",
    text="OpenPGP key to encrypt with, a file (empty: send plain)",
    default="",
    take=_take_file,
)
KEY_ID = Question(option="--key-id", text="Key ID that CleverTap issued for it", take=_take("encryption", "key_id"))
