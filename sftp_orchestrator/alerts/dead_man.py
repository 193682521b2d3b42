"""The dead-man's switch: a URL elsewhere that is asked for as long as all is well, and tells people once it is not."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request

from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.errors import ConfigurationError, Unreachable

ANSWER_SECONDS = 10.0
"""After which one that did not answer counts as silent."""
NAME = "alerts.ping"
_FAIL = "/fail"


class DeadMan:
    """As healthchecks.io has it: GET URL while all is well, POST URL/fail with the reason where it is not. Blocking."""

    def __init__(self, reference: SecretReference) -> None:
        """Read the secret.

        Raises:
            ConfigurationError: it cannot be read, or is no URL.
        """
        self._name = f"{NAME} ({reference})"
        self._url = reference.read().decode(errors="replace").strip()
        if not _is_address(self._url):
            raise ConfigurationError(
                "use",
                self._name,
                "it must be an address that begins with https://, with the name of a host that can be one",
                hint="copy the ping URL as the service shows it",
            )

    def ping(self, trouble: str | None) -> None:
        """Tell that all is well, or what is wrong; may be repeated.

        Raises:
            Unreachable: nobody took it within ``ANSWER_SECONDS``.
        """
        url = self._url if trouble is None else make_fail_url(self._url)
        data = None if trouble is None else trouble.encode(errors="replace")
        request = urllib.request.Request(url, data=data, headers={"User-Agent": "sftp-orchestrator"})  # noqa: S310 - http or https, as looked at above
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - as above
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                raise Unreachable("ping", self._name, f"it answered {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
            # The last two: a redirect to what is no address. Not its text: that may repeat the URL.
            cause = getattr(error, "reason", error)
            said = getattr(cause, "strerror", None) or type(cause).__name__
            raise Unreachable("ping", self._name, said) from None


def _is_address(url: str) -> bool:
    """Return whether ``url`` can be asked for at all, whoever is there. Pure."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        # As it is looked up: raises where a piece between two dots is empty or too long; the port, where it is none.
        host.encode("idna")
        _ = parts.port
    except ValueError:
        return False
    is_sendable = url.isprintable() and " " not in url and (parts.path + parts.query).isascii()
    return parts.scheme in {"http", "https"} and bool(host) and is_sendable


def make_fail_url(url: str) -> str:
    """Return where a failure is told. Pure."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(path=parts.path.rstrip("/") + _FAIL))
