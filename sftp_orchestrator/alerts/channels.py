"""Where alerts go: each channel is an Apprise URL, kept as a secret; Apprise knows how a hundred services want it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sftp_orchestrator.alerts.wording import Text
from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import ConfigurationError, Unreachable

if TYPE_CHECKING:
    # Slow to read: it is once something is told.
    import apprise

SEND_SECONDS = 30.0
"""After which a channel that did not answer counts as silent."""
_SHORTEST_SECRET = 4
"""Characters of a piece of a URL that is hidden where a service repeats it."""
_HIDDEN = "***"


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One place to tell. Blocking: call it in a thread from async code."""

    name: str
    """the key of the configuration, and where the secret lies: never what it is"""
    place: str
    """where its URL lies, whatever that says"""
    url: str

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

        Raises:
            ConfigurationError: Apprise does not know what to do with the URL.
            Unreachable: the service did not take it, within ``SEND_SECONDS``.
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
                timeout=SEND_SECONDS,
            )
        except ConfigurationError:
            raise
        except Exception as error:
            # What a hundred services are spoken to by is not ours to list.
            raise Unreachable("send an alert by", self.name, f"the service failed: {type(error).__name__}") from error
        if not result:
            said = "; ".join(entry.message for entry in result.logs()) or result.status.name.lower()
            raise Unreachable("send an alert by", self.name, _hide(said, self.url))


def open_channels(configuration: Configuration) -> list[Channel]:
    """Read the secrets and return a channel for each URL in them; blocking, may be repeated.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    return [
        channel
        for index, reference in enumerate(configuration.alerts.urls)
        for channel in _open(f"alerts.urls[{index}]", reference)
    ]


def _open(name: str, reference: SecretReference) -> Iterator[Channel]:
    """Yield a channel for each line that is not empty, and no comment."""
    lines = [line.strip() for line in reference.read().decode(errors="replace").splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    for number, url in enumerate(urls, start=1):
        which = f", line {number}" if len(urls) > 1 else ""
        yield Channel(name=f"{name} ({reference}{which})", place=f"{reference} {number}", url=url)


def _make_asset(kind: type[apprise.AppriseAsset]) -> apprise.AppriseAsset:
    # Nothing of it is kept on the disk, and nothing is taken from the environment.
    return kind(
        app_id="SFTP orchestrator",
        app_desc="SFTP orchestrator",
        storage_mode="memory",
        allow_templates=False,
    )


def _hide(said: str, url: str) -> str:
    """Return in one line what a service said, without anything of its URL. Pure."""
    pieces = {piece for piece in re.split(r"[:/@?&=+,;#%]+", url) if len(piece) >= _SHORTEST_SECRET}
    for piece in sorted(pieces, key=len, reverse=True):
        said = said.replace(piece, _HIDDEN)
    return " ".join(said.split())
