"""The manifest: a typed model, written by a JSON library, and checked before it leaves.

An invalid manifest is met with silence by the receiver (CleverTap, *Imports via SFTP*): no e-mail, no error.
"""

from __future__ import annotations

import json
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sftp_orchestrator.destination import names
from sftp_orchestrator.destination.clevertap import DATE_FORMATS, DataType, FeedType
from sftp_orchestrator.errors import LocalFault

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_EMAIL = r"^[^@\s,;<>\"]+@[^@\s,;<>\".]+(\.[^@\s,;<>\".]+)+$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Column(_Model):
    """How one column is imported."""

    ctName: str = Field(min_length=1, max_length=120)  # noqa: N815 - the receiver's key
    dataType: DataType  # noqa: N815 - the receiver's key
    dateFormat: str | None = None  # noqa: N815 - the receiver's key

    @model_validator(mode="after")
    def _date_has_a_documented_format(self) -> Self:
        if (self.dataType is DataType.DATE) != (self.dateFormat is not None):
            msg = "dateFormat belongs to DATE, and to nothing else"
            raise ValueError(msg)
        if self.dateFormat is not None and self.dateFormat not in DATE_FORMATS:
            msg = f"dateFormat {self.dateFormat} is none that the receiver documents"
            raise ValueError(msg)
        return self


class Manifest(_Model):
    """What the receiver reads to import one data file."""

    fileName: str = Field(pattern=r"^[A-Za-z0-9._-]+\.csv(\.asc)?$")  # noqa: N815 - the receiver's key
    type: FeedType
    columns: dict[str, Column]
    clientEmail: str = Field(pattern=_EMAIL)  # noqa: N815 - the receiver's key
    keyId: str | None = Field(default=None, pattern=_UUID)  # noqa: N815 - the receiver's key

    @model_validator(mode="after")
    def _key_id_exactly_when_encrypted(self) -> Self:
        if self.fileName.endswith(names.ENCRYPTED_SUFFIX) != (self.keyId is not None):
            msg = "keyId belongs to an encrypted data file, and to no other"
            raise ValueError(msg)
        return self


def render(manifest: Manifest) -> bytes:
    """Return a manifest as JSON in UTF-8. Pure.

    No line break follows the last brace: so no cut-off beginning of a manifest can ever be valid JSON.
    """
    return manifest.model_dump_json(indent=2, exclude_none=True).encode()


def check(content: bytes, data_name: str) -> Manifest:
    """Read a manifest as strictly as its receiver might, just before it leaves; return it.

    Raises:
        LocalFault: it is not valid: a defect of ours, and nothing was sent.
    """
    try:
        values = json.loads(content.decode("utf-8"), object_pairs_hook=_refuse_duplicates)
        # Half a surrogate pair, written as an escape, is no character that UTF-8 has (RFC 8259, section 8.2).
        json.dumps(values, ensure_ascii=False).encode()
        manifest = Manifest.model_validate(values)
    except (ValueError, ValidationError) as error:
        raise LocalFault("check", f"manifest of {data_name}", str(error).splitlines()[0]) from error
    if manifest.fileName != data_name:
        raise LocalFault("check", f"manifest of {data_name}", f"it names {manifest.fileName}")
    return manifest


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return values
