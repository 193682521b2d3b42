"""Secrets by reference: a file, an environment variable or a systemd credential; read when needed, never printed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sftp_orchestrator.config.paths import ConfigPath
from sftp_orchestrator.errors import ConfigurationError

CREDENTIAL_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"
"""A plain file name: systemd.exec(5), *LoadCredential=*; it may not lead out of the credentials' folder."""

_LOOSE = stat.S_IRWXG | stat.S_IRWXO


class SecretReference(BaseModel):
    """Where a secret is to be found; exactly one of the three is given."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra={"oneOf": [{"required": [name]} for name in ("file", "env", "credential")]},
    )

    file: ConfigPath | None = Field(default=None, examples=["/etc/sftp-orchestrator/id_ed25519"])
    """a file that only its owner may read"""
    env: str | None = Field(default=None, min_length=1, examples=["SFTP_KEY"])
    """an environment variable"""
    credential: str | None = Field(default=None, pattern=CREDENTIAL_PATTERN, examples=["sftp-key"])
    """a systemd credential (LoadCredential=)"""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in ("file", "env", "credential") if getattr(self, name) is not None]
        if len(given) != 1:
            msg = "give exactly one of file, env, credential"
            raise ValueError(msg)
        return self

    def __str__(self) -> str:
        if self.file is not None:
            return f"file {self.file}"
        return f"environment variable {self.env}" if self.env is not None else f"credential {self.credential}"

    def read(self, *, private: bool = True) -> bytes:
        """Return the secret's bytes; may be repeated.

        With ``private``, a file that group or others may touch is refused.

        Raises:
            ConfigurationError: it is missing, unreadable, empty or open to others.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise ConfigurationError("read", str(self), "it is not set")
            return value.encode()
        content = _read_file(self._path(), str(self), private=private and self.file is not None)
        if not content.strip():
            raise ConfigurationError("read", str(self), "it is empty")
        return content

    def _path(self) -> Path:
        if self.file is not None:
            return self.file
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise ConfigurationError(
                "read", str(self), "CREDENTIALS_DIRECTORY is not set", hint="start it by systemd with LoadCredential="
            )
        return Path(folder) / str(self.credential)


def _read_file(path: Path, said: str, *, private: bool) -> bytes:
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if private and mode & _LOOSE:
                raise ConfigurationError(
                    "read",
                    said,
                    f"its permissions {stat.S_IMODE(mode):04o} let others touch it",
                    hint=f"run: chmod 600 {path}",
                )
            return stream.read()
    except OSError as error:
        raise ConfigurationError("read", said, error.strerror or type(error).__name__) from error
