"""Real OpenPGP keys for tests: made by gpg in a folder of their own, and what is encrypted to them opened again."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KeyRing:
    """A GNUPGHOME with secret keys, as the receiver has one."""

    home: Path

    def run(self, *arguments: str, content: bytes = b"") -> bytes:
        """Run gpg on this ring and return what it prints."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty", "--yes"]
        unlocked = ["--pinentry-mode", "loopback", "--passphrase", ""]
        return subprocess.run([*command, *unlocked, *arguments], input=content, check=True, capture_output=True).stdout

    def make_key(
        self,
        name: str,
        *,
        expires: str = "1d",
        encrypts: bool = True,
        algorithm: str = "rsa2048",
        at: str | None = None,
    ) -> str:
        """Make a key, with a subkey to encrypt if ``encrypts``; return its fingerprint.

        ``expires`` is gpg's way to say it (``1d``, ``seconds=1``); ``at`` is when it is made, epoch seconds.
        """
        clock = ["--faked-system-time", f"{at}!"] if at is not None else []  # "!": the clock stands still
        address = f"{name} <{name}@example.com>"
        self.run(*clock, "--quick-generate-key", address, algorithm, "cert,sign", expires)
        fingerprint = self.get_fingerprint(name)
        if encrypts:
            self.add_subkey(fingerprint, expires=expires, algorithm=algorithm, at=at)
        return fingerprint

    def add_subkey(
        self, fingerprint: str, *, expires: str = "1d", algorithm: str = "rsa2048", at: str | None = None
    ) -> None:
        """Add a subkey to encrypt with; the arguments are those of ``make_key``."""
        clock = ["--faked-system-time", f"{at}!"] if at is not None else []  # "!": the clock stands still
        self.run(*clock, "--quick-add-key", fingerprint, algorithm, "encr", expires)

    def get_fingerprint(self, name: str) -> str:
        """Return the full fingerprint of the key of that name."""
        listed = self.run("--with-colons", "--list-keys", f"={name} <{name}@example.com>").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))

    def has_key(self, name: str) -> bool:
        """Return whether there is a key of that name."""
        return f"<{name}@example.com>" in self.run("--with-colons", "--list-keys").decode()

    def revoke(self, fingerprint: str) -> None:
        """Revoke a key with the certificate that gpg stored when it made it."""
        stored = (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text()
        # gpg puts a colon before the armor, so that nobody imports it by mistake.
        self.run("--import", content=stored.replace(":-----BEGIN", "-----BEGIN").encode())

    def export(self, *fingerprints: str) -> bytes:
        """Return public keys, ASCII-armored."""
        return self.run("--armor", "--export", *fingerprints)

    def export_secret(self, fingerprint: str) -> bytes:
        """Return a secret key, ASCII-armored."""
        return self.run("--armor", "--export-secret-keys", fingerprint)

    def decrypt(self, content: bytes) -> bytes:
        """Return the plaintext of a message to one of these keys."""
        return self.run("--decrypt", content=content)

    def list_recipients(self, content: bytes) -> list[str]:
        """Return the long ids of the subkeys that a message is encrypted to."""
        packets = self.run("--list-packets", content=content).decode()
        return re.findall(r"^:pubkey enc packet: .* keyid ([0-9A-F]{16})", packets, flags=re.MULTILINE)


@contextlib.contextmanager
def open_keyring() -> Iterator[KeyRing]:
    """Give a fresh ring for the time of the context; its gpg-agent is ended with it.

    The folder has a short path: an agent's socket must fit into the 108 bytes of ``sun_path`` (unix(7)).
    """
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        ring = KeyRing(home=Path(folder))
        try:
            yield ring
        finally:
            subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True, capture_output=True)
