from __future__ import annotations

import json
from typing import Any

import pytest

from sftp_orchestrator.sandbox.manifest import DATA_TYPES, DATE_FORMATS, Column, Manifest, parse_document, read_manifest
from sftp_orchestrator.sandbox.refusals import INCORRECT_MANIFEST, Ignored, Refusal

VALID: dict[str, Any] = {"fileName": "a.csv", "type": "event", "clientEmail": "data-team@example.com"}


def read(**changes: Any) -> Manifest:
    """Return the manifest that is valid but for ``changes``."""
    return read_manifest(parse_document(json.dumps({**VALID, **changes}).encode()))


def test_the_vendors_plain_sample_is_read() -> None:
    """Every detail of a full manifest is understood."""
    manifest = read(
        columns={
            "event_name": {"ctName": "evtName", "dataType": "STRING"},
            "time_stamp": {"ctName": "ts", "dataType": "INTEGER"},
            "delivery_date": {"ctName": "DeliveryDate", "dataType": "DATE", "dateFormat": "dd/MM/yyyy HH:mm:ss"},
            "plain": {},
        }
    )
    assert (manifest.file_name, manifest.type, manifest.key_id) == ("a.csv", "event", None)
    assert manifest.columns["time_stamp"] == Column(property_name="ts", data_type="INTEGER")
    assert manifest.columns["delivery_date"].date_format == "dd/MM/yyyy HH:mm:ss"
    assert manifest.columns["plain"] == Column(property_name="plain", data_type="STRING")


@pytest.mark.parametrize("kind", ["Event", "EVENT", "event"])
@pytest.mark.parametrize("data_type", ["float", "Float", "FLOAT"])
def test_case_does_not_count_in_types(kind: str, data_type: str) -> None:
    """Type and dataType are read whatever their case."""
    manifest = read(type=kind, columns={"a": {"dataType": data_type}})
    assert manifest.type == "event"
    assert manifest.columns["a"].data_type == "FLOAT"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b'{"a": 1} // the key', "invalid JSON"),
        (b'{"a": 1, "a": 1}', "'a' stands there twice"),
        (b'{"columns": {"x": {}, "x": {}}}', "'x' stands there twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": -Infinity}', "-Infinity is no JSON"),
        (b'{"a": 1,}', "invalid JSON"),
        (b"\xef\xbb\xbf{}", "invalid JSON"),
        ('{"a": "ä"}'.encode("latin-1"), "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[]", "not an object"),
        (b"{}", "clientEmail is missing"),
        (b'{"clientEmail": null}', "clientEmail is missing"),
        (b'{"clientEmail": 1}', "not one address"),
        (b'{"clientEmail": ["a@example.com"]}', "not one address"),
        (b'{"clientEmail": "nobody"}', "not one address"),
        (b'{"clientEmail": "a@example"}', "not one address"),
        (b'{"clientEmail": "a@example.com, b@example.com"}', "not one address"),
        (b'{"clientEmail": "a@example.com "}', "not one address"),
    ],
)
def test_silence(content: bytes, reason: str) -> None:
    """What is not strictly JSON, or names no address to answer to, is met with silence."""
    with pytest.raises(Ignored) as caught:
        parse_document(content)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "user"}, "neither profile nor event"),
        ({"type": None}, "type must be a text"),
        ({"fileName": ""}, "fileName must be a text"),
        ({"fileName": 5}, "fileName must be a text"),
        ({"keyId": None}, "keyId must be a text"),
        ({"delimiter": ";"}, "unknown key 'delimiter'"),
        ({"columns": []}, "columns is not an object"),
        ({"columns": {"a": "identity"}}, "column 'a' is not an object"),
        ({"columns": {"a": {"ct_name": "identity"}}}, "unknown key 'ct_name'"),
        ({"columns": {"a": {"ctName": ""}}}, "ctName must be a text"),
        ({"columns": {"a": {"dataType": "int"}}}, "unknown dataType 'int'"),
        ({"columns": {"a": {"dataType": None}}}, "dataType must be a text"),
        ({"columns": {"a": {"dataType": "DATE"}}}, "needs a dateFormat"),
        ({"columns": {"a": {"dataType": "DATE", "dateFormat": "DD/MM/yyyy"}}}, "unknown dateFormat"),
        ({"columns": {"a": {"dataType": "DATE", "dateFormat": "unix"}}}, "unknown dateFormat"),
    ],
)
def test_incorrect_details(changes: dict[str, Any], reason: str) -> None:
    """What is JSON but wrong is refused in the vendor's words."""
    with pytest.raises(Refusal) as caught:
        read(**changes)
    assert reason in caught.value.reason
    assert caught.value.vendor == INCORRECT_MANIFEST


@pytest.mark.parametrize("key", ["fileName", "type"])
def test_mandatory_keys(key: str) -> None:
    """Without file name or type there is nothing to import."""
    document = {name: value for name, value in VALID.items() if name != key}
    with pytest.raises(Refusal, match=f"{key} is missing"):
        read_manifest(document)


def test_the_documented_values_are_known() -> None:
    """Six types and thirteen date formats are documented, and all are taken."""
    assert (len(DATA_TYPES), len(DATE_FORMATS)) == (6, 13)
    columns = {f"c{number}": {"dataType": "date", "dateFormat": form} for number, form in enumerate(DATE_FORMATS)}
    assert len(read(columns=columns).columns) == 13
