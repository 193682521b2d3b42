"""The sections about what is kept on this machine: ledger, originals, refused files and rows, and the disk's space."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import AfterValidator, Field

from sftp_orchestrator.config import ledger_url
from sftp_orchestrator.config.section import Section

PAUSE_BELOW_BYTES = 2_000_000_000
"""Two encrypted parts of the largest size: as much as two cores write at the same time."""


class Ledger(Section):
    """Where the ledger lives, and how long it remembers."""

    # A database's URL can hold a password: it is never echoed.
    url: Annotated[str, AfterValidator(ledger_url.require_url)] = Field(
        default=ledger_url.SQLITE, json_schema_extra={"writeOnly": True}
    )
    """sqlite = <workspace>/ledger.db; or postgresql://user@host/db"""
    keep_days: int | None = Field(default=None, ge=1)
    """null = for ever; or archived and discarded files are forgotten after so many days, and a copy of one is sent"""


class Keep(enum.StrEnum):
    """What is kept of a source that was delivered."""

    ORIGINAL = "original"
    ENCRYPTED = "encrypted"
    NOTHING = "nothing"


class Archive(Section):
    """What happens to originals that were delivered, or discarded."""

    keep: Keep = Keep.ORIGINAL
    """of what was delivered: original | encrypted (its parts as they were sent, and no plaintext) | nothing"""
    keep_days: int | None = Field(default=30, ge=0)
    """it is kept this many days; 0 = removed at once (discarded ones a day later), null = for ever"""


class Quarantine(Section):
    """What happens to quarantined files, and to the refused rows of others, that nobody mends."""

    keep_days: int | None = Field(default=None, ge=1)
    """null = for ever; or such files are discarded, and such rows removed, after so many days"""


class Space(Section):
    """What happens when the disk of the workspace runs short."""

    pause_below_bytes: int = Field(default=PAUSE_BELOW_BYTES, ge=0)
    """with less free, no file is taken in, until a quarter more is; deliveries go on; 0 = never paused"""
