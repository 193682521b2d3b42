"""The receiver's OpenPGP key: taken in only where one can encrypt with it."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sftp_orchestrator.prepare.given import require_file
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.setting_up.layout import Content

OPTION = "--public-key"


@dataclass(frozen=True, kw_only=True)
class OpenPGPKey:
    """A public key that encrypts, and what the receiver calls it."""

    content: Content
    key_id: str
    fingerprint: str
    expires_at: datetime.datetime | None

    def describe(self) -> str:
        """Return its fingerprint, and when it expires, for people."""
        until = "never expires" if self.expires_at is None else f"expires on {self.expires_at:%Y-%m-%d}"
        return f"{self.fingerprint}, {until}"


def read_openpgp_key(path: Path, key_id: str, now: datetime.datetime) -> OpenPGPKey:
    """Return the public key in the file ``path``. Blocking; nothing stays of it on the disk.

    Raises:
        ConfigurationError: it is no public key, or cannot encrypt at ``now``.
        LocalFault: gpg is missing or fails.
    """
    require_file("take in", path)
    armored = path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="sftp-orchestrator-") as home:
        encryptor = Encryptor(Path(home), armored, subject=f"{OPTION} {path}")
        encryptor.require_usable(now)
        return OpenPGPKey(
            content=Content(content=armored),
            key_id=key_id,
            fingerprint=encryptor.fingerprint,
            expires_at=encryptor.expires_at,
        )
