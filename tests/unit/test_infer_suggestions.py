"""What is said of files as a whole, from counts alone."""

from __future__ import annotations

from sftp_orchestrator.inference.choice import propose
from sftp_orchestrator.inference.dialect import Dialect
from sftp_orchestrator.inference.suggestions import add_suggestions
from sftp_orchestrator.inference.whole import Whole, choose_key
from sftp_orchestrator.prepare.tables.comparing import Compared
from tests.support.evidence import SECONDS, WHOLE, make_column, make_evidence

EVENTS = make_evidence(
    make_column("event_name", distinct=3),
    make_column("order_no", WHOLE),
    make_column("product_id", WHOLE, distinct=9),
    make_column("user_id", distinct=40),
    make_column("ts", SECONDS),
)
KEY = ("event_name", "order_no", "user_id", "ts")


def _suggest(*found: Whole) -> list[tuple[str, str, str]]:
    proposal = add_suggestions(propose(EVENTS, ["a.csv"], Dialect()), KEY, found)
    return [(suggestion.key, suggestion.value, suggestion.reason) for suggestion in proposal.suggestions]


def test_the_key_is_who_what_when_and_an_orders_number() -> None:
    """A number that comes again, as an article's does, tells no event from another."""
    assert choose_key(propose(EVENTS, ["a.csv"], Dialect()), EVENTS) == KEY


def test_nothing_is_said_of_a_clean_file() -> None:
    """No row refused, none twice, none late."""
    assert _suggest(Whole(file="a.csv", rows=100, refused=0, compared=Compared(rows=100, repeated_by_key=7))) == []


def test_where_the_key_finds_more_all_columns_are_proposed() -> None:
    """Rows that agree in the key alone may be lines of one order: they are not left out."""
    compared = Compared(rows=100, repeated=5, repeated_by_key=6)
    ((key, value, reason),) = _suggest(Whole(file="a.csv", rows=100, refused=0, compared=compared))
    assert (key, value) == ("deduplicate", '{columns: ["event_name", "order_no", "product_id", "user_id", "ts"]}')
    assert reason.startswith("5.0 % of rows (5) repeat an earlier one in every column")


def test_a_share_of_the_first_rows_is_called_so() -> None:
    """Of a file that is larger than what is compared nothing is claimed beyond that."""
    compared = Compared(rows=2_000_000, late=20_000)
    ((key, value, reason),) = _suggest(Whole(file="a.csv", rows=9_000_000, refused=0, compared=compared))
    assert (key, value) == ("sort_by_time", "true")
    assert reason.startswith("1.0 % of the first 2,000,000 rows (20,000) are earlier than one before")


def test_refused_rows_are_judged_file_by_file() -> None:
    """A good file makes no bad one better; at exactly the limit the good rows are sent."""
    good, bad = Whole(file="a.csv", rows=900, refused=0), Whole(file="b.csv", rows=100, refused=2)
    ((key, _, reason),) = _suggest(good, bad)
    assert key == ""
    share = '2.0 % of rows of "b.csv" (2) are refused by the rules together'
    assert reason == f"{share}, more than max_bad_rows (1 %): such a file is not sent at all"
    ((_, _, reason),) = _suggest(Whole(file="a.csv", rows=100, refused=1))
    assert reason.endswith("no more than max_bad_rows (1 %): the others are sent")
