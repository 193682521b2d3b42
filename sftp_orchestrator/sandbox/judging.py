"""Looking at one manifest and its data, and deciding what becomes of them."""

from __future__ import annotations

import enum
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sftp_orchestrator.sandbox import manifest as manifests
from sftp_orchestrator.sandbox.activity import Event
from sftp_orchestrator.sandbox.failures import Breach
from sftp_orchestrator.sandbox.history import Arrival, File
from sftp_orchestrator.sandbox.openpgp import Decryptor
from sftp_orchestrator.sandbox.refusals import (
    INCORRECT_MANIFEST,
    INFRA_ERROR,
    NO_DATA_FILE,
    UNREADABLE,
    Ignored,
    Refusal,
)
from sftp_orchestrator.sandbox.settings import Limits, Paths
from sftp_orchestrator.sandbox.table import Summary, read_table

Clock = Callable[[], float]
"""Tells the time, in epoch seconds."""


class Violation(enum.StrEnum):
    """What a careful sender never does, though the receiver may let it pass."""

    DATA_NOT_CLOSED = "data_not_closed_before_manifest"
    """The manifest came before its data was there in full."""
    DATA_CHANGED = "data_changed_after_manifest"
    """The data was written again or removed after its manifest had come."""
    DATA_CUT = "data_upload_was_cut"
    """The session that wrote the data ended before it closed the file, and nobody wrote it again."""
    DATA_TAKEN_BEFORE = "data_taken_before"
    """Another manifest had this data imported already: events are doubled."""
    DATE_FORMAT_UNUSED = "date_format_unused"
    """A column that is no DATE has a dateFormat."""


@dataclass(frozen=True, kw_only=True)
class ManifestIgnored:
    """Silence."""

    manifest: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Refused, and the sender is told."""

    manifest: str
    data: str | None
    reason: str
    """In our words."""
    vendor: str | None
    """In the vendor's words, None where it has none."""
    rules: tuple[str, ...]
    """The identifiers of the rules in ``rules.rule.Rule`` that the columns break; none where it is about others."""
    violations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Imported."""

    manifest: str
    data: str
    type: str
    """``profile`` or ``event``."""
    rows: int
    """Records after the header, failed ones among them."""
    failed_rows: int
    failed_rules: Mapping[str, Breach]
    """Why they failed: ``rows`` and ``first_row`` by the identifier of the rule in ``rules.rule.Rule``."""
    bytes: int
    """Of the CSV, decrypted."""
    sha256: str
    """Of the CSV, decrypted."""
    decrypted: bool
    earliest_ts: int | None
    """Epoch seconds, of the rows that did not fail."""
    latest_ts: int | None
    columns: tuple[str, ...]
    """The header."""
    violations: tuple[str, ...]


Verdict = ManifestIgnored | Refused | Taken
_EVENTS: Mapping[type[Verdict], Event] = {
    ManifestIgnored: Event.MANIFEST_IGNORED,
    Refused: Event.REFUSED,
    Taken: Event.TAKEN,
}


def describe(verdict: Verdict) -> tuple[Event, dict[str, Any]]:
    """Return the log's event for ``verdict``, and its fields. Pure."""
    return _EVENTS[type(verdict)], asdict(verdict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A manifest that was read, and what is known of the files it is about, when its turn has come."""

    arrival: Arrival
    is_used: bool
    """Whether a manifest of this name was looked at before."""
    document: Mapping[str, Any]
    data: File | None
    """What is known of the file that ``fileName`` names."""

    @property
    def data_name(self) -> str | None:
        """What stands under ``fileName``, right or wrong."""
        name = self.document.get("fileName")
        return name if isinstance(name, str) else None


class Judge:
    """Decides cases. Blocking: call it in a thread, one case at a time."""

    def __init__(
        self,
        *,
        paths: Paths,
        limits: Limits,
        decryptor: Decryptor,
        key_id: str,
        stopping: threading.Event,
        clock: Clock,
    ) -> None:
        self._paths = paths
        self._limits = limits
        self._decryptor = decryptor
        self._key_id = key_id
        self._stopping = stopping
        self._clock = clock

    def judge(self, case: Case) -> Refused | Taken:
        """Return what becomes of the case. May be repeated.

        Raises:
            Stopped: the sandbox stops; nothing was decided.
        """
        try:
            return self._take(case)
        except Refusal as refusal:
            refused = refusal
        except OSError as error:
            refused = Refusal(f"the sandbox itself failed: {error}", vendor=INFRA_ERROR)
        return Refused(
            manifest=case.arrival.manifest,
            data=case.data_name,
            reason=refused.reason,
            vendor=refused.vendor,
            rules=refused.rules,
            violations=tuple(find_upload_violations(case)),
        )

    def _take(self, case: Case) -> Taken:
        if case.is_used:
            raise Refusal("a manifest of this name came before", vendor=None)
        manifest = manifests.read_manifest(case.document)
        path = self._find_data(case, manifest)
        self._check_size(path, manifest)
        self._check_key_id(manifest)
        summary = self._read(path, manifest)
        return Taken(
            manifest=case.arrival.manifest,
            data=manifest.file_name,
            type=manifest.type,
            rows=summary.rows,
            failed_rows=summary.failed_rows,
            failed_rules=summary.breaches,
            bytes=summary.bytes,
            sha256=summary.sha256,
            decrypted=manifest.is_encrypted,
            earliest_ts=summary.earliest_ts,
            latest_ts=summary.latest_ts,
            columns=summary.layout.header,
            violations=(*find_upload_violations(case), *find_mapping_violations(manifest)),
        )

    def _find_data(self, case: Case, manifest: manifests.Manifest) -> Path:
        name = manifest.file_name
        path = self._paths.inbox / name
        if "/" in name or case.data is None or not case.data.was_there(case.arrival.sequence):
            raise Refusal(f"there was no complete file {name!r} when its manifest came", vendor=NO_DATA_FILE)
        if not case.data.is_there:
            raise Refusal(f"{name!r} was touched after its manifest had come", vendor=UNREADABLE)
        if not name.endswith((".csv", ".csv.asc")):
            raise Refusal(f"{name!r} ends neither in .csv nor in .csv.asc", vendor=UNREADABLE)
        return path

    def _check_size(self, path: Path, manifest: manifests.Manifest) -> None:
        size = path.stat().st_size
        limit = self._limits.encrypted_bytes if manifest.is_encrypted else self._limits.plain_bytes
        if size >= limit:
            raise Refusal(f"the data file has {size} bytes and must stay below {limit}", vendor=None)

    def _check_key_id(self, manifest: manifests.Manifest) -> None:
        if not manifest.is_encrypted:
            if manifest.key_id is not None:
                raise Refusal("keyId is given for a file that is not encrypted", vendor=INCORRECT_MANIFEST)
            return
        if manifest.key_id is None:
            raise Refusal("keyId is missing for an encrypted file", vendor=INCORRECT_MANIFEST)
        if manifest.key_id != self._key_id:
            raise Refusal(f"keyId {manifest.key_id!r} is not known here", vendor=INCORRECT_MANIFEST)

    def _read(self, path: Path, manifest: manifests.Manifest) -> Summary:
        failures = self._paths.failures / f"{manifest.file_name}.csv"
        if not manifest.is_encrypted:
            return read_table(path, manifest, failures, self._stopping, now=self._clock())
        decrypted = self._paths.work / f"{uuid.uuid4()}.csv"
        try:
            self._decryptor.decrypt(path, decrypted, self._stopping)
            return read_table(decrypted, manifest, failures, self._stopping, now=self._clock())
        finally:
            decrypted.unlink(missing_ok=True)


def open_manifest(inbox: Path, arrival: Arrival, file: File | None) -> dict[str, Any]:
    """Return the document of the manifest that came with ``arrival``; ``file`` is what is known of it by now.

    Raises:
        Ignored: the vendor stays silent about it.
    """
    if file is None or not file.is_untouched_since(arrival.sequence):
        raise Ignored("it was removed or written again before it was looked at")
    try:
        with (inbox / arrival.manifest).open("rb") as stream:
            content = stream.read(manifests.MAX_BYTES + 1)
    except OSError as error:
        raise Ignored(f"it cannot be read: {error}") from error
    if len(content) > manifests.MAX_BYTES:
        raise Ignored(f"it has more than {manifests.MAX_BYTES} bytes")
    return manifests.parse_document(content)


def find_upload_violations(case: Case) -> list[Violation]:
    """Return what was wrong with the order of things. Pure."""
    if case.data is None or not case.data.was_there(case.arrival.sequence):
        return [Violation.DATA_NOT_CLOSED]
    wrong = {
        Violation.DATA_CHANGED: not case.data.is_untouched_since(case.arrival.sequence),
        Violation.DATA_CUT: not case.data.complete,
        Violation.DATA_TAKEN_BEFORE: case.data.taken,
    }
    return [violation for violation, is_so in wrong.items() if is_so]


def find_mapping_violations(manifest: manifests.Manifest) -> list[Violation]:
    """Return what is odd about the mapping, though the vendor says nothing about it. Pure."""
    columns = manifest.columns.values()
    is_odd = any(column.date_format is not None and column.data_type != "DATE" for column in columns)
    return [Violation.DATE_FORMAT_UNUSED] if is_odd else []
