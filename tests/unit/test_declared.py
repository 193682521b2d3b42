"""What a data file and its manifest declare, as the receiver will understand them."""

from __future__ import annotations

import json
from typing import Any

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.destination.declared import Declared, read_declared


def _declare(header: bytes, columns: dict[str, Any]) -> list[tuple[str, str, str | None, str]]:
    found = read_declared(json.dumps({"fileName": "a.csv", "columns": columns}).encode(), header)
    return [(declared.name, declared.type.value, declared.date_format, declared.column) for declared in found]


def test_mapped_columns_are_what_the_manifest_says_and_others_their_headers() -> None:
    """Name, type and format of a listed column; a header that is not listed is a STRING of its own name."""
    columns = {
        "amount": {"ctName": "Amount", "dataType": "FLOAT"},
        "sent on": {"ctName": "Sent", "dataType": "DATE", "dateFormat": "dd/MM/yyyy"},
    }
    assert _declare(b'amount,"sent on","two\nlines, K\xc3\xb6ln"\r\n', columns) == [
        ("Amount", "FLOAT", None, "amount"),
        ("Sent", "DATE", "dd/MM/yyyy", "sent on"),
        ("two\nlines, Köln", "STRING", None, "two\nlines, Köln"),
    ]


def test_who_what_and_when_and_operations_are_no_properties() -> None:
    """Identities, event name, time and columns of operations have no type of their own; Name and Phone have."""
    header = b"user,objectId,fbId,gpId,evtName,ts,Name,Phone,tags,tags.operation\n"
    assert [name for name, *_ in _declare(header, {"user": {"ctName": "identity", "dataType": "STRING"}})] == [
        "Name",
        "Phone",
        "tags",
    ]


def test_a_mapped_column_of_any_name_is_a_property() -> None:
    """A header that ends in .operation and is mapped is what it is mapped to."""
    columns = {"tags.operation": {"ctName": "How", "dataType": "STRING"}}
    assert _declare(b"tags.operation\n", columns) == [("How", "STRING", None, "tags.operation")]


def test_a_name_that_the_receiver_cannot_take_is_none() -> None:
    """With the rule of its length switched off a name may come that becomes no property, and fits in no register."""
    assert [name for name, *_ in _declare(b"x" * 121 + b"," + b"y" * 120 + b"\n", {})] == ["y" * 120]


def test_without_columns_or_header_there_is_nothing_mapped() -> None:
    """The manifest's ``columns`` may be left out, and a header be unknown."""
    assert read_declared(b"{}", b"Note\n") == (
        Declared(name="Note", type=DataType.STRING, date_format=None, column="Note"),
    )
    assert read_declared(b"{}", b"") == ()
