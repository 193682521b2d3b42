"""What one sandbox is started with, and where it keeps its things."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

PLAIN_LIMIT_BYTES = 5_000_000_000
"""A plain data file must stay below this (CleverTap, *Imports via SFTP*)."""
ENCRYPTED_LIMIT_BYTES = 1_000_000_000
"""An encrypted data file, as uploaded, must stay below this (CleverTap, *File Upload Encryption*)."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes in bytes that a data file must stay below."""

    plain_bytes: int = PLAIN_LIMIT_BYTES
    encrypted_bytes: int = ENCRYPTED_LIMIT_BYTES


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What receivers are known or feared to do beyond what the vendor documents; all off by default."""

    removes_taken: bool = False
    """A data file and its manifest vanish as soon as they are taken."""
    remembers_cut_manifests: bool = False
    """A manifest whose upload was cut and that was of no use counts as a use of its name."""
    hides_uploads: bool = False
    """For its sender a file is gone as soon as it is closed."""
    write_only: bool = False
    """Files may be written, and nothing else: permission denied."""
    most_connections: int | None = None
    """Further connections are hung up on; None = any number."""


@dataclass(frozen=True, kw_only=True)
class OpenPGPAlgorithm:
    """The kind of key that is made where none is given; the names are those of gpg's *Unattended key generation*."""

    primary: dict[str, str | int]
    subkey: dict[str, str | int]


RSA_3072 = OpenPGPAlgorithm(
    primary={"key_type": "RSA", "key_length": 3072, "key_usage": "sign"},
    subkey={"subkey_type": "RSA", "subkey_length": 3072, "subkey_usage": "encrypt"},
)
"""What the vendor suggests (CleverTap, *File Upload Encryption*)."""
CURVE_25519 = OpenPGPAlgorithm(
    primary={"key_type": "EDDSA", "key_curve": "ed25519", "key_usage": "sign"},
    subkey={"subkey_type": "ECDH", "subkey_curve": "cv25519", "subkey_usage": "encrypt"},
)
"""Made in no time: for tests."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one sandbox is started with. Keys that are not given are made below ``root`` and kept over restarts."""

    root: Path
    port: int = 0
    """0 = one that the system chooses."""
    username: str | None = None
    """The one user name that may log in; None = any."""
    host_key: Path | None = None
    """The private host key."""
    authorized_keys: Path | None = None
    """Public keys that may log in, in OpenSSH's form; read anew at every login."""
    openpgp_private_key: Path | None = None
    """The private key that data is decrypted with, without a passphrase."""
    key_id: str | None = None
    """The UUID by which a manifest names the OpenPGP key."""
    openpgp_algorithm: OpenPGPAlgorithm = RSA_3072
    limits: Limits = field(default_factory=Limits)
    traits: Traits = field(default_factory=Traits)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Where a sandbox keeps its things below ``root``."""

    root: Path

    @property
    def inbox(self) -> Path:
        """The login folder."""
        return self.root / "inbox"

    @property
    def failures(self) -> Path:
        """The vendor's CSV of failed rows, one for each data file that had some."""
        return self.root / "failures"

    @property
    def activity(self) -> Path:
        """The log of everything that happened, as JSON lines."""
        return self.root / "activity.jsonl"

    @property
    def work(self) -> Path:
        """Decrypted data while it is looked at; emptied at start."""
        return self.root / "work"

    @property
    def keys(self) -> Path:
        """Every key that was made."""
        return self.root / "keys"

    @property
    def host_key(self) -> Path:
        """The private host key, unless one is given; ``.pub`` beside it."""
        return self.keys / "host_ed25519"

    @property
    def client_key(self) -> Path:
        """A private key that may log in, unless authorized keys are given; ``.pub`` beside it."""
        return self.keys / "client_ed25519"

    @property
    def openpgp_public_key(self) -> Path:
        """The public key to encrypt with, ASCII-armored."""
        return self.keys / "openpgp.pub.asc"

    @property
    def key_id(self) -> Path:
        """The UUID that was made up for the OpenPGP key."""
        return self.keys / "openpgp.key_id"

    @property
    def gnupg_home(self) -> Path:
        """The private GNUPGHOME with the key that was made."""
        return self.keys / "gnupg"

    @property
    def given_gnupg_home(self) -> Path:
        """The private GNUPGHOME that a given key is imported to, anew at each start."""
        return self.keys / "gnupg-given"

    @property
    def known_hosts(self) -> Path:
        """The host key for clients, in OpenSSH's form, with the port; written at each start."""
        return self.root / "known_hosts"
