from __future__ import annotations

from pathlib import Path

import pytest

from sftp_orchestrator.config import credentials
from sftp_orchestrator.config.findings import InvalidConfiguration
from tests.support import configuration

PUBLIC_KEY = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"


def test_all_secrets_in_place_pass(tmp_path: Path) -> None:
    """A private key of mode 0600 and a public key that others may read are fine."""
    written = configuration.write_configuration(tmp_path, public_key=PUBLIC_KEY)
    (tmp_path / "clevertap.pub.asc").chmod(0o644)
    credentials.require_secrets(written.configuration)


def test_all_missing_and_loose_secrets_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each secret that is missing, empty or open to others has its line, with its key and what to do."""
    monkeypatch.delenv("ABSENT_PASSPHRASE", raising=False)
    passphrase = {"private_key_passphrase": {"env": "ABSENT_PASSPHRASE"}}
    written = configuration.write_configuration(
        tmp_path, {"destinations": {"production": passphrase}}, public_key=PUBLIC_KEY
    )
    written.private_key.chmod(0o644)
    (tmp_path / "clevertap.pub.asc").unlink()
    with pytest.raises(InvalidConfiguration) as raised:
        credentials.require_secrets(written.configuration)
    loose, unset, missing = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert loose == (
        "destinations.production.private_key: file id_ed25519: its permissions 0644 let others touch it; "
        "run: chmod 600 id_ed25519"
    )
    assert unset == (
        "destinations.production.private_key_passphrase: environment variable ABSENT_PASSPHRASE: it is not set"
    )
    assert missing == (
        "destinations.production.encryption.public_key: file clevertap.pub.asc: No such file or directory; "
        "put the receiver's public key there, or leave encryption out to send plain files"
    )


def test_credential_is_read_from_systemds_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A systemd credential is a file in CREDENTIALS_DIRECTORY; without that, the hint names LoadCredential."""
    reference = {"destinations": {"production": {"private_key": {"file": None, "credential": "sftp-key"}}}}
    written = configuration.write_configuration(tmp_path, reference)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(InvalidConfiguration, match="LoadCredential="):
        credentials.require_secrets(written.configuration)
    (tmp_path / "sftp-key").write_bytes(written.private_key.read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    credentials.require_secrets(written.configuration)


def test_credentials_name_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    """A credential is a plain file name, not '..' and not hidden."""
    reference = {"destinations": {"production": {"private_key": {"file": None, "credential": ".."}}}}
    with pytest.raises(InvalidConfiguration, match="must be a plain file name"):
        configuration.write_configuration(tmp_path, reference)


@pytest.mark.parametrize("token", ["short", "0123456789abcde\n", "0123456789\nabcdefgh", "0123456789abcdef\u00fc"])
def test_a_token_that_can_be_guessed_or_typed_by_nobody_is_told(tmp_path: Path, token: str) -> None:
    """At every start and by ``check``: 16 plain characters on one line at the least."""
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(token, encoding="utf-8")
    written = configuration.write_configuration(tmp_path, {"web": {"token": {"file": "token"}}})
    with pytest.raises(InvalidConfiguration, match=r"web\.token: .*a token is one line of 16 or more plain characters"):
        credentials.require_secrets(written.configuration)
    path.write_text("0123456789abcdef\n", encoding="utf-8")
    credentials.require_secrets(written.configuration)


def test_a_token_that_is_not_there_is_told_with_how_to_make_one(tmp_path: Path) -> None:
    """The line can be typed as it stands."""
    written = configuration.write_configuration(tmp_path, {"web": {"token": {"file": "token"}}})
    with pytest.raises(InvalidConfiguration, match=r"run: \(umask 077; openssl rand -hex 24 > .*token\)"):
        credentials.require_secrets(written.configuration)
