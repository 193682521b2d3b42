"""No question that the daemon asks its ledger reads all that it ever knew; told by SQLite's plans, not by time."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger.database import open_database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Source
from sftp_orchestrator.ledger.states import SOURCE_ASIDE, SOURCE_ON_ITS_WAY, SOURCE_OPEN, PartState, SourceState
from sftp_orchestrator.ledger.tables import SOURCE
from tests.support.records import make_pause, make_source

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
GROWING = ("source", "part", "history", "run", "tick")
"""Tables with a row for each thing that ever was; the others hold what is to be done, or settings."""
WELL_KNOWN = {
    # Backwards, up to the first rows that fit.
    ("history", "last_delivery"),
    ("history", "history"),
    ("run", "last_runs"),
    # An index alone, which is all counting needs.
    ("source", "counts"),
    # Those of which rows were left out, by an index of these alone.
    ("source", "rows_left_out"),
}

Question = Callable[[Ledger, Source], object]

QUESTIONS: dict[str, Question] = {
    "claims": lambda ledger, _: ledger.sources.list_claims(),
    "one": lambda ledger, source: ledger.sources.get(source.id),
    "some": lambda ledger, source: ledger.sources.list_of([source.id]),
    "on_their_way": lambda ledger, _: ledger.sources.list_in(SOURCE_ON_ITS_WAY),
    "first": lambda ledger, _: ledger.sources.list_first([SourceState.READY, SourceState.CLAIMED], 9),
    "profile_numbers": lambda ledger, source: ledger.sources.list_profile_numbers(
        source.destination, states=SOURCE_ON_ITS_WAY, released=False
    ),
    "rows_given_up": lambda ledger, source: ledger.discards.list_rows_given_up([source.id]),
    "open": lambda ledger, _: ledger.sources.list_in(SOURCE_OPEN),
    "delivered": lambda ledger, _: ledger.sources.list_in({SourceState.DELIVERED}),
    "discarded_of": lambda ledger, source: ledger.sources.list_discarded_of([source.id]),
    "pending_profiles": lambda ledger, source: ledger.sources.list_pending_profiles(source.destination),
    "same": lambda ledger, source: ledger.sources.find_same(source.feed, source.destination, "0" * 64, besides="x"),
    "sent": lambda ledger, source: ledger.sources.list_sent(source.feed, source.destination, since=NOW),
    "last_done": lambda ledger, _: ledger.sources.list_last(SourceState.ARCHIVED, 20),
    "has_left": lambda ledger, source: ledger.sources.has_left(source.id),
    "waits": lambda ledger, source: ledger.sources.note_waits({source.id: "why"}, retry_at=NOW),
    "failure": lambda ledger, source: ledger.sources.note_failure(source),
    "reassigned": lambda ledger, source: ledger.sources.reassign(source.id, type_=source.type, destination="other"),
    "retried": lambda ledger, source: ledger.sources.retry(source.id, by="test"),
    "parts": lambda ledger, source: ledger.parts.list_of(source.id),
    "parts_by_source": lambda ledger, _: ledger.parts.list_by_source(SOURCE_OPEN | {SourceState.DELIVERED}),
    "parts_in": lambda ledger, _: ledger.parts.list_in(PartState.PUBLISHING),
    "discards": lambda ledger, _: (ledger.discards.count(), ledger.discards.count_rows()),
    "discarded_since": lambda ledger, source: ledger.discards.has_any(source.feed, source.destination, since=NOW),
    "leftovers": lambda ledger, source: ledger.leftovers.list_of(source.destination),
    "pauses": lambda ledger, _: ledger.pauses.list_all(),
    "pause_cut_short": lambda ledger, source: ledger.pauses.cut_short(make_pause(destination=source.destination), NOW),
    "run_requests": lambda ledger, source: ledger.requests.list_open(source.destination, since=NOW),
    "missing_files": lambda ledger, _: (ledger.missing.list_open(), ledger.missing.count()),
    "expected_file": lambda ledger, source: ledger.missing.find_file(source.feed, [source.destination], after=NOW),
    "file_until": lambda ledger, source: ledger.missing.find_file(
        source.feed, [source.destination, "other"], after=NOW, until=NOW
    ),
    "properties": lambda ledger, _: ledger.properties.list_all(),
    "properties_on_their_way": lambda ledger, source: ledger.properties.list_on_their_way(
        source.destination, FeedType.EVENT
    ),
    "refused_rows": lambda ledger, _: ledger.outcomes.list_with_refused_rows(since=NOW),
    "rows_left_out": lambda ledger, _: ledger.outcomes.count_rows_left_out(),
    "delivered_later": lambda ledger, source: ledger.outcomes.list_delivered_later([source]),
    "replaced": lambda ledger, _: ledger.outcomes.list_replaced(),
    "last_delivery": lambda ledger, _: ledger.outcomes.find_last_delivery(),
    "uncertain": lambda ledger, _: ledger.outcomes.count_uncertain(),
    "oldest_waiting": lambda ledger, _: ledger.outcomes.find_oldest_waiting(),
    "hours": lambda ledger, _: ledger.outcomes.list_hours(NOW),
    "delivered_since": lambda ledger, _: ledger.outcomes.count_delivered(since=NOW),
    "deliveries": lambda ledger, _: ledger.deliveries.list_all(),
    "states": lambda ledger, _: ledger.sources.list_states(SOURCE_ASIDE),
    "stubborn": lambda ledger, _: ledger.sources.list_stubborn(failures=3, attempts=5),
    "sources_of_parts": lambda ledger, _: ledger.parts.list_sources_in(PartState.UNCERTAIN),
    "alerts": lambda ledger, _: (ledger.alerts.list_all(), ledger.alerts.count_messages()),
    "answer": lambda ledger, _: ledger.require_answer(),
    "counts": lambda ledger, _: ledger.count_sources(),
    "history": lambda ledger, _: ledger.list_history(limit=100),
    "history_of_one": lambda ledger, source: ledger.list_history(source_id=source.id),
    "last_runs": lambda ledger, _: ledger.runs.list_last(1),
    "unfinished_runs": lambda ledger, _: ledger.runs.list_unfinished(since=NOW),
    "last_tick": lambda ledger, _: ledger.runs.get_last_tick("* * * * *"),
    "ticks_forgotten": lambda ledger, _: ledger.runs.forget_ticks("* * * * *", after=NOW),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_reads_all_there_ever_was(tmp_path: Path, name: str) -> None:
    """A ledger of a million parts answers as one of ten does: each table that grows is looked into by an index."""
    engine = open_database("sqlite", tmp_path)
    try:
        ledger, source = Ledger(engine), make_source()
        with engine.begin() as connection:
            row = {**dataclasses.asdict(source), "type": source.type.value, "state": source.state.value}
            connection.execute(sa.insert(SOURCE), [row])
        with _noting_plans(engine) as plans:
            QUESTIONS[name](ledger, source)
    finally:
        engine.dispose()
    assert plans
    scanned = {table for plan in plans for table in GROWING if plan.split()[:2] == ["SCAN", table]}
    assert {(table, name) for table in scanned} <= WELL_KNOWN, plans


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("delivered_later", "ix_source_relative_path"),
        ("sent", "ix_source_feed_destination_claimed_at"),
        ("same", "ix_source_sha256"),
        ("discarded_of", "sqlite_autoindex_source_1"),
        ("rows_left_out", "ix_source_rows_left_out"),
        ("unfinished_runs", "ix_run_unfinished"),
        ("hours", "COVERING INDEX ix_history_at_after_part"),
        ("delivered_since", "COVERING INDEX ix_history_at_after_part"),
    ],
)
def test_what_is_sought_is_found_by_what_is_rare(tmp_path: Path, name: str, index: str) -> None:
    """An index by state is no help where nearly all sources are in one state."""
    engine = open_database("sqlite", tmp_path)
    try:
        with _noting_plans(engine) as plans:
            QUESTIONS[name](Ledger(engine), make_source())
    finally:
        engine.dispose()
    assert f" {index}" in plans[0]


def test_bytes_of_the_last_hours_are_summed_by_an_index_alone(tmp_path: Path) -> None:
    """The picture of a day looks at no part that is older, nor at the rows of those that are not."""
    engine = open_database("sqlite", tmp_path)
    try:
        with _noting_plans(engine) as plans:
            Ledger(engine).outcomes.list_hours(NOW)
    finally:
        engine.dispose()
    assert [plan for plan in plans if plan.startswith("SEARCH part USING COVERING INDEX ix_part_delivered_at_size")]


@pytest.mark.parametrize("states", [SOURCE_ON_ITS_WAY, SOURCE_ASIDE])
def test_the_last_ones_of_a_state_are_not_found_by_sorting(tmp_path: Path, states: frozenset[SourceState]) -> None:
    """Nearly all sources are archived: to show twenty of them must not mean to put a million in order."""
    engine = open_database("sqlite", tmp_path)
    try:
        ledger = Ledger(engine)
        with _noting_plans(engine) as plans:
            for state in states:
                ledger.sources.list_last(state, 20)
                ledger.sources.list_first([state], 20)
    finally:
        engine.dispose()
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]


@contextmanager
def _noting_plans(engine: sa.Engine) -> Iterator[list[str]]:
    """Give a list of how SQLite goes about each statement, which is filled during the context."""
    plans: list[str] = []

    def explain(connection: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            given = parameters[0] if isinstance(parameters, list) else parameters
            session = connection.connection.driver_connection
            assert session is not None
            plans.extend(row[3] for row in session.execute(f"EXPLAIN QUERY PLAN {statement}", given))

    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)
