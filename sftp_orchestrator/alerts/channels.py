"""Where alerts go: each channel is an Apprise URL, kept as a secret; Apprise knows how a hundred services want it."""

from __future__ import annotations

import hashlib
import html.entities
import json
import re
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from sftp_orchestrator import threads
from sftp_orchestrator.alerts.wording import Text
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import ConfigurationError, Unreachable

if TYPE_CHECKING:
    # Slow to read: it is once something is told.
    import apprise

_LOG = structlog.get_logger()

SEND_SECONDS = 30.0
"""After which a channel that did not answer counts as silent."""
_SHORTEST_SECRET = 4
"""Characters of a piece of a URL that is hidden where a service repeats it."""
_HIDDEN = "***"
_ENTITIES: dict[str, list[str]] = {}
"""The names that HTML has for a character."""
for _name, _char in html.entities.html5.items():
    if _name.endswith(";"):
        _ENTITIES.setdefault(_char, []).append(_name)
_STRUCTURE = re.compile(r"[:/@?&=,;#]+")
"""What stands between the pieces of a URL."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One place to tell. Blocking: call it in a thread from async code."""

    name: str
    """the key of the configuration, and where the secret lies: never what it is"""
    place: str
    """where its URL lies, whatever that says"""
    url: str
    same_as: str | None = None
    """the name of an earlier one that has the same URL: one of them is enough"""

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"

    @property
    def key(self) -> str:
        """What the ledger knows it by: its place, so that what waits goes out by a URL that was put right."""
        return hashlib.sha256(self.place.encode()).hexdigest()[:16]

    def require_known(self) -> None:
        """Return where Apprise knows what to do with the URL; nothing is sent, may be repeated.

        Raises:
            ConfigurationError: no service is called so, or its URL lacks something.
        """
        # Read once it is needed: most commands tell nobody anything.
        import apprise  # noqa: PLC0415

        if apprise.Apprise.instantiate(self.url, asset=_make_asset(apprise.AppriseAsset)) is None:
            raise ConfigurationError(
                "use",
                self.name,
                "it is no Apprise URL, or lacks something",
                hint="https://github.com/caronc/apprise/wiki tells how each service's is written",
            )

    def send(self, text: Text) -> None:
        """Tell ``text``; it may arrive twice where it is repeated after an error.

        It takes as long as the service lets it: Apprise could stop waiting, but by threads that all channels share, of
        which each one that hangs takes one away for good. So ``begin`` it, and stop waiting for that.

        Raises:
            ConfigurationError: Apprise does not know what to do with the URL.
            Unreachable: the service did not take it.
        """
        import apprise  # noqa: PLC0415

        try:
            self.require_known()
            sender = apprise.Apprise(asset=_make_asset(apprise.AppriseAsset))
            sender.add(self.url)
            result = sender.notify(
                body=text.body,
                title=text.title,
                notify_type=apprise.NotifyType.SUCCESS if text.is_good else apprise.NotifyType.WARNING,
                body_format=apprise.NotifyFormat.TEXT,
            )
        except ConfigurationError:
            raise
        except Exception as error:
            # What a hundred services are spoken to by is not ours to list.
            raise Unreachable("send an alert by", self.name, f"the service failed: {type(error).__name__}") from error
        if not result:
            said = "; ".join(entry.message for entry in result.logs()) or result.status.name.lower()
            raise Unreachable("send an alert by", self.name, _hide(said, self.url))

    def begin(self, text: Text) -> Future[None]:
        """Have ``text`` told by a thread of its own, that ends when the service lets it; return what comes of it."""
        return threads.begin(partial(self.send, text), name="alert")


def open_channels(configuration: Configuration) -> list[Channel]:
    """Read the secrets and return a channel for each URL in them, once; blocking, may be repeated.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    channels = list_channels(configuration)
    for channel in channels:
        if channel.same_as is not None:
            _LOG.warning("alert_channel_repeated", channel=channel.name, same_as=channel.same_as)
    return [channel for channel in channels if channel.same_as is None]


def list_channels(configuration: Configuration) -> list[Channel]:
    """Return a channel for each URL, also for those that say the same; otherwise as ``open_channels``."""
    channels: list[Channel] = []
    names: dict[str, str] = {}
    for index, reference in enumerate(configuration.alerts.urls):
        for name, place, url in _list_urls(f"alerts.urls[{index}]", reference):
            channels.append(Channel(name=name, place=place, url=url, same_as=names.get(url)))
            names.setdefault(url, name)
    return channels


def _list_urls(name: str, reference: SecretReference) -> Iterator[tuple[str, str, str]]:
    """Yield what it is called, its place and the URL, for each line that is not empty, and no comment."""
    lines = [line.strip() for line in reference.read().decode(errors="replace").splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    for number, url in enumerate(urls, start=1):
        which = f", line {number}" if len(urls) > 1 else ""
        yield f"{name} ({reference}{which})", f"{reference} {number}", url


def _make_asset(kind: type[apprise.AppriseAsset]) -> apprise.AppriseAsset:
    # Nothing of it is kept on the disk, nothing is taken from the environment, and without a time of its own it sends
    # in the thread that it is called in.
    return kind(
        app_id="SFTP orchestrator",
        app_desc="SFTP orchestrator",
        storage_mode="memory",
        allow_templates=False,
        service_timeout=0,
    )


def _hide(said: str, url: str) -> str:
    """Return in one line what a service said, without anything of its URL, however either is encoded. Pure."""
    _, _, told = url.partition("://")
    login = re.split(r"[/?#]", told or url, maxsplit=1)[0].rpartition("@")[0]
    # Of a password that has a mark of the structure in it, the whole too.
    parts = [*_STRUCTURE.split(told or url), login, *login.partition(":")]
    pieces = {piece for part in parts for piece in _spell(part)}
    hidden = sorted((piece for piece in pieces if len(piece) >= _SHORTEST_SECRET), key=len, reverse=True)
    if hidden:
        said = re.sub("|".join(map(_match, hidden)), _HIDDEN, said, flags=re.IGNORECASE)
    return " ".join(said.split())


def _spell(piece: str) -> Iterator[str]:
    """Yield ``piece`` as it may be repeated: as it is, percent-decoded, encoded, and what stands between escapes."""
    for plain in (piece, urllib.parse.unquote(piece), urllib.parse.unquote_plus(piece)):
        yield plain
        yield urllib.parse.quote(plain, safe="")
        yield urllib.parse.quote(plain)
        yield urllib.parse.quote_plus(plain)
        yield from re.split(r"[:/@?&=+,;#%]+", plain)


def _match(piece: str) -> str:
    """Return an expression for ``piece``, each character as it is or as some escape has it."""
    return "".join(map(_match_character, piece))


def _match_character(char: str) -> str:
    """Return an expression for ``char`` as it is, and as URL, JSON, HTML and Python write it."""
    if char.isascii() and char.isalnum():
        return char
    number, octets = ord(char), char.encode(errors="replace")
    spelled = [
        char,
        urllib.parse.quote(octets, safe=""),
        "".join(f"%{octet:02x}" for octet in octets),
        json.dumps(char)[1:-1],
        f"\\u{number:04x}",
        "".join(f"\\x{octet:02x}" for octet in octets),
        # As PHP writes a slash.
        f"\\{char}",
        *(f"&{name}" for name in _ENTITIES.get(char, ())),
    ]
    numbers = [f"&#0*{number};", f"&#x0*{number:x};"]
    return f"(?:{'|'.join([*dict.fromkeys(map(re.escape, spelled)), *numbers])})"
