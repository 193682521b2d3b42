"""The section about alerts: who is told, of what, and how often."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from sftp_orchestrator.config.keys import Words
from sftp_orchestrator.config.secrets import SecretReference
from sftp_orchestrator.config.section import Section

_WEB_ADDRESS = r"^https?://[^\s]+$"

PATTERN_MEANINGS = {_WEB_ADDRESS: "must be an address such as https://host:8765/"}
"""What each pattern asks for, in words."""


class AlertKind(enum.StrEnum):
    """What is worth an alert."""

    QUARANTINED = "quarantined"
    HELD = "held"
    UNCERTAIN = "uncertain"
    REFUSED_ROWS = "refused_rows"
    """a file was delivered without some of its rows"""
    RETRIES_EXHAUSTED = "retries_exhausted"
    FILE_MISSING = "file_missing"
    NOT_TAKEN = "not_taken"
    KEY_EXPIRING = "key_expiring"
    DISK_LOW = "disk_low"
    CONFIGURATION = "configuration"
    """one that was to be read anew was refused"""
    RECOVERED = "recovered"
    """something of which was told is over"""


class Alerts(Section):
    """Who is told when a person is needed; by Apprise: mail, Slack, Teams, webhooks and a hundred others."""

    urls: Annotated[tuple[SecretReference, ...], Words("list of secrets")] = Field(
        default=(), json_schema_extra={"writeOnly": True}
    )
    """Apprise URLs, such as [{file: alerts.url}, {env: ALERT_URL}]: each secret holds one, or several, one a line"""
    ping: SecretReference | None = None
    """null, or where a URL is kept that is asked for as long as all is well, and its /fail where it is not"""
    ping_seconds: float = Field(default=60, ge=1)
    """how often it is, besides after each run"""
    group_seconds: float = Field(default=60, ge=0)
    """what comes up within so long of one kind is one message"""
    kinds: Annotated[tuple[AlertKind, ...] | None, Words("list of: " + " | ".join(AlertKind))] = None
    """null = all, or such as [uncertain, key_expiring]"""
    page_url: str | None = Field(default=None, pattern=_WEB_ADDRESS)
    """null, or the address of the page as those see it who are told: each alert ends with it"""
    docs_url: str | None = Field(default=None, pattern=_WEB_ADDRESS)
    """null, or where this documentation can be read, such as https://docs.example.com/sftp: alerts link to it"""

    @property
    def wanted_kinds(self) -> tuple[AlertKind, ...]:
        """What is told of."""
        return tuple(AlertKind) if self.kinds is None else self.kinds
