"""Encrypts a part to ``.csv.asc`` with gpg, for one pinned key, in a private GNUPGHOME that knows nothing else."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.errors import ConfigurationError, Failure, InputRefused, LocalFault, Transient
from sftp_orchestrator.prepare.parts import gpg
from sftp_orchestrator.prepare.parts.part_content import PartContent

_ARGUMENTS = ["--compress-algo", "zip", "--compress-level", "1"]
"""Measured on 512 MiB of CSV: gpg's default 39 MB/s, this 92 to 100 MB/s, for a sixth more bytes."""
_EXPIRED = "e"
_UNUSABLE = frozenset({_EXPIRED, "r", "d", "i"})
_CAUSES = {"r": "it is revoked", "d": "it is disabled", "i": "it is invalid"}
_ARMOR = b"-----BEGIN PGP"
_EXPORT_HINT = "export the receiver's public key with: gpg --armor --export KEY"
_RENEW_HINT = "get the receiver's new public key, and its new key_id"


class Encryptor:
    """One public key to encrypt with. Blocking; several may encrypt at the same time."""

    def __init__(self, home: Path, public_key: bytes, *, subject: str) -> None:
        """Import ``public_key`` (ASCII-armored) into the empty or earlier ``home``; ``subject`` names it in errors.

        Raises:
            ConfigurationError: it is not exactly one public key.
            LocalFault: gpg is missing or fails.
        """
        if shutil.which("gpg") is None:
            raise LocalFault("start", "gpg", "it is not installed", hint="run: apt-get install gnupg")
        self._home = home
        self._subject = subject
        self._key = self._import(public_key)

    @property
    def fingerprint(self) -> str:
        """The primary key's full fingerprint: what encryption is pinned to."""
        return str(self._key["fingerprint"])

    @property
    def expires_at(self) -> datetime.datetime | None:
        """When encrypting will no longer be possible; None = never."""
        primary = [self._key["expires"]] if self._key["expires"] else []
        subkeys = [info.get("expires") for info in self._list_encrypting()]
        # With several encryption subkeys the last to expire counts, but none outlives the primary key.
        last = [] if "" in subkeys or None in subkeys or not subkeys else [max(int(end) for end in subkeys if end)]
        ends = [int(end) for end in (*primary, *last)]
        return datetime.datetime.fromtimestamp(min(ends), tz=datetime.UTC) if ends else None

    def require_usable(self, now: datetime.datetime) -> None:
        """Return when the key can encrypt at ``now``; may be repeated.

        Raises:
            ConfigurationError: it is expired, revoked, disabled, or only signs.
        """
        trust = str(self._key["trust"])
        if trust == _EXPIRED:
            raise self._refuse(f"it expired on {_get_day(self._key)}", hint=_RENEW_HINT)
        if trust in _CAUSES:
            raise self._refuse(_CAUSES[trust], hint=_RENEW_HINT)
        ends = self.expires_at
        if not self._list_encrypting():
            raise self._refuse_subkeys()
        if ends is not None and ends <= now:
            raise self._refuse(f"it expired on {ends:%Y-%m-%d}", hint=_RENEW_HINT)

    def _refuse_subkeys(self) -> ConfigurationError:
        """Return why none of the keys in it can encrypt."""
        expired = [info for info in self._list_made_to_encrypt() if info["trust"] == _EXPIRED]
        if not expired:
            hint = "ask for, or make, a public key that encrypts"
            return self._refuse("it can only sign: it has no valid subkey to encrypt with", hint=hint)
        last = max(map(_get_day, expired))
        return self._refuse(f"its subkey to encrypt with expired on {last}", hint=_RENEW_HINT)

    def encrypt(
        self,
        content: PartContent,
        target: Path,
        *,
        max_bytes: int,
        cancelled: threading.Event,
        progress: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Encrypt ``content`` into ``target``, whole or not at all; return its size. May be repeated.

        Raises:
            SourceChanged: the source is not what was inspected.
            InputRefused: the result is not below ``max_bytes``.
            LocalFault: gpg fails, dies or gives no sign of life, or the disk is full.
            Transient: ``cancelled`` was set.
        """
        unfinished = target.with_name(target.name + ".writing")
        unfinished.unlink(missing_ok=True)
        try:
            # gpg keeps the mode of a file that it writes over; one that it makes itself is open to others.
            unfinished.touch(mode=files.WORK_MODE)
            with failpoints.around("encrypt.gpg"):
                self._run_gpg(content, unfinished, cancelled, progress)
            size = unfinished.stat().st_size
            if size >= max_bytes:
                raise InputRefused("encrypt", target.name, f"it has {size} bytes, the limit is {max_bytes}")
            files.fsync_file(unfinished)
            with failpoints.around("encrypt.rename"):
                unfinished.rename(target)
            files.fsync_directory(target.parent)
        except OSError as error:
            raise LocalFault("encrypt", target.name, error.strerror or str(error)) from error
        finally:
            unfinished.unlink(missing_ok=True)
        return size

    def _run_gpg(
        self, content: PartContent, target: Path, cancelled: threading.Event, progress: Callable[[int], None]
    ) -> None:
        with content.open() as plain:
            watched = _Watched(plain, cancelled, progress)
            with gpg.Warden(
                target.stem,
                patience_seconds=gpg.SILENCE_SECONDS,
                stop=cancelled,
                get_life=lambda: (watched.count, _get_size(target)),
            ) as warden:
                result = self._feed(warden, watched, target)
        if watched.failure is not None:
            raise watched.failure
        warden.require_success(result and result.returncode)
        if result is None:
            raise LocalFault(
                "encrypt", target.stem, "gpg took no more bytes before their end", hint="is the disk full?"
            )
        # On a full disk gpg 2.2 reports END_ENCRYPTION all the same and leaves a cut piece: only its exit code tells.
        if result.returncode != 0 or not result.ok or watched.count != content.size:
            reason = f"gpg ended with code {result.returncode} ({result.status or 'it said nothing'})"
            raise LocalFault("encrypt", target.stem, reason, hint="is the disk full?")

    def _feed(self, warden: gpg.Warden, watched: _Watched, target: Path) -> Any:  # noqa: ANN401 - python-gnupg publishes no types
        """Return what gpg made of the plaintext; None where it ended before it took all of it."""
        # python-gnupg reads in a thread of its own and logs what it raises there: it is kept, and raised by our caller.
        try:
            return warden.open(self._home).encrypt_file(
                cast("BinaryIO", watched),
                [self.fingerprint],
                armor=True,
                always_trust=True,
                output=str(target),
                extra_args=_ARGUMENTS,
            )
        except BrokenPipeError:
            return None

    def _import(self, public_key: bytes) -> dict[str, Any]:
        if _ARMOR not in public_key:
            # An OpenPGP packet begins with a byte that no text begins with (RFC 9580, section 4.2).
            is_binary = public_key[:1] >= b"\x80"
            cause = "it is binary, not ASCII-armored" if is_binary else "it holds no OpenPGP key"
            raise self._refuse(cause, hint=_EXPORT_HINT)
        with gpg.Warden(self._subject, patience_seconds=gpg.ANSWER_SECONDS) as warden:
            try:
                return self._take_in(warden.open(self._home), public_key)
            except (OSError, ValueError, LookupError, ConfigurationError) as error:
                # What a gpg that was killed left unsaid must not be told as a fault of the key.
                warden.require_success(None)
                if isinstance(error, ConfigurationError):
                    raise
                raise LocalFault("read", self._subject, str(error)) from error

    def _take_in(self, ring: Any, public_key: bytes) -> dict[str, Any]:  # noqa: ANN401 - python-gnupg publishes no types
        found = ring.scan_keys_mem(public_key.decode("ascii", "replace"))
        if not found:
            raise self._refuse("it holds no OpenPGP key", hint=_EXPORT_HINT)
        if len(found) > 1:
            known = ", ".join(str(key["fingerprint"]) for key in found)
            hint = f"keep the one that the key_id belongs to, of {known}: gpg --armor --export KEY"
            raise self._refuse(f"it holds {len(found)} keys, one is wanted", hint=hint)
        if found[0]["type"] != "pub":
            raise self._refuse("it is a private key; the public one is wanted", hint=_EXPORT_HINT)
        fingerprint = found[0]["fingerprint"]
        result = ring.import_keys(public_key)
        if fingerprint not in result.fingerprints:
            raise self._refuse(f"gpg does not take it: {result.results}", hint=_EXPORT_HINT)
        return cast("dict[str, Any]", ring.list_keys(keys=[fingerprint])[0])

    def _list_encrypting(self) -> list[dict[str, Any]]:
        """Return the primary key or subkeys that may encrypt and are neither revoked nor expired."""
        return [info for info in self._list_made_to_encrypt() if str(info["trust"]) not in _UNUSABLE]

    def _list_made_to_encrypt(self) -> list[dict[str, Any]]:
        infos = [self._key, *self._key.get("subkey_info", {}).values()]
        return [info for info in infos if "e" in str(info["cap"])]

    def _refuse(self, cause: str, *, hint: str) -> ConfigurationError:
        return ConfigurationError("use", self._subject, cause, hint=hint)


def _get_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _get_day(info: dict[str, Any]) -> str:
    """Return the day on which a key or subkey expires, as YYYY-MM-DD."""
    return f"{datetime.datetime.fromtimestamp(int(info['expires']), tz=datetime.UTC):%Y-%m-%d}"


class _Watched:
    """The plaintext on its way into gpg: counted, stopped when asked to, its failure kept for whoever asked for it."""

    def __init__(self, stream: BinaryIO, cancelled: threading.Event, progress: Callable[[int], None]) -> None:
        self._stream = stream
        self._cancelled = cancelled
        self._progress = progress
        self.count = 0
        self.failure: Failure | None = None

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; none at the end, or when a failure is kept."""
        try:
            if self._cancelled.is_set():
                raise Transient("encrypt", "the part", "it was stopped")
            data = self._stream.read(size)
        except Failure as error:
            self.failure = error
            return b""
        except OSError as error:
            self.failure = LocalFault("read", "the source", error.strerror or str(error))
            return b""
        self.count += len(data)
        self._progress(len(data))
        return data

    def close(self) -> None:
        """Close the plaintext; python-gnupg may call it."""
        with contextlib.suppress(OSError):
            self._stream.close()
