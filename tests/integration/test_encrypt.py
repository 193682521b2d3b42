"""Encryption with the real gpg: what is refused as a key, what comes out, and what is left behind when it fails."""

from __future__ import annotations

import datetime
import os
import random
import re
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sftp_orchestrator.errors import ConfigurationError, LocalFault, SourceChanged, Transient
from sftp_orchestrator.prepare.parts.encrypt import Encryptor
from sftp_orchestrator.prepare.parts.part_content import PartContent
from sftp_orchestrator.prepare.parts.split import get_plain_limit
from tests.support.openpgp import KeyRing, open_keyring

HEADER = b"identity,note\n"
NO_LIMIT = 1_000_000_000


@pytest.fixture(scope="module")
def ring() -> Iterator[KeyRing]:
    """The receiver's secret keys."""
    with open_keyring() as ring:
        yield ring


@pytest.fixture(scope="module")
def fingerprint(ring: KeyRing) -> str:
    """The key that the receiver decrypts with."""
    return ring.make_key("receiver")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A private GNUPGHOME."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def encryptor(ring: KeyRing, fingerprint: str, home: Path) -> Encryptor:
    """An encryptor for that key."""
    return Encryptor(home, ring.export(fingerprint), subject="the key")


def get_now() -> datetime.datetime:
    """Return the time."""
    return datetime.datetime.now(datetime.UTC)


def make_content(path: Path, body: bytes) -> PartContent:
    """Write a source and return its only part."""
    path.write_bytes(HEADER + body)
    status = path.stat()
    return PartContent(
        path=path,
        header_bytes=HEADER,
        start=len(HEADER),
        end=status.st_size,
        expected_size=status.st_size,
        expected_mtime_ns=status.st_mtime_ns,
    )


def encrypt(
    encryptor: Encryptor, content: PartContent, target: Path, *, max_bytes: int = NO_LIMIT, stop: bool = False
) -> int:
    """Encrypt into ``target``, told to stop at once if ``stop``."""
    cancelled = threading.Event()
    if stop:
        cancelled.set()
    return encryptor.encrypt(content, target, max_bytes=max_bytes, cancelled=cancelled)


def test_receiver_reads_what_we_encrypted(ring: KeyRing, encryptor: Encryptor, tmp_path: Path) -> None:
    """The receiver decrypts to header and range, byte for byte, from an armored file that only we may read."""
    body = b'1,"two\nlines"\n2,\xc3\xa9\n' * 5000
    target = tmp_path / "part.csv.asc"
    size = encrypt(encryptor, make_content(tmp_path / "source.csv", body), target)
    sent = target.read_bytes()
    assert len(sent) == size
    assert sent.startswith(b"-----BEGIN PGP MESSAGE-----\n")
    assert ring.decrypt(sent) == HEADER + body
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(ring.list_recipients(sent)) == 1


def test_several_encrypt_at_the_same_time(ring: KeyRing, encryptor: Encryptor, tmp_path: Path) -> None:
    """Parts of one source are encrypted side by side, each whole."""
    bodies = [f"{number},x\n".encode() * 50_000 for number in range(4)]
    contents = [make_content(tmp_path / f"{number}.csv", body) for number, body in enumerate(bodies)]
    targets = [tmp_path / f"{number}.asc" for number in range(4)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda pair: encrypt(encryptor, *pair), zip(contents, targets, strict=True)))
    assert [ring.decrypt(target.read_bytes()) for target in targets] == [HEADER + body for body in bodies]


@pytest.mark.parametrize("algorithm", ["rsa3072", "rsa4096"])
@pytest.mark.parametrize("limit", [4096, 5000, 65_536, 1_000_000, 8_000_000])
def test_incompressible_part_stays_below_the_limit(
    ring: KeyRing, home: Path, tmp_path: Path, algorithm: str, limit: int
) -> None:
    """Plaintext just below the plain limit stays below the receiver's limit, however badly it compresses."""
    name = f"big-{algorithm}"
    key = ring.get_fingerprint(name) if ring.has_key(name) else ring.make_key(name, algorithm=algorithm)
    encryptor = Encryptor(home, ring.export(key), subject="the key")
    plain = get_plain_limit(limit) - 1 - len(HEADER)
    assert plain > 0
    content = make_content(tmp_path / "source.csv", random.Random(limit).randbytes(plain))  # noqa: S311 - no secret
    assert encrypt(encryptor, content, tmp_path / "out.asc", max_bytes=limit) < limit


def test_failed_encryption_leaves_nothing(encryptor: Encryptor, tmp_path: Path) -> None:
    """A source that changed since it was inspected is not encrypted, and no piece of it stays."""
    content = make_content(tmp_path / "source.csv", b"1,a\n" * 100_000)
    with content.path.open("ab") as stream:
        stream.write(b"2,b\n")
    with pytest.raises(SourceChanged):
        encrypt(encryptor, content, tmp_path / "x.asc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "source.csv"]


def test_stopped_encryption_leaves_nothing(encryptor: Encryptor, tmp_path: Path) -> None:
    """Told to stop, it stops with an error that may be tried again, and leaves nothing."""
    content = make_content(tmp_path / "source.csv", b"1,a\n" * 100_000)
    with pytest.raises(Transient):
        encrypt(encryptor, content, tmp_path / "x.asc", stop=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "source.csv"]


def test_failed_gpg_is_never_taken_for_success(
    ring: KeyRing, fingerprint: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk gpg reports END_ENCRYPTION and leaves a cut piece: only its exit code tells."""
    encryptor = Encryptor(home, ring.export(fingerprint), subject="the key")
    content = make_content(tmp_path / "source.csv", b"1,a\n" * 1000)
    gpg = shutil.which("gpg")
    # It ends as gpg does when its disk fills up: output there, END_ENCRYPTION said, and code 2.
    program = tmp_path / "bin" / "gpg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n{gpg} "$@" || exit\ncase "$*" in *--encrypt*) exit 2;; esac\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(LocalFault):
        encrypt(encryptor, content, tmp_path / "x.asc")
    assert not (tmp_path / "x.asc").exists()


def test_gpg_missing_is_said(
    ring: KeyRing, fingerprint: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gpg the error says what to install."""
    key = ring.export(fingerprint)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalFault, match="gpg"):
        Encryptor(home, key, subject="the key")


def test_expired_key_is_refused(ring: KeyRing, home: Path) -> None:
    """A key that has expired is refused, with the day it did, and what to ask the receiver for."""
    yesterday = int(time.time()) - 86_400
    key = ring.make_key("expired", expires="seconds=60", at=str(yesterday))
    encryptor = Encryptor(home, ring.export(key), subject="the key")
    day = f"{datetime.datetime.fromtimestamp(yesterday + 60, tz=datetime.UTC):%Y-%m-%d}"
    with pytest.raises(
        ConfigurationError, match=f"it expired on {day}; get the receiver's new public key, and .* key_id"
    ):
        encryptor.require_usable(get_now())


def test_key_whose_subkey_expired_is_not_said_to_sign_only(ring: KeyRing, home: Path) -> None:
    """A key that is valid but for its subkey to encrypt with is refused with the day on which that expired."""
    yesterday = int(time.time()) - 86_400
    key = ring.make_key("half", expires="never", encrypts=False, at=str(yesterday))
    ring.add_subkey(key, expires="seconds=60", at=str(yesterday))
    encryptor = Encryptor(home, ring.export(key), subject="the key")
    day = f"{datetime.datetime.fromtimestamp(yesterday + 60, tz=datetime.UTC):%Y-%m-%d}"
    with pytest.raises(
        ConfigurationError, match=f"its subkey to encrypt with expired on {day}; get the receiver's new"
    ):
        encryptor.require_usable(get_now())


def test_key_is_usable_until_it_expires(encryptor: Encryptor) -> None:
    """The day of expiry is known ahead, and from it on the key is refused."""
    expires_at = encryptor.expires_at
    assert expires_at is not None
    assert datetime.timedelta(hours=20) < expires_at - get_now() <= datetime.timedelta(days=1)
    encryptor.require_usable(expires_at - datetime.timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match="expired"):
        encryptor.require_usable(expires_at)


def test_revoked_key_is_refused(ring: KeyRing, home: Path) -> None:
    """A revoked key is refused, with the cause named."""
    key = ring.make_key("revoked")
    ring.revoke(key)
    encryptor = Encryptor(home, ring.export(key), subject="the key")
    with pytest.raises(ConfigurationError, match="revoked"):
        encryptor.require_usable(get_now())


def test_sign_only_key_is_refused(ring: KeyRing, home: Path) -> None:
    """A key without a subkey to encrypt with is refused, with the cause named."""
    key = ring.make_key("signer", encrypts=False)
    encryptor = Encryptor(home, ring.export(key), subject="the key")
    with pytest.raises(ConfigurationError, match="sign"):
        encryptor.require_usable(get_now())


def test_secret_key_is_refused(ring: KeyRing, fingerprint: str, home: Path) -> None:
    """A secret key in place of the public one is refused and not imported."""
    with pytest.raises(ConfigurationError, match="private"):
        Encryptor(home, ring.export_secret(fingerprint), subject="the key")
    assert not list((home / "private-keys-v1.d").glob("*"))


def test_two_keys_are_refused(ring: KeyRing, fingerprint: str, home: Path) -> None:
    """A file with several keys is refused: which one to encrypt to would be a guess."""
    other = ring.make_key("other")
    with pytest.raises(ConfigurationError, match="2 keys, one is wanted; keep the one that the key_id") as raised:
        Encryptor(home, ring.export(fingerprint, other), subject="the key")
    assert {fingerprint, other} <= set(re.findall(r"[0-9A-F]{40}", str(raised.value)))


def test_binary_key_is_refused_with_the_command_that_exports_it(ring: KeyRing, fingerprint: str, home: Path) -> None:
    """A key without armor is not said to be no key."""
    binary = ring.run("--export", fingerprint)
    with pytest.raises(ConfigurationError, match=r"it is binary, not ASCII-armored; .*gpg --armor --export"):
        Encryptor(home, binary, subject="the key")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key at all\n",
        b"ssh-ed25519 AAAA receiver\n",
        b"-----BEGIN PGP MESSAGE-----\n\nnonsense\n-----END PGP MESSAGE-----\n",
    ],
)
def test_wrong_file_is_refused(home: Path, content: bytes) -> None:
    """What is no OpenPGP key is refused, with the command that exports one."""
    with pytest.raises(ConfigurationError, match=r"it holds no OpenPGP key; .*gpg --armor --export"):
        Encryptor(home, content, subject="the key")
