"""Names from names: a feed's from its files', a property's from its column's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.inference.headers import is_code, is_date, is_flag, make_property_name, split
from sftp_orchestrator.inference.patterns import fits_everything, make_feed_name, make_patterns
from sftp_orchestrator.intake.matching import list_matching_feeds


@pytest.mark.parametrize(
    ("file", "pattern", "name"),
    [
        ("purchases_2026-01-02.csv", "purchases*.csv", "purchases"),
        ("purchases_20260102T101500Z.csv", "purchases*.csv", "purchases"),
        ("purchases.csv", "purchases*.csv", "purchases"),
        ("purchases_1.csv", "purchases*.csv", "purchases"),
        ("Orders2024.CSV", "Orders*.CSV", "orders"),
        ("orders2024final.csv", "orders*.csv", "orders"),
        ("q1_sales_2026.csv", "q1_sales*.csv", "q1_sales"),
        ("b2b_orders_02_Jan_2026.csv", "b2b_orders*.csv", "b2b_orders"),
        ("email_marketing_2026.csv", "email_marketing*.csv", "email_marketing"),
        ("may_campaign.csv", "may_campaign*.csv", "may_campaign"),
        ("2026-01-02_purchases.csv", "*purchases*.csv", "purchases"),
        ("02_Jan_2026_orders.csv", "*orders*.csv", "orders"),
        ("users-550e8400-e29b-41d4-a716.csv", "users*.csv", "users"),
        ("Kundenübersicht 2026.csv", "Kundenübersicht*.csv", "kundenubersicht"),
        ("a [new] file.csv", r"a \[new\] file*.csv", "a-new-file"),
        ("x" * 60 + ".csv", "x" * 60 + "*.csv", "x" * 40),
        ("20260102.csv", "*.csv", "feed"),
        ("東京.csv", "東京*.csv", "feed"),
        ("purchases", "purchases*", "purchases"),
    ],
)
def test_pattern_and_name_of_a_feed(file: str, pattern: str, name: str) -> None:
    """Numbers, dates and what follows them are cut off; single digits within a name stay."""
    assert (make_patterns([file]), make_feed_name([file])) == ([pattern], name)
    assert fits_everything(pattern) == (file == "20260102.csv")


def test_files_of_one_kind_share_their_pattern() -> None:
    """Each pattern is there once; the first name that tells something names the feed."""
    files = ["2026.csv", "purchases_1.csv", "purchases_2.csv", "returns_1.csv"]
    assert make_patterns(files) == ["*.csv", "purchases*.csv", "returns*.csv"]
    assert make_feed_name(files) == "purchases"
    assert make_feed_name(["purchases_old_1.csv", "purchases_new_1.csv"]) == "purchases"
    assert make_feed_name(["web_purchases_1.csv", "web_purchases_eu_1.csv"]) == "web_purchases"


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.zst", ".parquet", ".jsonl", ".ndjson.gz", ".CSV.GZ"])
def test_what_is_no_plain_text_has_a_pattern_for_its_refused_rows(ending: str) -> None:
    """They come back, corrected, as plain CSV; such a file alone has the one pattern."""
    assert make_patterns([f"customers{ending}"]) == [f"customers*{ending}", "customers*.csv"]
    assert make_patterns([f"customers_1{ending}", "customers_2.csv"]) == [f"customers*{ending}", "customers*.csv"]
    assert make_patterns(["customers.csv"]) == ["customers*.csv"]


FILES = strategies.text(max_size=30).filter(lambda text: not set("/\0\n") & set(text)).map(lambda text: f"{text}.csv")


@given(FILES)
def test_any_file_fits_its_own_pattern(file: str) -> None:
    """Whatever a file is called, its pattern is taken by the model and fits it, and its feed has a legal name."""
    feed = Feed.model_validate({"type": "event", "files": make_patterns([file])})
    assert list_matching_feeds(file.encode("utf-8", "surrogateescape"), {"a": feed}) == ("a",)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", make_feed_name([file]))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("amount", "amount"),
        ("price ($)", "price"),
        ("a.b", "a_b"),
        ("tax % (net)", "tax_(net)"),
        ("customer's name", "customer_s name"),
        ("  two  words\n", "two words"),
        ("$", "column_8"),
        ("x" * 130, "x" * 120),
        ("taken", "taken_2"),
        ("名前", "名前"),
    ],
)
def test_name_of_a_property(header: str, name: str) -> None:
    """A header that the receiver takes is kept; else it is changed as little as will do."""
    assert make_property_name(header, 7, {"taken"}) == name


@given(strategies.text(min_size=1), strategies.sets(strategies.text(max_size=3)))
def test_any_header_gets_a_name_that_the_receiver_takes(header: str, taken: set[str]) -> None:
    """No refused character, not too long, not empty, not taken, and visible."""
    name = make_property_name(header, 0, taken)
    assert not set(name) & set(clevertap.REFUSED_PROPERTY_CHARACTERS)
    assert 1 <= len(name) <= clevertap.MAX_PROPERTY_NAME_CHARACTERS
    assert name.strip() == name
    assert name not in taken
    assert name.isprintable()


@pytest.mark.parametrize("header", ["orderID", "order_id", "Order Id", "order.id", "ORDER-ID"])
def test_words_of_a_name(header: str) -> None:
    """However the words are set apart."""
    assert split(header) == ["order", "id"]


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        (is_code, ("id", "userId", "zip_code", "order number", "phone_home"), ("number_of", "number", "valid", "keys")),
        (is_date, ("created_at", "orderDate", "timestamp", "date_of_order"), ("update", "attempts", "rate")),
        (is_flag, ("is_new", "hasChildren", "opt_in", "consent"), ("island", "newness", "count")),
    ],
)
def test_what_a_name_says(question: object, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    """Codes, dates and flags are known by whole words of their names."""
    assert callable(question)
    assert [header for header in yes if not question(header)] == []
    assert [header for header in no if question(header)] == []
