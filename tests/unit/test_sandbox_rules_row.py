from __future__ import annotations

from dataclasses import dataclass

import pytest

from sftp_orchestrator.sandbox import refusals
from sftp_orchestrator.sandbox.manifest import DATE_FORMATS, Column, Manifest
from sftp_orchestrator.sandbox.rules import checking, event_name, identity, layout, operation
from sftp_orchestrator.sandbox.rules.rule import Faults, Rule, Scope

NOW = 1_800_000_000
DAY = 86_400
BASE = {"event": {"identity": "somebody", "evtName": "Sold"}, "profile": {"identity": "somebody", "hobby": "chess"}}
"""Columns that every row has beside the one that is looked at, and what stands in them."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a rule takes and what it refuses in a column."""

    rule: Rule
    taken: tuple[str, ...]
    refused: tuple[str, ...]
    property_name: str = "thing"
    data_type: str = "STRING"
    date_format: str | None = None
    type: str = "event"

    def find(self, cell: str) -> Faults:
        """Return what is wrong with a row that has ``cell`` in this column, and is right but for it."""
        column = Column(property_name=self.property_name, data_type=self.data_type, date_format=self.date_format)
        columns = {"looked at": column} if self.property_name != "hobby.operation" else {}
        header = next(iter(columns), self.property_name)
        manifest = Manifest(file_name="a.csv", type=self.type, client_email="a@example.com", columns=columns)
        row = {header: cell} | {name: text for name, text in BASE[self.type].items() if name != self.property_name}
        return checking.make_check(layout.make_layout(row, manifest), now=NOW)(list(row.values()))


CASES = (
    Case(
        rule=Rule.IDENTITY_MISSING,
        property_name="identity",
        taken=("a", "00", "東京"),
        refused=("", " ", "\t\n", "\u00a0"),
    ),
    Case(
        rule=Rule.IDENTITY_TOO_LONG,
        property_name="identity",
        taken=("a" * 1023, "東" * 1023),
        refused=("a" * 1024, "東" * 1024),
    ),
    Case(rule=Rule.IDENTITY_TOO_LONG, property_name="fbId", taken=("", "a" * 1023), refused=("a" * 1024,)),
    Case(
        rule=Rule.IDENTITY_REFUSED,
        property_name="identity",
        taken=("nulls", "00", "tester", "-2", "+inf", "xxxxx"),
        refused=(*sorted(identity.REFUSED_VALUES), "NULL", " None ", "N/A", "Test", "-INF"),
    ),
    Case(rule=Rule.IDENTITY_REFUSED, property_name="gpId", taken=("", "1"), refused=("0", "undefined")),
    Case(
        rule=Rule.OBJECT_ID_FORM,
        property_name="objectId",
        taken=("", "a", "a" * 64, "Az09()!:@$_-"),
        refused=("a" * 65, "a b", "a.b", "é", "a\n", "a/b", " a"),
    ),
    Case(rule=Rule.EVENT_NAME_MISSING, property_name="evtName", taken=("a", "0"), refused=("", "  ")),
    Case(rule=Rule.EVENT_NAME_TOO_LONG, property_name="evtName", taken=("a" * 512,), refused=("a" * 513,)),
    Case(
        rule=Rule.EVENT_NAME_RESTRICTED,
        property_name="evtName",
        taken=("App Installed", "Stayed Home", "Charged", "Session Concluded"),
        refused=(*sorted(event_name.SYSTEM_EVENTS), "App Launched", "APP LAUNCHED", " stayed "),
    ),
    Case(
        rule=Rule.EVENT_NAME_CHARACTERS,
        property_name="evtName",
        taken=("Sold #1", "Sold-it_(2)/é,?*+=@"),
        refused=tuple(f"Sold{character}" for character in "%><!|&.:;$'\"\\"),
    ),
    Case(
        rule=Rule.TIME_NOT_INTEGER,
        property_name="ts",
        taken=("", "0", "1700000000"),
        refused=("soon", "1.7e9", "1700000000.0", "+1", " 1", "2024-01-01", "$D_1700000000", "\u0661\u0667", "9" * 513),
    ),
    Case(
        rule=Rule.TIME_IN_MILLISECONDS,
        property_name="ts",
        taken=("1700000000",),
        refused=("1700000000000", "1000000000000", "9999999999999"),
    ),
    Case(rule=Rule.TIME_BEFORE_1970, property_name="ts", taken=("0",), refused=("-1", "-1700000000000")),
    Case(
        rule=Rule.TIME_IN_FUTURE,
        property_name="ts",
        taken=(str(NOW), str(NOW + DAY)),
        refused=(str(NOW + DAY + 1), "1700000000000000", "9" * 512),
    ),
    Case(rule=Rule.VALUE_TOO_LONG, taken=("a" * 512, "東" * 512), refused=("a" * 513, "東" * 513)),
    Case(
        rule=Rule.DATE_TEXT_FORM,
        taken=("$D_1700000000", "$D_0", "$D_-86400", "D_x", "a$D_x", "$d_x", ""),
        refused=("$D_", "$D_x", "$D_1.5", "$D_1700000000000", "$D_ 1"),
    ),
    Case(
        rule=Rule.VALUE_NOT_INTEGER,
        data_type="INTEGER",
        taken=("", "0", "007", "2147483647", "-2147483648"),
        refused=(
            "2147483648",
            "-2147483649",
            "1.0",
            "1,000",
            "1e3",
            "+1",
            " 1",
            " ",
            "\u0663",
            "0x1F",
            "1_000",
            "true",
        ),
    ),
    Case(
        rule=Rule.VALUE_NOT_LONG,
        data_type="LONG",
        taken=("", "9223372036854775807", "-9223372036854775808"),
        refused=("9223372036854775808", "-9223372036854775809", "1.5", "9" * 512),
    ),
    Case(
        rule=Rule.VALUE_NOT_FLOAT,
        data_type="FLOAT",
        taken=("", "0", "-1.50", ".5", "5.", "1.7976931348623157e308", "1E-3"),
        refused=("1.8e308", "nan", "inf", "-Infinity", "1,5", "1.5 ", ".", "e5", "1_0", "0x1p3", "1.5f"),
    ),
    Case(
        rule=Rule.VALUE_NOT_BOOLEAN,
        data_type="BOOLEAN",
        taken=("", "true", "FALSE", "True", "1", "0"),
        refused=("yes", "N", "t", "2", "1.0", " true"),
    ),
    Case(
        rule=Rule.VALUE_NOT_DATE,
        data_type="DATE",
        date_format="dd/MM/yyyy",
        taken=("", "29/02/2024", "31/12/9999"),
        refused=("29/02/2023", "31/04/2024", "00/01/2024", "01/13/2024", "01/01/0000", "1/1/2024", "01-01-2024", "x"),
    ),
    Case(
        rule=Rule.OPERATION_UNKNOWN,
        type="profile",
        property_name="hobby.operation",
        taken=(*sorted(operation.OPERATIONS), ""),
        refused=("add", "$ADD", " $add", "$incr", " "),
    ),
)
DATES = {
    "dd/MM/yyyy HH:mm:ss": ("31/01/2024 23:59:59", "01/31/2024 23:59:59", "31/01/2024 24:00:00", "31/01/2024"),
    "MM/dd/yyyy HH:mm:ss": ("01/31/2024 00:00:00", "31/01/2024 00:00:00", "01/31/2024 00:60:00"),
    "yyyy/dd/MM HH:mm:ss": ("2024/31/01 00:00:00", "2024/01/31 00:00:00", "2024/31/01 00:00:60"),
    "yyyy/MM/dd HH:mm:ss": ("2024/01/31 00:00:00", "2024/31/01 00:00:00", "2024/01/31T00:00:00"),
    "dd MMM yyyy HH:mm:ss": ("31 JAN 2024 00:00:00", "31 Jän 2024 00:00:00", "30 Feb 2024 00:00:00"),
    "dd/MM/yyyy": ("31/01/2024", "01/31/2024", "31/01/24", "31/01/2024 00:00:00"),
    "MM/dd/yyyy": ("01/31/2024", "31/01/2024"),
    "yyyy/dd/MM": ("2024/31/01", "2024/01/31"),
    "yyyy/MM/dd": ("2024/01/31", "2024/31/01", "2024-01-31", "2024/01/31\n"),
    "dd MMM yyyy": ("29 feb 2024", "29 Feb 2023", "29 February 2024", "29 Mai 2024"),
    "yyyy-MM-dd": ("2024-01-31", "2024-31-01", "2024-1-31", "\uff12\uff10\uff12\uff14-01-31"),
    "yyyy-MM-dd'T'HH:mm:ss": ("2024-01-31T00:00:00", "2024-01-31 00:00:00", "2024-01-31T00:00:00Z"),
    "UNIX": ("1700000000", "1700000000000", "1700000000.5", "2024-01-31", "253402300800", "-62135596801"),
}
"""A date that is taken in each dateFormat, and others that are not."""


def test_every_rule_has_a_case() -> None:
    """No rule for rows is without a value that it takes and one that it refuses; a row's width has its own test."""
    rules = {rule for rule in Rule if rule.scope is Scope.ROW}
    assert {case.rule for case in CASES} == rules - {Rule.ROW_WIDTH}
    assert len({rule.identifier for rule in Rule}) == len(Rule)


@pytest.mark.parametrize(("case", "cell"), [(case, cell) for case in CASES for cell in case.taken])
def test_taken(case: Case, cell: str) -> None:
    """What is just within a rule is taken."""
    assert case.find(cell) == ()


@pytest.mark.parametrize(("case", "cell"), [(case, cell) for case in CASES for cell in case.refused])
def test_refused(case: Case, cell: str) -> None:
    """What is just outside a rule is refused, for this rule and no other."""
    assert [fault.rule for fault in case.find(cell)] == [case.rule]


@pytest.mark.parametrize("date_format", sorted(DATE_FORMATS))
def test_date_formats(date_format: str) -> None:
    """Each documented dateFormat takes days that exist in its own form, and nothing else."""
    case = Case(rule=Rule.VALUE_NOT_DATE, data_type="DATE", date_format=date_format, taken=(), refused=())
    taken, *refused = DATES[date_format]
    assert case.find(taken) == ()
    assert [[fault.rule for fault in case.find(cell)] for cell in refused] == [[case.rule]] * len(refused)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule.IDENTITY_MISSING, refusals.IDENTITY_MANDATORY),
        (Rule.IDENTITY_TOO_LONG, refusals.IDENTITY_MANDATORY),
        (Rule.EVENT_NAME_MISSING, "Event name is mandatory"),
        (Rule.EVENT_NAME_RESTRICTED, "Event name belongs to CleverTap restricted system events"),
        (Rule.OPERATION_UNKNOWN, "Profile operation must be one of $add, $set, $remove, $delete"),
        (Rule.TIME_IN_MILLISECONDS, "Value of looked at is a time in milliseconds, not in epoch seconds"),
        (Rule.VALUE_NOT_INTEGER, "Value of looked at is not an INTEGER"),
    ],
)
def test_words(rule: Rule, text: str) -> None:
    """The sender reads the vendor's own words where there are any, else ours with the column's header."""
    case = next(case for case in CASES if case.rule is rule)
    assert [fault.text for fault in case.find(case.refused[0])] == [text]


@pytest.mark.parametrize(("row", "surplus"), [(["a"], ""), (["a", "b", "c", ""], "; surplus: c, ")])
def test_width(row: list[str], surplus: str) -> None:
    """Of a row that is too short or too long, only this is said."""
    manifest = Manifest(file_name="a.csv", type="profile", client_email="a@example.com")
    (fault,) = checking.make_check(layout.make_layout(["identity", "Name"], manifest), now=NOW)(row)
    assert (fault.rule, fault.text) == (
        Rule.ROW_WIDTH,
        f"Row has {len(row)} columns, the header has 2{surplus}",
    )


def test_one_identity_is_enough() -> None:
    """A row may leave identities empty as long as one is not; a wrong one is refused beside a right one."""
    manifest = Manifest(file_name="a.csv", type="profile", client_email="a@example.com")
    check = checking.make_check(layout.make_layout(["identity", "objectId", "fbId", "gpId"], manifest), now=NOW)
    assert check(["", "", " ", "a"]) == ()
    assert [fault.rule for fault in check(["a", "", "null", "b c"])] == [Rule.IDENTITY_REFUSED]
    assert [fault.rule for fault in check(["", "", " ", ""])] == [Rule.IDENTITY_MISSING]


def test_all_that_is_wrong_is_said() -> None:
    """A row with several mistakes gets them all, in the order of the table, the same one for each column."""
    columns = {
        "amount": Column(property_name="amount", data_type="FLOAT"),
        "count": Column(property_name="count", data_type="INTEGER"),
        "rank": Column(property_name="rank", data_type="INTEGER"),
    }
    manifest = Manifest(file_name="a.csv", type="event", client_email="a@example.com", columns=columns)
    header = ["rank", "count", "amount", "note", "ts", "evtName", "identity"]
    check = checking.make_check(layout.make_layout(header, manifest), now=NOW)
    assert [fault.rule for fault in check(["x", "y", "z", "$D_" + "0" * 600, "-1", "Sold!", "null"])] == [
        Rule.IDENTITY_REFUSED,
        Rule.EVENT_NAME_CHARACTERS,
        Rule.TIME_BEFORE_1970,
        Rule.VALUE_TOO_LONG,
        Rule.DATE_TEXT_FORM,
        Rule.VALUE_NOT_INTEGER,
        Rule.VALUE_NOT_INTEGER,
        Rule.VALUE_NOT_FLOAT,
    ]


@pytest.mark.parametrize(("data_type", "rules"), [("LONG", []), ("INTEGER", [Rule.VALUE_NOT_INTEGER])])
def test_types_hold_for_identities_and_times(data_type: str, rules: list[Rule]) -> None:
    """A column with a meaning of its own has its type all the same."""
    case = Case(rule=Rule.VALUE_NOT_INTEGER, property_name="identity", data_type=data_type, taken=(), refused=())
    assert [fault.rule for fault in case.find("4917012345678")] == rules


def test_own_limits_stand_before_the_general_one() -> None:
    """An identity may be longer than a property's value."""
    case = Case(rule=Rule.VALUE_TOO_LONG, property_name="identity", taken=(), refused=())
    assert case.find("a" * 513) == ()


def test_an_event_name_means_nothing_in_a_profile() -> None:
    """A profile's column may be called evtName, and then is a property like any other."""
    case = Case(rule=Rule.EVENT_NAME_RESTRICTED, type="profile", property_name="evtName", taken=(), refused=())
    assert case.find("App Launched") == ()
