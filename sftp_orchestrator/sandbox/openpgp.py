"""Decrypting with gpg, in a private GNUPGHOME; and the key pair to do it with."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import gnupg

from sftp_orchestrator import errors
from sftp_orchestrator.sandbox.refusals import UNREADABLE, Refusal
from sftp_orchestrator.sandbox.settings import OpenPGPAlgorithm
from sftp_orchestrator.sandbox.table import BUFFER_BYTES, Stopped

LONGEST_HOME = 80
"""Bytes; beyond, the agent's socket ``/S.gpg-agent.browser`` in it may not fit into the 107 of sun_path (unix(7))."""
OPTIONS = ("--pinentry-mode", "error", "--no-tty")
"""Nobody is there to be asked for a passphrase."""


class _Given(io.RawIOBase):
    """The encrypted bytes as gpg is to get them; they end early once the sandbox stops."""

    def __init__(self, raw: io.FileIO, stopping: threading.Event) -> None:
        self._raw = raw
        self._stopping = stopping

    def read(self, size: int = -1, /) -> bytes:
        return b"" if self._stopping.is_set() else self._raw.read(size)


class Decryptor:
    """Holds one OpenPGP key pair and decrypts with it. Blocking: call it in a thread."""

    def __init__(self, home: Path) -> None:
        try:
            self._gpg = gnupg.GPG(gnupghome=str(home), options=list(OPTIONS))
        except OSError as error:
            raise errors.LocalFault("start", "gpg", "it cannot be run", hint="install GnuPG 2.2 or later") from error
        self._gpg.buffer_size = BUFFER_BYTES

    def provide_key(self, algorithm: OpenPGPAlgorithm) -> None:
        """Make a key pair without a passphrase, unless there is one. May be repeated.

        Raises:
            LocalFault: gpg could not.
        """
        if self._gpg.list_keys(secret=True):
            return
        asked: dict[str, Any] = {**algorithm.primary, **algorithm.subkey}
        asked |= {"name_real": "Sandbox", "name_email": "sandbox@example.com", "expire_date": 0}
        made = self._gpg.gen_key(self._gpg.gen_key_input(no_protection=True, **asked))
        if not made.fingerprint:
            raise errors.LocalFault("make", "an OpenPGP key", _get_last_line(made.stderr))

    def import_key(self, path: Path) -> None:
        """Take in the private key in the file ``path``.

        Raises:
            LocalFault: it is unreadable, or there is no private key in it.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise errors.LocalFault("read", str(path), error.strerror or type(error).__name__) from error
        found = self._gpg.import_keys(content)
        if not self._gpg.list_keys(secret=True):
            hint = "export it with: gpg --armor --export-secret-keys"
            raise errors.LocalFault("import", str(path), _get_last_line(found.stderr), hint=hint)

    def export_public_key(self) -> str:
        """Return the public half, ASCII-armored."""
        fingerprint = self._gpg.list_keys(secret=True)[0]["fingerprint"]
        return str(self._gpg.export_keys(fingerprint))

    def decrypt(self, source: Path, target: Path, stopping: threading.Event) -> None:
        """Decrypt the file ``source`` to ``target``, in memory that does not grow with it.

        ``target`` holds all or, after an error, nothing that counts. Raises:
            Refusal: it is not encrypted to this key, or damaged.
            Stopped: ``stopping`` was set meanwhile.
        """
        with io.FileIO(source) as raw:
            try:
                result = self._gpg.decrypt_file(_Given(raw, stopping), output=str(target))
            except BrokenPipeError as error:
                # gpg had seen enough before it was given everything.
                raise Refusal("cannot be decrypted: no OpenPGP message", vendor=UNREADABLE) from error
        if stopping.is_set():
            raise Stopped
        if not result.ok or result.returncode:
            raise Refusal(f"cannot be decrypted: {result.status or 'no OpenPGP message'}", vendor=UNREADABLE)


@asynccontextmanager
async def open_home(home: Path) -> AsyncIterator[Decryptor]:
    """Give a decryptor that works in the private folder ``home``, and end its gpg-agent with the context."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as short:
        usable = home
        if len(os.fsencode(home)) > LONGEST_HOME:
            # gpg places the agent's socket beneath the name it was given, and that may lead through a link.
            usable = Path(short) / "g"
            usable.symlink_to(home)
        try:
            yield await asyncio.to_thread(Decryptor, usable)
        finally:
            await _end_agent(usable)


async def _end_agent(home: Path) -> None:
    try:
        ending = await asyncio.create_subprocess_exec("gpgconf", "--homedir", str(home), "--kill", "gpg-agent")
    except FileNotFoundError:
        # Without gpgconf there is no gpg, and so no agent.
        return
    await ending.wait()


def _get_last_line(stderr: str) -> str:
    return stderr.strip().rpartition("\n")[2] or "gpg said nothing"
