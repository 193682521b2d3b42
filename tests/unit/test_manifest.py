"""The manifest: what it says, and what may never leave."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftp_orchestrator.config.model import Destination, Feed
from sftp_orchestrator.destination import manifest
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.errors import Failure
from sftp_orchestrator.prepare.parts import planning
from tests.support.receivers import make_destination

KEY_ID = "ec491319-9823-48cd-b6a1-6bb0bc666d75"
DATA_NAME = "purchases_20260301T000000Z_0123456789_1of1.csv"
FEED = Feed.model_validate(
    {
        "type": "event",
        "files": ["*.csv"],
        "columns": {
            "event_name": {"ct_name": "evtName"},
            "time_stamp": {"ct_name": "ts", "type": "INTEGER"},
            "day": {"type": "DATE", "date_format": "yyyy-MM-dd"},
            "gone": {"ct_name": "Gone"},
        },
    }
)
VALID: dict[str, Any] = {
    "fileName": DATA_NAME,
    "type": "event",
    "columns": {"day": {"ctName": "Day", "dataType": "DATE", "dateFormat": "UNIX"}},
    "clientEmail": "data-team@example.com",
}


def make_plain(**overrides: Any) -> Destination:
    """Return a destination that is never connected to."""
    return make_destination(overrides, port=22, username="1", private_key={"file": "/k"}, host_key="ssh-ed25519 AAAA")


def test_manifest_says_what_the_receiver_reads() -> None:
    """Mapped columns that the file has are listed in its order, by the receiver's own spelling; no key without one."""
    destination = make_plain(client_email="data-team@example.com")
    content = manifest.render(
        planning.make_manifest(DATA_NAME, FEED, destination, ["time_stamp", "own", "event_name", "day"])
    )
    assert json.loads(content) == {
        "fileName": DATA_NAME,
        "type": "event",
        "columns": {
            "time_stamp": {"ctName": "ts", "dataType": "INTEGER"},
            "event_name": {"ctName": "evtName", "dataType": "STRING"},
            "day": {"ctName": "day", "dataType": "DATE", "dateFormat": "yyyy-MM-dd"},
        },
        "clientEmail": "data-team@example.com",
    }
    manifest.check(content, DATA_NAME)


@given(names=st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=4))
def test_a_manifest_is_json_of_the_plainest_kind(names: list[str]) -> None:
    """Two blanks a level, every character but those that JSON escapes as it is, nothing after the last brace."""
    columns = {name: manifest.Column(ctName=name, dataType=DataType.STRING) for name in names}
    made = manifest.Manifest(fileName="a.csv", type=FeedType.EVENT, columns=columns, clientEmail="a@example.com")
    values = made.model_dump(mode="json", exclude_none=True)
    assert manifest.render(made) == json.dumps(values, indent=2, ensure_ascii=False).encode()


def test_manifest_of_an_encrypted_file_has_the_key_id() -> None:
    """``keyId`` stands exactly in the manifest of an encrypted file."""
    destination = make_plain(encryption={"public_key": {"file": "/p"}, "key_id": KEY_ID})
    content = manifest.render(planning.make_manifest(f"{DATA_NAME}.asc", FEED, destination, ["event_name"]))
    assert json.loads(content)["keyId"] == KEY_ID
    manifest.check(content, f"{DATA_NAME}.asc")


@pytest.mark.parametrize(
    "change",
    [
        {"fileName": "other.csv"},
        {"fileName": None},
        {"type": "Events"},
        {"clientEmail": "a@example.com,b@example.com"},
        {"clientEmail": None},
        {"keyId": KEY_ID},
        {"comment": "no such key"},
        {"columns": {"day": {"ctName": "Day", "dataType": "int"}}},
        {"columns": {"day": {"ctName": "Day", "dataType": "DATE"}}},
        {"columns": {"day": {"ctName": "Day", "dataType": "DATE", "dateFormat": "DD/MM/YYYY"}}},
        {"columns": {"day": {"ctName": "Day", "dataType": "STRING", "dateFormat": "UNIX"}}},
        {"columns": {"day": {"ctName": "", "dataType": "STRING"}}},
        {"columns": {"day": {"ctName": "x" * 121, "dataType": "STRING"}}},
    ],
)
def test_invalid_manifest_never_leaves(change: dict[str, Any]) -> None:
    """The receiver meets an invalid manifest with silence, so it is refused here."""
    manifest.check(json.dumps(VALID).encode(), DATA_NAME)
    values = {key: value for key, value in {**VALID, **change}.items() if value is not None}
    with pytest.raises(Failure):
        manifest.check(json.dumps(values).encode(), DATA_NAME)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"fileName": "a.csv" // as in the vendor\'s sample\n}',
        json.dumps(VALID).encode()[:-1],
        json.dumps(VALID).encode()[:-1] + b', "type": "profile"}',
        json.dumps(VALID).encode().replace(b"event", b"\xe9vent"),
    ],
)
def test_what_is_no_strict_json_never_leaves(content: bytes) -> None:
    """Comments, cut-off text, keys that stand twice and other encodings are refused."""
    with pytest.raises(Failure):
        manifest.check(content, DATA_NAME)
