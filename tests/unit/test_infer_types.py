"""Which type a column is proposed as: decided from counts alone."""

from __future__ import annotations

from typing import Any

import pytest

from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.inference.column_type import TypeChoice, choose_type
from sftp_orchestrator.inference.traits import Trait
from tests.support.evidence import (
    BIT,
    DECIMAL,
    EMPTY,
    LONG,
    MICROSECONDS,
    MILLISECONDS,
    SECONDS,
    TEXT,
    WHOLE,
    WORD,
    date,
    make_column,
)

DAY, MONTH, YEAR = "dd/MM/yyyy", "MM/dd/yyyy", "yyyy/MM/dd"
DAY_TIME, MONTH_TIME = f"{DAY} HH:mm:ss", f"{MONTH} HH:mm:ss"
PADDED = WHOLE | Trait.PADDED
BEYOND = DECIMAL | Trait.BEYOND
EXPONENT = DECIMAL | Trait.EXPONENT
YES_NO = TEXT | Trait.YES_NO
COMMA = TEXT | Trait.COMMA


def _choose(header: str, traits: Any) -> TypeChoice:  # noqa: ANN401 - as make_column takes it
    return choose_type(make_column(header, traits))


@pytest.mark.parametrize(
    ("traits", "type_"),
    [
        (TEXT, "STRING"),
        (WHOLE, "INTEGER"),
        ({WHOLE: 5, EMPTY: 95}, "INTEGER"),
        ({WHOLE: 99, LONG: 1}, "LONG"),
        ({WHOLE: 50, DECIMAL: 50}, "FLOAT"),
        ({WHOLE: 50, LONG: 49, DECIMAL: 1}, "FLOAT"),
        (WORD, "BOOLEAN"),
        ({WORD: 50, BIT: 50}, "BOOLEAN"),
        ({BIT: 50, WHOLE: 50}, "INTEGER"),
        ({WHOLE: 95, TEXT: 5}, "INTEGER"),
        ({WHOLE: 949, TEXT: 51}, "STRING"),
        ({date("yyyy-MM-dd"): 95, TEXT: 5}, "DATE"),
        ({WORD: 95, TEXT: 5}, "BOOLEAN"),
        ({WHOLE: 50, DECIMAL: 45, TEXT: 5}, "FLOAT"),
    ],
)
def test_the_narrowest_type_that_nearly_all_are_of_is_proposed(traits: Any, type_: str) -> None:  # noqa: ANN401 - as make_column takes it
    """95 % of the filled cells must be of a type; empty ones say nothing."""
    assert _choose("amount", traits).type == type_


@pytest.mark.parametrize(
    ("traits", "type_", "almost"),
    [
        ({WHOLE: 94, TEXT: 6}, "STRING", (DataType.INTEGER, None)),
        ({WHOLE: 50, DECIMAL: 10, TEXT: 40}, "STRING", (DataType.FLOAT, None)),
        ({WORD: 90, TEXT: 10}, "STRING", (DataType.BOOLEAN, None)),
        ({date(DAY): 90, TEXT: 10}, "STRING", (DataType.DATE, DAY)),
        ({WHOLE: 49, TEXT: 51}, "STRING", None),
        ({WHOLE: 999, DECIMAL: 1}, "FLOAT", (DataType.INTEGER, None)),
        ({LONG: 999, DECIMAL: 1}, "FLOAT", (DataType.LONG, None)),
        ({WHOLE: 94, DECIMAL: 6}, "FLOAT", None),
    ],
)
def test_a_type_that_most_are_of_is_told(traits: Any, type_: str, almost: Any) -> None:  # noqa: ANN401 - as make_column takes it
    """Where most cells are of a type that is not proposed, a person should know, and see the first that is not."""
    found = _choose("amount", traits)
    assert (found.type, found.almost) == (type_, almost)


@pytest.mark.parametrize(
    ("header", "traits", "type_", "said"),
    [
        ("zip", WHOLE, "STRING", "by its name a code"),
        ("orderID", LONG, "STRING", "by its name a code"),
        ("Phone Number", WHOLE, "STRING", "by its name a code"),
        ("invoice_no", WHOLE, "STRING", "by its name a code"),
        ("branch", {PADDED: 1, WHOLE: 99}, "STRING", "1 row with a leading zero"),
        ("serie", {BEYOND: 2, LONG: 98}, "STRING", "2 rows with a whole number beyond 64 bits"),
        ("batch", {EXPONENT: 1, WHOLE: 99}, "FLOAT", "1 row with an exponent"),
        ("newsletter", YES_NO, "STRING", "BOOLEAN takes true, false, 1 and 0 alone"),
        ("amount", EMPTY, "STRING", "no row has a value"),
        (
            "amount",
            {COMMA: 60, WHOLE: 30, DECIMAL: 10},
            "STRING",
            "60 rows with a comma in a number: FLOAT takes a point",
        ),
        ("amount", COMMA, "STRING", "100 rows with a comma in a number"),
        ("quantity", BIT, "INTEGER", "BOOLEAN if it means yes or no"),
        ("quantity", {BIT: 99, TEXT: 1}, "INTEGER", "BOOLEAN if it means yes or no"),
        ("is_new", BIT, "BOOLEAN", "INTEGER if it counts"),
        ("consentFlag", BIT, "BOOLEAN", "INTEGER if it counts"),
        ("total", SECONDS, "INTEGER", "they may be epoch seconds"),
        ("created_at", MILLISECONDS, "LONG", "epoch milliseconds: a date takes seconds, divided by 1,000"),
        ("views", MICROSECONDS, "LONG", "perhaps epoch microseconds: a date takes seconds, divided by 1,000,000"),
    ],
)
def test_what_may_be_meant_otherwise_is_doubtful(header: str, traits: Any, type_: str, said: str) -> None:  # noqa: ANN401 - as make_column takes it
    """Codes stay text whatever they look like; each choice that the name or few cells decided says so."""
    found = _choose(header, traits)
    assert found.type == type_
    assert said in "; ".join(found.doubts)


@pytest.mark.parametrize("header", ["amount", "number_of_items", "keyboards", "tone"])
def test_a_name_that_only_begins_like_a_code_is_none(header: str) -> None:
    """Whole words count."""
    assert _choose(header, WHOLE) == TypeChoice(type=DataType.INTEGER)


def test_epoch_seconds_with_the_name_of_a_time_are_a_date() -> None:
    """UNIX is one of the receiver's date formats; that it is meant so is doubtful."""
    found = _choose("created_at", {SECONDS: 99, WHOLE: 1})
    assert (found.type, found.date_format, len(found.doubts)) == (DataType.DATE, "UNIX", 1)


BOTH = date(DAY, MONTH)


@pytest.mark.parametrize(
    ("traits", "date_format", "doubt"),
    [
        ({BOTH: 40, date(DAY): 60}, DAY, None),
        ({BOTH: 40, date(MONTH): 60}, MONTH, None),
        ({date(DAY_TIME, MONTH_TIME): 40, date(MONTH_TIME): 60}, MONTH_TIME, None),
        (BOTH, DAY, f"ambiguous: {MONTH} fits as well, no row has a day above 12"),
        (date(YEAR, "yyyy/dd/MM"), YEAR, "ambiguous: yyyy/dd/MM fits as well, no row has a day above 12"),
        ({BOTH: 999, date(MONTH): 1}, MONTH, f"only 1 row with a day above 12 against {DAY}"),
        (date("yyyy-MM-dd"), "yyyy-MM-dd", None),
        (date("dd MMM yyyy"), "dd MMM yyyy", None),
    ],
)
def test_day_and_month_are_told_apart_by_evidence(traits: Any, date_format: str, doubt: str | None) -> None:  # noqa: ANN401 - as make_column takes it
    """A day above 12 decides; where there is none, or hardly any, the choice is doubtful."""
    found = _choose("delivered", traits)
    assert (found.type, found.date_format, found.doubts) == (DataType.DATE, date_format, (doubt,) if doubt else ())


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({date(DAY): 60, date(MONTH): 40}, f"dates of more than one format, also 40.0 % {MONTH}"),
        ({date(DAY): 60, date(DAY_TIME): 30, date(): 10}, f"dates of more than one format, also 30.0 % {DAY_TIME}"),
        (date(), "dates of a format that the receiver does not document"),
    ],
)
def test_dates_that_no_format_fits_stay_text_and_are_told(traits: Any, said: str) -> None:  # noqa: ANN401 - as make_column takes it
    """A DATE has one format; what the file has instead is said."""
    found = _choose("delivered", traits)
    assert found.type is DataType.STRING
    assert found.almost is not None
    assert said in found.doubts[0]
