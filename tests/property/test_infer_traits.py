"""What is counted of cells says the same as the rules: for every cell and every type, one answer."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
from hypothesis import example, given, settings, strategies

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.destination.clevertap import DataType
from sftp_orchestrator.inference.traits import CELL, Trait, get_format_bit, write_traits
from sftp_orchestrator.prepare.checks import type_forms
from tests.support.evidence import make_column

NUMBERS = (
    *("0", "1", "-1", "007", "-07", "+5", "1.5", "1.", ".5", "-.5", "1e3", "1E-3", "1_000", "1,5", " 1", "1 ", "0x10"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807", "9223372036854775808", "NaN"),
    *("-9223372036854775808", "-9223372036854775809", "1e308", "1e309", "-1e400", "9" * 40, "\u0661\u0667", "--1", "-"),
    *("1700000000", "1700000000000", "1700000000000000", "1700000000.5", "-1700000000", "01700000000", "inf", "1e9"),
)
OTHERS = (
    *("31/12/2024 23:59:59", "12/31/2024 23:59:59", "29/02/2023 00:00:00", "29/02/2024 00:00:00", "1/2/2024"),
    *("2024/31/12", "2024/12/31 24:00:00", "31 Dec 2024 10:00:00", "31 dec 2024", "31 Nov 2024", "01/02/2024"),
    *("2024-12-31", "2024-12-31T10:00:00", "2024-12-31 10:00:00", "2024-02-30", "0000-01-01", "31.12.2024"),
    *("true", "FALSE", "tRue", "yes", "N", "fal\u017fe", "truely", "", " ", "\t", ":", ";", "$D_1", "a", "\u00a0"),
    *("05/05/24", "é" * 9),
)
CELLS = strategies.one_of(
    strategies.sampled_from((*NUMBERS, *OTHERS)),
    strategies.text(max_size=12).filter(lambda text: "\0" not in text),
    strategies.from_regex(r"-?[0-9]{1,20}([.][0-9]{0,3})?", fullmatch=True),
    strategies.datetimes().map(lambda moment: moment.strftime("%d/%m/%Y %H:%M:%S")),
)
TYPES = [
    *((type_, None) for type_ in (DataType.INTEGER, DataType.LONG, DataType.FLOAT, DataType.BOOLEAN)),
    *((DataType.DATE, written) for written in clevertap.DATE_FORMATS if written != type_forms.UNIX),
]


def _ask(values: Sequence[str | None]) -> list[tuple[int, ...]]:
    """Return, for each cell, its traits and whether it is of each of ``TYPES``."""
    fits = ", ".join(type_forms.is_of_type(CELL, type_, written) for type_, written in TYPES)
    question = f"SELECT {write_traits()}, {fits} FROM (SELECT unnest(?::VARCHAR[]) AS {CELL})"  # noqa: S608 - ours
    with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
        return connection.execute(question, [list(values)]).fetchall()


@settings(max_examples=60, deadline=None, print_blob=True)
@given(values=strategies.lists(CELLS, min_size=1, max_size=60))
@example(values=[*NUMBERS, *OTHERS])
def test_the_count_and_the_rules_agree_on_every_cell(values: list[str]) -> None:
    """A cell counts for a type exactly where the rules let it pass as that type, and an empty one for none."""
    for value, (traits, *fits) in zip(values, _ask(values), strict=True):
        column = make_column("a", {traits: 1})
        counted = [bool(column.count_type(type_, written)) for type_, written in TYPES]
        if "\u017f" in value:
            # Case is folded for the letter, too, and longer it looks like no word to the count.
            counted[3] = bool(fits[3])
        assert counted == [bool(fit) and value != "" for fit in fits], value
        assert bool(traits) == (value != "")


def test_every_documented_date_looks_like_one() -> None:
    """What is no date of any format can then be told from what only looks like one."""
    written = ["31/12/2024", "12/31/2024", "2024/31/12", "2024/12/31", "31 Dec 2024", "2024-12-31"]
    stamped = [f"{day} 10:11:12" for day in written[:-1]] + ["2024-12-31T10:11:12"]
    close = ["2024-12-31 10:11:12", "2024-12-31T10:11:12Z", "31.12.2024", "1/2/24", "31-Dec-2024", "2024/1/2"]
    asked = _ask([*written, *stamped, *close])
    assert all(traits & Trait.DATE_LIKE for traits, *_ in asked)
    assert [sum(fits) for _, *fits in asked] == [1] * (len(written) + len(stamped)) + [0] * len(close)


def test_what_is_no_date_does_not_look_like_one() -> None:
    """Codes, versions, numbers and times."""
    values = ["555-12-3456", "10.0.0.1", "12:30:00", "20241231", "030 12345", "1-2", "2024-12", "+49 170 1234567"]
    assert not any(traits & Trait.DATE_LIKE for traits, *_ in _ask(values))


def test_what_is_seen_of_numbers() -> None:
    """Leading zeros, too many digits, exponents and epoch times are told apart; null is nothing."""
    seen = {
        "007": Trait.PADDED,
        "9" * 40: Trait.BEYOND,
        "1e5": Trait.EXPONENT,
        "1700000000": Trait.SECONDS,
        "1700000000.5": Trait.SECONDS,
        "1700000000000": Trait.MILLISECONDS,
        "1700000000000000": Trait.MICROSECONDS,
        "no": Trait.YES_NO,
        "nein": Trait.YES_NO,
        "1,5": Trait.COMMA,
        "-1.234.567,89": Trait.COMMA,
        "1,234.50": Trait.COMMA,
    }
    assert all(traits & trait for trait, (traits, *_) in zip(seen.values(), _ask(list(seen)), strict=True))
    special = sum(set(seen.values()))
    assert [traits & special for traits, *_ in _ask(["1", "-5", "631151999", "1.5", "yes?", None])] == [0] * 6


def test_every_format_has_a_bit_of_its_own() -> None:
    """No format's bit is another's, or a trait's."""
    bits = [*map(int, Trait), *(get_format_bit(written) for _, written in TYPES if written is not None)]
    assert sum(set(bits)) == sum(bits)
