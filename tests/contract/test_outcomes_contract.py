"""What every ledger tells of what became of sources, whatever database it lies in."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError
from sftp_orchestrator.ledger.database import open_database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim, Delivered, Hour, InspectedFile, PlannedPart, RowsLeftOut
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SourceState

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
CLAIM = Claim(
    source_id="s1",
    feed="purchases",
    type=FeedType.EVENT,
    destination="production",
    relative_path=b"a.csv",
    device=1,
    inode=2,
    size=3,
    mtime_ns=4,
)
FOUND = InspectedFile(size=3, mtime_ns=4, sha256="0" * 64, records=90, header_bytes=b"h\n", earliest_ts=5)


class _Clock:
    """Shows the next minute each time it is looked at."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime.datetime:
        self.now += datetime.timedelta(minutes=1)
        return self.now


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Ledger:
    """An empty ledger whose time goes on by itself."""
    return Ledger(ledger_engine, clock=_Clock())


def _claim(ledger: Ledger, source_id: str, **changes: object) -> None:
    claim = replace(CLAIM, source_id=source_id, **changes)  # type: ignore[arg-type] # fields of several types
    ledger.sources.begin_claims([claim])
    ledger.sources.finish_claims([claim])


def _plan(ledger: Ledger, source_id: str, *, refused: int = 0, duplicates: int = 0) -> None:
    found = replace(FOUND, refused_rows=refused, duplicate_rows=duplicates)
    ledger.sources.finish_inspection(source_id, found)
    part = PlannedPart(
        start=0, end=3, records=90, data_name=f"{source_id}.csv", manifest_name=f"{source_id}.m", manifest=b"{}"
    )
    ledger.sources.finish_planning(source_id, [part], plan_key="k")


def _deliver(ledger: Ledger, source_id: str) -> None:
    (part,) = ledger.parts.list_of(source_id)
    ledger.parts.finish_preparation(part, size=3)
    ledger.parts.finish_upload(part)
    ledger.parts.begin_publishing(part)
    ledger.parts.finish_publishing(part)
    ledger.sources.finish_deliveries([source_id])


def test_rows_that_were_not_sent_are_counted_of_what_was_delivered(ledger: Ledger) -> None:
    """By feed, refused and duplicates apart; what is still on its way may be read anew and does not count."""
    assert ledger.outcomes.count_rows_left_out() == {}
    for name, feed, refused, duplicates in (
        ("s1", "purchases", 20, 0),
        ("s2", "purchases", 3, 4),
        ("s3", "customers", 0, 7),
        ("s4", "customers", 0, 0),
    ):
        _claim(ledger, name, feed=feed)
        _plan(ledger, name, refused=refused, duplicates=duplicates)
        _deliver(ledger, name)
    ledger.sources.finish_archives(["s2"])
    _claim(ledger, "s5")
    _plan(ledger, "s5", refused=100)
    assert ledger.outcomes.count_rows_left_out() == {
        "purchases": RowsLeftOut(refused=23, duplicates=4),
        "customers": RowsLeftOut(refused=0, duplicates=7),
    }


def test_what_was_delivered_is_counted_with_each_delivery(ledger: Ledger) -> None:
    """Files, bytes and rows by feed and destination, and when the last was; what is on its way does not count."""
    assert ledger.deliveries.list_all() == []
    for name, feed, destination in (
        ("s1", "purchases", "production"),
        ("s2", "purchases", "production"),
        ("s3", "purchases", "other"),
        ("s4", "customers", "production"),
    ):
        _claim(ledger, name, feed=feed, destination=destination)
        _plan(ledger, name)
        if name != "s4":
            _deliver(ledger, name)
    ledger.sources.finish_archives(["s1"])
    last = {name: ledger.sources.get(name).changed_at for name in ("s2", "s3")}
    assert ledger.deliveries.list_all() == [
        Delivered(feed="purchases", destination="other", sources=1, bytes=3, records=90, last_at=last["s3"]),
        Delivered(feed="purchases", destination="production", sources=2, bytes=6, records=180, last_at=last["s2"]),
    ]
    assert ledger.deliveries.list_last() == {"other": last["s3"], "production": last["s2"]}


def test_what_waits_is_counted_and_the_oldest_of_it_found(ledger: Ledger) -> None:
    """Uncertain parts, and since when the first waits, of whatever is not done: set aside or not, and not archived."""
    assert (ledger.outcomes.count_uncertain(), ledger.outcomes.find_oldest_waiting()) == (0, None)
    for name in ("s1", "s2", "s3", "s4"):
        _claim(ledger, name)
        _plan(ledger, name)
    for name in ("s2", "s3"):
        (part,) = ledger.parts.list_of(name)
        ledger.parts.finish_preparation(part, size=3)
        ledger.parts.finish_upload(part)
        ledger.parts.begin_publishing(part)
        ledger.parts.doubt(part, "both gone")
    ledger.sources.hold("s3", "why")
    _deliver(ledger, "s1")
    claimed = {name: ledger.sources.get(name).claimed_at for name in ("s1", "s2")}
    assert (ledger.outcomes.count_uncertain(), ledger.outcomes.find_oldest_waiting()) == (2, claimed["s1"])
    ledger.sources.finish_archives(["s1"])
    assert ledger.outcomes.find_oldest_waiting() == claimed["s2"]


def test_what_lacks_rows_is_found_for_as_long_as_is_asked(ledger: Ledger) -> None:
    """Archived sources of which rows were refused; not those on their way, nor those with nothing but duplicates."""
    for name, refused, duplicates in (("s1", 1, 0), ("s2", 0, 1), ("s3", 2, 0), ("s4", 3, 0)):
        _claim(ledger, name)
        _plan(ledger, name, refused=refused, duplicates=duplicates)
        if name != "s4":
            _deliver(ledger, name)
            ledger.sources.finish_archives([name])
    found = ledger.outcomes.list_with_refused_rows(since=START)
    assert [(source.id, source.refused_rows) for source in found] == [("s1", 1), ("s3", 2)]
    since = ledger.sources.get("s3").changed_at
    assert [source.id for source in ledger.outcomes.list_with_refused_rows(since=since)] == ["s3"]
    later = since + datetime.timedelta(seconds=1)
    assert ledger.outcomes.list_with_refused_rows(since=later) == []


def test_refused_rows_are_given_up_once_and_the_history_says_by_whom_and_why(ledger: Ledger) -> None:
    """Of what is archived, which stays so and counts on; of nothing else, and then nothing is changed."""
    for name in ("s1", "s2", "s3"):
        _claim(ledger, name)
        _plan(ledger, name, refused=2)
    for name in ("s2", "s1"):
        _deliver(ledger, name)
    ledger.sources.finish_archives(["s1"])
    seen, noticed = ledger.sources.get("s1"), ledger.discards.count()
    at = ledger.discards.discard_rows("s1", by="anna", reason="a test of theirs")
    assert (ledger.sources.get("s1"), ledger.discards.count(), ledger.discards.count_rows()) == (seen, noticed, 1)
    assert ledger.discards.list_rows_given_up() == ledger.discards.list_rows_given_up(["s1", "s2"]) == {"s1": at}
    assert ledger.discards.list_rows_given_up(["s2"]) == ledger.discards.list_rows_given_up([]) == {}
    assert ledger.outcomes.list_with_refused_rows(since=START) == []
    assert ledger.outcomes.count_rows_left_out()["purchases"].refused == 4
    move = ledger.list_history(source_id="s1")[-1]
    assert (move.before, move.after, move.by, move.at) == ("archived", "archived", "anna", at)
    assert move.reason == "its refused rows were given up by a person: a test of theirs"
    before = ledger.list_history()
    for name, why in {"s1": "given up before", "s2": "not put away yet", "s3": "planned", "s4": "unknown"}.items():
        with pytest.raises(ConfigurationError, match=why):
            ledger.discards.discard_rows(name, by="ben")
    assert ledger.list_history() == before
    assert ledger.forgetting.forget_sources(before=at, besides=()) == 0
    assert ledger.forgetting.forget_sources(before=at + datetime.timedelta(days=1), besides=()) == 1
    assert ledger.discards.list_rows_given_up() == {}


def test_what_was_dropped_later_under_the_same_path_and_delivered_is_found(ledger: Ledger) -> None:
    """Profiles claimed after the first that is asked about, under the path of any; the order decides what fits."""
    assert ledger.outcomes.list_delivered_later([]) == []
    profile = {"type": FeedType.PROFILE, "feed": "customers"}
    for name, path in (("p0", b"c.csv"), ("p1", b"c.csv"), ("p2", b"d\xff.csv"), ("p3", b"c.csv"), ("p4", b"c.csv")):
        _claim(ledger, name, relative_path=path, **profile)
    _claim(ledger, "e1", relative_path=b"c.csv")
    ledger.sources.quarantine("p1", "bad")
    for name in ("p0", "p2", "p3", "e1"):
        _plan(ledger, name)
        _deliver(ledger, name)
    ledger.sources.finish_archives(["p3"])
    asked = [ledger.sources.get("p1")]
    assert [source.id for source in ledger.outcomes.list_delivered_later(asked)] == ["p3"]


def test_the_first_of_many_are_found_and_the_others_known_by_their_numbers(ledger: Ledger) -> None:
    """Of the state asked for first first, of each the longest in it; and what a later file took the place of."""
    for number in range(1, 7):
        path = b"same.csv" if number in {2, 6} else f"p{number}.csv".encode()
        _claim(ledger, f"s{number}", type=FeedType.PROFILE, feed="customers", relative_path=path)
    for name in ("s3", "s2"):
        ledger.sources.quarantine(name, "bad")
    _plan(ledger, "s6")
    _deliver(ledger, "s6")
    ledger.sources.hold("s5", "why")
    ledger.sources.release("s5", by="anna")
    ledger.sources.hold("s5", "again")
    sources, claimed, aside = ledger.sources, SourceState.CLAIMED, SOURCE_ASIDE
    assert [one.id for one in sources.list_first([SourceState.QUARANTINED, claimed], 3)] == ["s1", "s2", "s3"]
    assert [one.id for one in sources.list_first([SourceState.QUARANTINED, claimed], 1)] == ["s3"]
    assert sources.list_first([claimed], 0) == []
    assert list(sources.list_profile_numbers("production", states={claimed})) == [1, 4]
    assert list(sources.list_profile_numbers("production", states=aside)) == [2, 3, 5]
    assert list(sources.list_profile_numbers("production", states=aside, released=False)) == [2, 3]
    assert [one.id for one in sources.list_pending_profiles("production", states=aside, limit=2)] == ["s2", "s3"]
    assert [one.id for one in sources.list_pending_profiles("production", released=True)] == ["s5"]
    assert [one.id for one in ledger.outcomes.list_replaced()] == ["s2"]


def test_the_last_delivery_is_the_one_that_ended_last(ledger: Ledger) -> None:
    """Whatever was claimed last, and whenever it was put away."""
    assert ledger.outcomes.find_last_delivery() is None
    for name in ("s1", "s2"):
        _claim(ledger, name)
        _plan(ledger, name)
    _deliver(ledger, "s2")
    _deliver(ledger, "s1")
    at = ledger.sources.get("s1").changed_at
    ledger.sources.finish_archives(["s1"])
    ledger.sources.finish_archives(["s2"])
    found = ledger.outcomes.find_last_delivery()
    assert found is not None
    assert (found[0].id, found[1]) == ("s1", at)


def test_what_became_of_files_is_counted_by_the_hour(ledger_engine: sa.Engine) -> None:
    """The last 24 hours on UTC's clock, this one included: files, bytes, and how often one was set aside."""
    clock = _Clock()
    ledger = Ledger(ledger_engine, clock=clock)
    for name, after, count in (("long_ago", 0, 1), ("first", 1, 2), ("last", 24, 1)):
        clock.now = START + datetime.timedelta(hours=after)
        for number in range(count):
            _claim(ledger, f"{name}{number}")
            _plan(ledger, f"{name}{number}")
            _deliver(ledger, f"{name}{number}")
    _claim(ledger, "bad")
    ledger.sources.quarantine("bad", "why")
    ledger.sources.retry("bad", by="anna")
    ledger.sources.quarantine("bad", "why")
    hours = ledger.outcomes.list_hours(START + datetime.timedelta(hours=24, minutes=59))
    assert [hour.begin for hour in hours] == [START + datetime.timedelta(hours=number) for number in range(1, 25)]
    told = {
        number: (hour.delivered, hour.delivered_bytes, hour.set_aside)
        for number, hour in enumerate(hours, start=1)
        if hour != Hour(begin=hour.begin)
    }
    assert told == {1: (2, 6, 0), 24: (1, 3, 2)}
    assert ledger.outcomes.count_delivered(since=START) == 4
    assert ledger.outcomes.count_delivered(since=START + datetime.timedelta(hours=2)) == 1


def test_what_lacks_rows_is_found_without_reading_all(tmp_path: Path) -> None:
    """SQLite goes by the index: what is looked up with every look at the page costs no more in a full ledger."""
    engine = open_database("sqlite", tmp_path)
    queries: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, values: Sequence[object], *_: object) -> None:
        for value in values:
            statement = statement.replace("?", f"'{value}'", 1)
        queries.append(statement)

    Ledger(engine).outcomes.count_rows_left_out()
    Ledger(engine).outcomes.list_with_refused_rows(since=START)
    with engine.connect() as connection:
        asked = [query for query in queries if query.startswith("SELECT") and "FROM source" in query]
        plans = [str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()) for query in asked]
    engine.dispose()
    assert len(plans) == 2
    assert all(re.search("USING (COVERING )?INDEX ix_source_rows_left_out", plan) for plan in plans), plans


# Files that are expected.


def test_a_deadline_is_noted_once_and_closed_by_the_first_file(ledger: Ledger) -> None:
    """Noting it again changes nothing; one file closes all that are open for its feed, and counts for none after."""
    missing = ledger.missing
    first = missing.note("purchases", START)
    assert missing.note("purchases", START) == first
    missing.note("purchases", START + DAY)
    missing.note("customers", START)
    _claim(ledger, "s1")
    late = missing.find_file("purchases", ["production", "other"], after=START)
    assert late is not None
    assert late.id == "s1"
    missing.note_arrival(late)
    assert [(one.feed, one.due_at) for one in missing.list_open()] == [("customers", START)]
    assert missing.count() == {"purchases": 2, "customers": 1}
    assert missing.find_file("purchases", ["production"], after=START) is None
    _claim(ledger, "s2")
    found = missing.find_file("purchases", ["production"], after=START)
    assert found is not None
    assert found.id == "s2"
    assert missing.find_file("purchases", ["production"], after=START, until=late.claimed_at) is None
    assert missing.find_file("purchases", ["elsewhere"], after=START) is None
    assert missing.find_file("customers", ["production"], after=START) is None


# Runs that a person asks for.


def test_a_run_that_is_asked_for_is_open_until_it_is_answered(ledger: Ledger) -> None:
    """Each destination has its own; what is asked meanwhile stays, and what is too old is not listed."""
    for destination, feed in (("one", None), ("two", None), ("one", "customers")):
        ledger.requests.ask(destination, feed, by="anna")
    first, second = ledger.requests.list_open("one", since=START)
    assert [(asked.destination, asked.feed, asked.by) for asked in (first, second)] == [
        ("one", None, "anna"),
        ("one", "customers", "anna"),
    ]
    assert ledger.requests.list_open("one", since=second.asked_at) == [second]
    ledger.requests.answer("one", first.number)
    assert ledger.requests.list_open("one", since=START) == [second]
    ledger.requests.answer("one", second.number)
    ledger.requests.answer("one", second.number)
    assert ledger.requests.list_open("one", since=START) == []
    assert len(ledger.requests.list_open("two", since=START)) == 1
