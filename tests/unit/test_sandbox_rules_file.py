from __future__ import annotations

import pytest

from sftp_orchestrator.sandbox import refusals
from sftp_orchestrator.sandbox.manifest import Column, Manifest
from sftp_orchestrator.sandbox.rules import layout
from sftp_orchestrator.sandbox.rules.rule import Fault, Rule, Scope

EVENT = ["identity", "evtName"]
PROFILE = ["identity"]
REFUSED_CHARACTERS = "%><!|&.:;$'\"\\#"


def find(type: str, header: list[str], mapping: dict[str, str] | None = None) -> list[Fault]:  # noqa: A002 - the manifest's own word
    """Return for what a file with ``header`` is refused; ``mapping`` is from header to property."""
    columns = {name: Column(property_name=becomes) for name, becomes in (mapping or {}).items()}
    manifest = Manifest(file_name="a.csv", type=type, client_email="a@example.com", columns=columns)
    return layout.find_faults(layout.make_layout(header, manifest), manifest)


def name(count: int) -> list[str]:
    """Return ``count`` names of properties."""
    return [f"p{number}" for number in range(count)]


REFUSED: list[tuple[Rule, str, list[str], dict[str, str]]] = [
    (Rule.IDENTITY_COLUMN_MISSING, "profile", ["Identity", "Name"], {}),
    (Rule.IDENTITY_COLUMN_MISSING, "event", ["identity", "evtName"], {"identity": "user"}),
    (Rule.EVENT_NAME_COLUMN_MISSING, "event", ["identity", "evtname"], {}),
    (Rule.COLUMN_NOT_IN_DATA, "profile", PROFILE, {"Mail": "Email"}),
    (Rule.COLUMN_NOT_IN_DATA, "profile", [*PROFILE, "Mail"], {"mail": "Email"}),
    (Rule.PROPERTY_REPEATED, "profile", [*PROFILE, "Mail", "E-Mail"], {"Mail": "Email", "E-Mail": "Email"}),
    (Rule.PROPERTY_REPEATED, "profile", [*PROFILE, "Mail", "Email"], {"Mail": "Email"}),
    (Rule.PROPERTY_REPEATED, "profile", [*PROFILE, "Email", "Email"], {}),
    (Rule.PROPERTY_REPEATED, "event", [*EVENT, "user"], {"user": "identity"}),
    (Rule.PROPERTY_NAME_EMPTY, "profile", ["", *PROFILE], {}),
    (Rule.PROPERTY_NAME_EMPTY, "profile", [" ", *PROFILE], {}),
    (Rule.PROPERTY_NAME_TOO_LONG, "event", [*EVENT, "p" * 121], {}),
    (Rule.PROPERTY_NAME_TOO_LONG, "event", [*EVENT, "p"], {"p": "p" * 121}),
    *((Rule.PROPERTY_NAME_CHARACTERS, "event", [*EVENT, f"p{refused}"], {}) for refused in REFUSED_CHARACTERS),
    (Rule.PROPERTY_NAME_CHARACTERS, "event", [*EVENT, "hobby", "hobby.operation"], {}),
    (Rule.PROPERTY_NAME_CHARACTERS, "profile", [*PROFILE, "hobby.operation"], {}),
    (Rule.PROPERTY_NAME_CHARACTERS, "profile", [*PROFILE, "hobby", "hobby.Operation"], {}),
    (Rule.TOO_MANY_EVENT_PROPERTIES, "event", [*EVENT, *name(101)], {}),
    (Rule.TOO_MANY_PROFILE_KEYS, "profile", [*PROFILE, *name(257)], {}),
]
TAKEN: list[tuple[Rule, str, list[str], dict[str, str]]] = [
    *((Rule.IDENTITY_COLUMN_MISSING, "profile", [one], {}) for one in ("identity", "objectId", "fbId", "gpId")),
    (Rule.IDENTITY_COLUMN_MISSING, "profile", ["user"], {"user": "gpId"}),
    (Rule.EVENT_NAME_COLUMN_MISSING, "event", ["identity", "what"], {"what": "evtName"}),
    (Rule.EVENT_NAME_COLUMN_MISSING, "profile", ["identity"], {}),
    (Rule.COLUMN_NOT_IN_DATA, "profile", [*PROFILE, "Mail"], {"Mail": "Email"}),
    (Rule.PROPERTY_REPEATED, "profile", [*PROFILE, "Email", "Mail"], {"Email": "Mail", "Mail": "Email"}),
    (Rule.PROPERTY_REPEATED, "profile", [*PROFILE, "email", "Email"], {}),
    (Rule.PROPERTY_NAME_EMPTY, "profile", [*PROFILE, "-"], {}),
    (Rule.PROPERTY_NAME_TOO_LONG, "event", [*EVENT, "p" * 120, "東" * 120], {}),
    (Rule.PROPERTY_NAME_TOO_LONG, "event", [*EVENT, "p" * 121], {"p" * 121: "p"}),
    (Rule.PROPERTY_NAME_CHARACTERS, "event", [*EVENT, "a-b_(c)/d ?*+=@é,"], {}),
    (Rule.PROPERTY_NAME_CHARACTERS, "event", [*EVENT, "price.$"], {"price.$": "price"}),
    (Rule.PROPERTY_NAME_CHARACTERS, "profile", [*PROFILE, "hobby", "hobby.operation"], {}),
    (Rule.PROPERTY_NAME_CHARACTERS, "profile", [*PROFILE, "hobby", "hobby.operation"], {"hobby": "Hobby"}),
    (Rule.PROPERTY_NAME_CHARACTERS, "profile", [*PROFILE, "h", "Hobby.operation"], {"h": "Hobby"}),
    (
        Rule.TOO_MANY_EVENT_PROPERTIES,
        "event",
        [*EVENT, "objectId", "fbId", "gpId", "time", *name(100)],
        {"time": "ts"},
    ),
    (
        Rule.TOO_MANY_PROFILE_KEYS,
        "profile",
        [*PROFILE, "objectId", "Email", "MSG-sms", *name(256), "p0.operation"],
        {},
    ),
    (Rule.TOO_MANY_PROFILE_KEYS, "profile", [*PROFILE, *name(101)], {}),
]


def test_every_rule_has_a_case() -> None:
    """No rule for files is without a header that it takes and one that it refuses."""
    rules = {rule for rule in Rule if rule.scope is Scope.FILE}
    assert {case[0] for case in REFUSED} == {case[0] for case in TAKEN} == rules


@pytest.mark.parametrize(("rule", "type", "header", "mapping"), TAKEN)
def test_taken(rule: Rule, type: str, header: list[str], mapping: dict[str, str]) -> None:  # noqa: A002 - as above
    """What is just within a rule is taken."""
    assert find(type, header, mapping) == [], rule


@pytest.mark.parametrize(("rule", "type", "header", "mapping"), REFUSED)
def test_refused(rule: Rule, type: str, header: list[str], mapping: dict[str, str]) -> None:  # noqa: A002 - as above
    """What is just outside a rule is refused, for this rule and no other, with our reason."""
    (fault,) = find(type, header, mapping)
    assert fault.rule is rule
    assert fault.text


@pytest.mark.parametrize(
    ("rule", "vendor"),
    [
        (Rule.IDENTITY_COLUMN_MISSING, refusals.IDENTITY_MANDATORY),
        (Rule.EVENT_NAME_COLUMN_MISSING, "Event name is mandatory"),
        (Rule.TOO_MANY_EVENT_PROPERTIES, "Cannot have more than 100 event properties"),
        (Rule.COLUMN_NOT_IN_DATA, "Incorrect details in manifest file"),
        (Rule.PROPERTY_REPEATED, "Incorrect details in manifest file"),
    ],
)
def test_words(rule: Rule, vendor: str) -> None:
    """The vendor's words are those that fit best."""
    assert rule.text == vendor


def test_what_columns_become() -> None:
    """A column that is not mapped is a STRING under its own header; each column has one meaning."""
    columns = {
        "user": Column(property_name="identity"),
        "time": Column(property_name="ts", data_type="INTEGER"),
    }
    manifest = Manifest(file_name="a.csv", type="event", client_email="a@example.com", columns=columns)
    made = layout.make_layout(["evtName", "time", "user", "note"], manifest)
    assert made.event_name is not None
    assert made.timestamp is not None
    assert [made.event_name.position, made.timestamp.position] == [0, 1]
    assert [place.position for place in made.identities] == [2]
    assert [place.column for place in made.properties] == [Column(property_name="note")]
    assert made.operations == ()
