"""Types are for ever: what contradicts what is known is found, and both places are named."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.declared import Declared, read_declared
from sftp_orchestrator.ledger.records import Property
from sftp_orchestrator.prepare.earlier import types_kept
from sftp_orchestrator.prepare.earlier.types_kept import explain, find_contradictions
from sftp_orchestrator.prepare.parts import planning
from sftp_orchestrator.prepare.parts.split import ByteRange
from sftp_orchestrator.prepare.text.header import parse_header
from tests.support.configuration import FEEDS, KEY_ID
from tests.support.receivers import make_destination

AT = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)


def _declare(name: str, type_: DataType, **changes: Any) -> Declared:
    return Declared(**{"name": name, "type": type_, "date_format": None, "column": name.lower(), **changes})


def _know(name: str, type_: DataType, **changes: Any) -> dict[str, Property]:
    fields: dict[str, Any] = {
        "destination": "production",
        "kind": FeedType.EVENT,
        "name": name,
        "type": type_,
        "date_format": None,
        "column": "value",
        "source_id": "s1",
        "feed": "purchases",
        "relative_path": b"old/purchases.csv",
        "since": AT,
        "accepted_by": None,
    }
    return {name: Property(**{**fields, **changes})}


def test_only_another_type_of_a_known_property_contradicts() -> None:
    """A new property, the same type, and a date in another format are no contradiction; each other type is."""
    known = {
        **_know("Amount", DataType.FLOAT),
        **_know("Count", DataType.INTEGER),
        **_know("Sent", DataType.DATE, date_format="dd/MM/yyyy"),
    }
    brings = [
        _declare("New", DataType.LONG),
        _declare("Sent", DataType.DATE, date_format="UNIX"),
        _declare("Amount", DataType.FLOAT),
        _declare("Count", DataType.LONG),
        _declare("amount", DataType.STRING),
    ]
    assert [found.brings.name for found in find_contradictions(brings, known)] == ["Count"]


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, "was delivered on 2026-01-02 03:04 UTC as FLOAT"),
        ({"accepted_by": "anna"}, "was accepted by anna on 2026-01-02 03:04 UTC as FLOAT"),
        ({"is_on_its_way": True}, "is on its way as FLOAT"),
    ],
    ids=["delivered", "accepted", "on its way"],
)
def test_both_places_are_named(changes: dict[str, Any], how: str) -> None:
    """Property, type, column and feed here; type, column, feed, file, source and time there."""
    found = find_contradictions([_declare("Amount", DataType.STRING)], _know("Amount", DataType.FLOAT, **changes))
    assert explain(found, "refunds") == (
        f"'Amount' is STRING here (column 'amount' of feed refunds), and {how}"
        " (column 'value' of feed purchases, in old/purchases.csv, source s1)"
    )


@pytest.mark.parametrize(("count", "rest"), [(3, ""), (4, "; and 1 more property"), (9, "; and 6 more properties")])
def test_three_are_told_and_the_others_counted(count: int, rest: str) -> None:
    """A reason stays readable, however much of a file is wrong."""
    names = [f"P{number}" for number in range(count)]
    known = {name: known for name in names for known in _know(name, DataType.FLOAT).values()}
    said = explain(find_contradictions([_declare(name, DataType.STRING) for name in names], known), "refunds")
    assert [f"'{name}' is" in said for name in names] == [True] * 3 + [False] * (count - 3)
    assert said.endswith(f"source s1){rest}")


def test_a_reason_is_one_line_whatever_the_header_holds() -> None:
    """Line breaks and control characters in names are told as escapes."""
    brings = [_declare("a\nb\x1b[31m", DataType.STRING)]
    said = explain(find_contradictions(brings, _know("a\nb\x1b[31m", DataType.FLOAT)), "refunds")
    assert said.isprintable()


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
def test_what_a_file_brings_is_what_its_parts_declare(*, encrypted: bool) -> None:
    """What is compared before planning is what the manifests say that are planned then."""
    columns = {
        **FEEDS["purchases"]["columns"],
        "amount": {"ct_name": "Amount", "type": "FLOAT"},
        "day": {"type": "DATE", "date_format": "UNIX"},
    }
    feed = Feed.model_validate({**FEEDS["purchases"], "columns": columns})
    secrecy = {"encryption": {"public_key": {"file": "/key"}, "key_id": KEY_ID}} if encrypted else {}
    destination = make_destination(secrecy, username="u", private_key={"file": "/key"}, host_key="ssh-ed25519 AAAA")
    header = b'event_name,time_stamp,user_id,amount,day,"note, or not"\r\n'
    (part,) = planning.plan_parts(
        "purchases",
        feed,
        destination,
        parse_header(header).names,
        [ByteRange(start=0, end=1, records=1)],
        short_id="s1",
        at=AT,
    )
    brought = types_kept.list_brought(feed, destination, header)
    assert brought == read_declared(part.manifest, header)
    assert [(declared.name, declared.type.value) for declared in brought] == [
        ("Amount", "FLOAT"),
        ("day", "DATE"),
        ("note, or not", "STRING"),
    ]
