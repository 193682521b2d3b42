"""What every ledger must do, whatever database it lies in."""

from __future__ import annotations

import concurrent.futures
import datetime
import functools
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.destination.declared import Declared, read_declared
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded, LocalFault, SourceFault
from sftp_orchestrator.ledger import database, properties, tables
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Claim, InspectedFile, Part, PlannedPart, Source
from sftp_orchestrator.ledger.states import PART_MOVES, SOURCE_MOVES, PartState, SourceState
from tests.support.ledgers import make_postgresql
from tests.support.records import make_pause

EARLIER = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def _claim(ledger: Ledger, source_id: str, *, type: FeedType = FeedType.EVENT) -> Source:  # noqa: A002 - the field's name
    claim = _make_claim(source_id, type=type)
    ledger.sources.begin_claims([claim])
    return ledger.sources.finish_claims([claim])[0]


def _make_claim(source_id: str, *, type: FeedType = FeedType.EVENT) -> Claim:  # noqa: A002 - the field's name
    return Claim(
        source_id=source_id,
        feed="purchases",
        type=type,
        destination="production",
        relative_path=b"a/b\xff\n.csv",
        device=1,
        inode=2,
        size=3,
        mtime_ns=4,
    )


def _plan(ledger: Ledger, source_id: str, parts: int = 2, *, plan_key: str = "k") -> None:
    ledger.sources.finish_inspection(
        source_id,
        InspectedFile(size=30, mtime_ns=7, sha256="0" * 64, records=parts, header_bytes=b"h\n", earliest_ts=5),
    )
    ledger.sources.finish_planning(
        source_id,
        [
            PlannedPart(
                start=number,
                end=number + 1,
                records=1,
                data_name=f"{source_id}_{number}.csv",
                manifest_name=f"{source_id}_{number}.manifest",
                manifest=b"{}",
            )
            for number in range(parts)
        ],
        plan_key=plan_key,
    )


def _take_to(ledger: Ledger, source_id: str, number: int, state: PartState) -> None:
    steps: dict[PartState, Callable[[Part], object]] = {
        PartState.READY: lambda part: ledger.parts.finish_preparation(part, size=9),
        PartState.UPLOADED: ledger.parts.finish_upload,
        PartState.PUBLISHING: ledger.parts.begin_publishing,
        PartState.DELIVERED: ledger.parts.finish_publishing,
    }
    for reached, step in steps.items():
        step(ledger.parts.get(source_id, number))
        if reached is state:
            return


def test_a_source_goes_its_way_and_every_move_is_in_the_history(ledger: Ledger) -> None:
    """From claim to archive, each state once, in order, with the parts' moves between."""
    _claim(ledger, "s1")
    _plan(ledger, "s1")
    _take_to(ledger, "s1", 1, PartState.DELIVERED)
    assert ledger.sources.get("s1").state is SourceState.PLANNED
    _take_to(ledger, "s1", 2, PartState.READY)
    assert ledger.sources.get("s1").state is SourceState.READY
    with pytest.raises(IllegalMove):
        ledger.sources.finish_deliveries(["s1"])
    ledger.parts.finish_upload(ledger.parts.get("s1", 2))
    ledger.parts.begin_publishing(ledger.parts.get("s1", 2))
    ledger.parts.finish_publishing(ledger.parts.get("s1", 2))
    ledger.sources.finish_deliveries(["s1"])
    ledger.sources.finish_archives(["s1"])
    moves = [move.after for move in ledger.list_history(source_id="s1") if move.part is None]
    assert moves == ["claimed", "inspected", "planned", "ready", "delivered", "archived"]
    assert len(ledger.list_history(source_id="s1")) == len(moves) + 2 * 4
    assert ledger.count_sources() == {"archived": 1}


def test_an_illegal_move_changes_nothing_and_raises(ledger: Ledger) -> None:
    """Zero rows is an error, and the history has no line of it."""
    source = _claim(ledger, "s1")
    before = ledger.list_history()
    with pytest.raises(IllegalMove, match="claimed"):
        ledger.sources.finish_archives([source.id])
    with pytest.raises(IllegalMove):
        ledger.sources.finish_archives(["nobody"])
    assert ledger.list_history() == before
    assert ledger.sources.get("s1") == source


def test_publishing_is_begun_once(ledger: Ledger) -> None:
    """The second who wants to publish the same part finds it publishing already."""
    _claim(ledger, "s1")
    _plan(ledger, "s1", parts=1)
    _take_to(ledger, "s1", 1, PartState.UPLOADED)
    part = ledger.parts.get("s1", 1)
    ledger.parts.begin_publishing(part)
    with pytest.raises(IllegalMove):
        ledger.parts.begin_publishing(part)


def test_a_claim_is_intent_first(ledger: Ledger) -> None:
    """Between begin and finish it is listed, afterwards it is a source; finishing twice is an error."""
    claim = Claim(
        source_id="s1",
        feed="f",
        type=FeedType.PROFILE,
        destination="d",
        relative_path=b"\xff\x00name",
        device=1,
        inode=2,
        size=3,
        mtime_ns=2**60,
    )
    ledger.sources.begin_claims([claim])
    assert ledger.sources.list_claims() == [claim]
    source = ledger.sources.finish_claims([claim])[0]
    assert ledger.sources.list_claims() == []
    assert source.relative_path == claim.relative_path
    with pytest.raises(IllegalMove):
        ledger.sources.finish_claims([claim])


def test_a_claim_keeps_numbers_of_64_bits(ledger: Ledger) -> None:
    """Network file systems give inodes and devices beyond what a signed number holds; none may stop the others."""
    numbers = (0, 1, 2**63 - 1, 2**63, 2**64 - 1)
    claims = [
        Claim(
            source_id=f"s{place}",
            feed="f",
            type=FeedType.EVENT,
            destination="d",
            relative_path=b"a.csv",
            device=number,
            inode=number,
            size=1,
            mtime_ns=-(2**63),
            marker=f"{2**64 - 1}:{-(2**63)}",
        )
        for place, number in enumerate(numbers)
    ]
    ledger.sources.begin_claims(claims)
    assert sorted(ledger.sources.list_claims(), key=lambda claim: claim.inode) == claims


def test_claims_are_finished_all_or_none_in_their_order(ledger: Ledger) -> None:
    """One transaction: where an intent is missing none becomes a source; those that are forgotten are gone at once."""
    claims = [_make_claim(f"s{number}") for number in (3, 1, 2)]
    ledger.sources.begin_claims(claims)
    with pytest.raises(IllegalMove):
        ledger.sources.finish_claims([*claims, _make_claim("unknown")])
    assert ledger.count_sources() == {}
    assert [source.id for source in ledger.sources.finish_claims(claims[:2])] == ["s3", "s1"]
    ledger.sources.abandon_claims(claims)
    ledger.sources.abandon_claims([])
    assert ledger.sources.list_claims() == []
    assert ledger.count_sources() == {"claimed": 2}


def test_a_held_source_goes_back_to_where_it_safely_can(ledger: Ledger) -> None:
    """Nothing left: read again and parts forgotten. A manifest left: go on with the same parts."""
    _claim(ledger, "s1")
    _plan(ledger, "s1")
    ledger.sources.hold("s1", "why")
    assert ledger.sources.get("s1").reason == "why"
    assert ledger.sources.retry("s1", by="anna").state is SourceState.CLAIMED
    assert ledger.parts.list_of("s1") == []
    _claim(ledger, "s2")
    _plan(ledger, "s2")
    _take_to(ledger, "s2", 1, PartState.DELIVERED)
    ledger.sources.hold("s2", "why")
    released = ledger.sources.release("s2", by="anna")
    assert (released.state, released.released) == (SourceState.PLANNED, True)
    assert [part.state for part in ledger.parts.list_of("s2")] == [PartState.DELIVERED, PartState.PLANNED]
    assert ledger.list_history(source_id="s2")[-1].by == "anna"


def test_an_uncertain_part_waits_for_a_word_and_never_for_retry(ledger: Ledger) -> None:
    """``retry`` refuses; ``resolve`` takes it on, under a new name when it is sent again."""
    _claim(ledger, "s1")
    _plan(ledger, "s1", parts=1)
    _take_to(ledger, "s1", 1, PartState.PUBLISHING)
    ledger.parts.doubt(ledger.parts.get("s1", 1), "gone")
    ledger.sources.hold("s1", "uncertain")
    with pytest.raises(DecisionNeeded, match="resolve"):
        ledger.sources.retry("s1", by="anna")
    part = ledger.parts.get("s1", 1)
    ledger.parts.resend(part, data_name="n.csv", manifest_name="n.manifest", manifest=b"{ }", reason="said", by="anna")
    again = ledger.parts.get("s1", 1)
    assert (again.state, again.data_name) == (PartState.PLANNED, "n.csv")
    assert ledger.sources.get("s1").state is SourceState.PLANNED


def test_a_source_whose_last_open_part_was_resolved_is_delivered(ledger: Ledger) -> None:
    """By a person's word the source needs no more sending and comes to its end."""
    _claim(ledger, "s1")
    _plan(ledger, "s1", parts=1)
    _take_to(ledger, "s1", 1, PartState.PUBLISHING)
    ledger.parts.doubt(ledger.parts.get("s1", 1), "gone")
    ledger.sources.hold("s1", "uncertain")
    ledger.parts.resolve_delivered([ledger.parts.get("s1", 1)], by="anna")
    ledger.sources.finish_deliveries(["s1"])
    assert ledger.sources.get("s1").state is SourceState.DELIVERED
    with pytest.raises(ConfigurationError):
        ledger.sources.retry("s1", by="anna")


def test_a_source_that_is_given_up_stays_so_and_the_history_says_by_whom_and_why(ledger: Ledger) -> None:
    """Quarantined or held, once, with the person's name and reason; no word takes it back."""
    _claim(ledger, "s1")
    ledger.sources.quarantine("s1", "bad")
    assert ledger.discards.discard("s1", by="anna", reason="replaced") == "nothing of it was delivered"
    _claim(ledger, "s2")
    _plan(ledger, "s2", parts=3)
    _take_to(ledger, "s2", 1, PartState.DELIVERED)
    ledger.sources.hold("s2", "why")
    assert ledger.discards.discard("s2", by="anna") == "1 of its 3 parts was delivered before"
    assert ledger.count_sources() == {"discarded": 2}
    assert ledger.discards.count() == 2
    assert [source.id for source in ledger.sources.list_last(SourceState.DISCARDED, 9)] == ["s2", "s1"]
    first, second = (ledger.list_history(source_id=source_id)[-1] for source_id in ("s1", "s2"))
    assert (first.before, first.after, first.by) == ("quarantined", "discarded", "anna")
    assert first.reason == "given up by a person: replaced; nothing of it was delivered"
    assert (second.before, second.after) == ("held", "discarded")
    assert second.reason == "given up by a person; 1 of its 3 parts was delivered before"
    before = ledger.list_history()
    for decide in (ledger.sources.retry, ledger.sources.release, ledger.discards.discard):
        with pytest.raises(ConfigurationError, match="discarded"):
            decide("s1", by="anna")
    assert ledger.list_history() == before


@pytest.mark.parametrize("state", [SourceState.CLAIMED, SourceState.PLANNED, SourceState.READY])
def test_what_waits_can_be_given_up_while_a_run_is_at_it(ledger: Ledger, state: SourceState) -> None:
    """No part of it gets any further, whoever is at it, and what lies of it at the receiver is to be removed there."""
    _claim(ledger, "s1")
    if state is not SourceState.CLAIMED:
        _plan(ledger, "s1", parts=2)
    if state is SourceState.READY:
        _take_to(ledger, "s1", 1, PartState.UPLOADED)
        _take_to(ledger, "s1", 2, PartState.READY)
    parts = ledger.parts.list_of("s1")
    assert ledger.sources.get("s1").state is state
    assert not ledger.discards.has_any("purchases", "production", since=EARLIER)
    assert ledger.discards.discard("s1", by="anna", reason="an older version") == "nothing of it was delivered"
    assert ledger.sources.get("s1").state is SourceState.DISCARDED
    assert ledger.discards.has_any("purchases", "production", since=EARLIER)
    assert not ledger.discards.has_any("refunds", "production", since=EARLIER)
    assert ledger.list_history(source_id="s1")[-1].before == state
    for part in parts:
        with pytest.raises(LocalFault, match=f"part s1/{part.number}"):
            ledger.parts.begin_publishing(part)
    left = [leftover.data_name for leftover in ledger.leftovers.list_of("production")]
    assert left == ([part.data_name for part in parts] if state is SourceState.READY else [])


def test_only_what_is_fully_known_and_did_not_leave_can_be_given_up(ledger: Ledger) -> None:
    """In part delivered, delivered, uncertain, half published or unknown: one error, and nothing is changed."""
    for source_id in ("s2", "s3", "s4", "s5"):
        _claim(ledger, source_id)
    for source_id in ("s2", "s3", "s4", "s5"):
        _plan(ledger, source_id, parts=2 if source_id == "s5" else 1)
    _take_to(ledger, "s5", 1, PartState.DELIVERED)
    for source_id in ("s2", "s3", "s4"):
        _take_to(ledger, source_id, 1, PartState.DELIVERED if source_id == "s2" else PartState.PUBLISHING)
    ledger.sources.finish_deliveries(["s2"])
    ledger.parts.doubt(ledger.parts.get("s3", 1), "gone")
    ledger.sources.hold("s3", "uncertain")
    ledger.sources.hold("s4", "its settings changed")
    before = ledger.list_history()
    for source_id, why in {"s2": "delivered", "nobody": "unknown"}.items():
        with pytest.raises(ConfigurationError, match=why):
            ledger.discards.discard(source_id, by="anna")
    # As ``retry`` does: something else is to be decided first, and it is then right to say it.
    for source_id, why in {"s3": "resolve s3", "s4": "retry s4", "s5": "the rest is on its way"}.items():
        with pytest.raises(DecisionNeeded, match=why):
            ledger.discards.discard(source_id, by="anna")
    assert ledger.list_history() == before


def test_what_was_given_up_holds_up_nobody_and_counts_as_sent_where_it_was(ledger: Ledger) -> None:
    """It blocks no events, and is the same file as a later one only where a manifest of it has left."""
    _claim(ledger, "p1", type=FeedType.PROFILE)
    for source_id in ("e1", "e2"):
        _claim(ledger, source_id)
        _plan(ledger, source_id)
    _take_to(ledger, "e2", 1, PartState.DELIVERED)
    event, since = _claim(ledger, "e3"), datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    ledger.sources.quarantine("p1", "bad")
    for source_id in ("e1", "e2"):
        ledger.sources.hold(source_id, "why")
    assert [source.id for source in ledger.sources.list_pending_profiles("production")] == ["p1"]
    for source_id in ("p1", "e1", "e2"):
        ledger.discards.discard(source_id, by="anna")
    assert ledger.sources.list_pending_profiles("production") == []
    same = ledger.sources.find_same(event.feed, event.destination, "0" * 64, besides=event.id)
    assert same is not None
    assert same.id == "e2"
    assert [
        source.id for source in ledger.sources.list_sent(event.feed, event.destination, since=since, besides=event.id)
    ] == ["e2"]


def test_a_mere_copy_stands_for_nothing(ledger: Ledger) -> None:
    """What a claimed file holds is noted for people; a third file is never held as the copy of one that was held."""
    _claim(ledger, "s1")
    ledger.sources.note_content("s1", "1" * 64)
    ledger.sources.hold("s1", "its content was sent before")
    copy = ledger.sources.get("s1")
    assert (copy.sha256, copy.records) == ("1" * 64, None)
    assert ledger.sources.find_same(copy.feed, copy.destination, "1" * 64) is None


def test_names_are_unique_for_ever(ledger: Ledger) -> None:
    """A name in use cannot be given again: the key of the table refuses it, and nothing of the planning stays."""
    _claim(ledger, "s1")
    _plan(ledger, "s1", parts=1)
    _claim(ledger, "s2")
    ledger.sources.finish_inspection(
        "s2", InspectedFile(size=1, mtime_ns=1, sha256="1", records=1, header_bytes=b"h\n", earliest_ts=None)
    )
    taken = PlannedPart(start=0, end=1, records=1, data_name="s1_0.csv", manifest_name="other.manifest", manifest=b"{}")
    with pytest.raises(sa.exc.IntegrityError):
        ledger.sources.finish_planning("s2", [taken], plan_key="k")
    assert ledger.sources.get("s2").state is SourceState.INSPECTED
    assert [ledger.sources.take_sending("s2") for _ in range(3)] == [1, 2, 3]


def test_a_tick_is_taken_once(ledger: Ledger) -> None:
    """The same schedule and time: the second taker gets nothing."""
    due = datetime.datetime(2026, 1, 1, 2, tzinfo=datetime.UTC)
    assert ledger.runs.take_tick("0 2 * * *", due)
    assert not ledger.runs.take_tick("0 2 * * *", due)
    assert ledger.runs.get_last_tick("0 2 * * *") == due


def test_a_run_has_no_end_until_it_is_noted(ledger: Ledger) -> None:
    """Of those that began since then, the newest first; what a crash cut short stays without an end."""
    first, second = [ledger.runs.start("arrival") for _ in range(2)]
    third = ledger.runs.start("now", destination="production")
    ledger.runs.finish(second, verdict="done", delivered=1, not_delivered=0)
    ever = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    assert [run.number for run in ledger.runs.list_unfinished(since=ever)] == [third, first]
    assert [run.destination for run in ledger.runs.list_unfinished(since=ever)] == ["production", None]
    since = ledger.runs.list_last(1)[0].started_at
    assert [run.number for run in ledger.runs.list_unfinished(since=since)] == [third]
    assert ledger.runs.list_unfinished(since=since + datetime.timedelta(seconds=1)) == []


def test_pending_profiles_are_those_of_a_destination_that_are_not_delivered(ledger: Ledger) -> None:
    """Events, other destinations' and delivered ones do not count; those that wait for a person do."""
    for source_id in ("p1", "p2", "p3"):
        _claim(ledger, source_id, type=FeedType.PROFILE)
    _claim(ledger, "e1")
    _plan(ledger, "p2", parts=1)
    _take_to(ledger, "p2", 1, PartState.DELIVERED)
    ledger.sources.finish_deliveries(["p2"])
    ledger.sources.quarantine("p3", "bad")
    first, third = ledger.sources.list_pending_profiles("production")
    assert (first.id, first.name, first.state, first.released) == ("p1", r"a/b\xff\n.csv", SourceState.CLAIMED, False)
    assert (third.id, third.state) == ("p3", SourceState.QUARANTINED)
    assert first.number < third.number
    assert ledger.sources.list_pending_profiles("elsewhere") == []


def test_parts_of_many_sources_are_listed_by_their_source(ledger: Ledger) -> None:
    """Each source's parts in order, those of sources in other states left out."""
    for source_id in ("s2", "s1", "s3", "s4"):
        _claim(ledger, source_id)
    for source_id in ("s2", "s1", "s3"):
        _plan(ledger, source_id)
    ledger.sources.hold("s3", "why")
    found = ledger.parts.list_by_source({SourceState.CLAIMED, SourceState.PLANNED})
    assert {source: [part.number for part in parts] for source, parts in found.items()} == {"s1": [1, 2], "s2": [1, 2]}


def test_what_came_in_the_way_is_told_apart(ledger: Ledger) -> None:
    """Waits are no failures of a file; a failure counts once a run; a wish lasts until something comes in its way."""
    at = datetime.datetime(2026, 1, 1, 2, tzinfo=datetime.UTC)
    source = _claim(ledger, "s1")
    ledger.sources.note_wait("s1", "the receiver is away", retry_at=at)
    source = ledger.sources.get("s1")
    assert (source.attempts, source.failures, source.is_wanted) == (1, 0, False)
    ledger.sources.note_failure(source)
    ledger.sources.note_failure(source)
    source = ledger.sources.get("s1")
    assert (source.attempts, source.failures) == (1, 1)
    wanted = ledger.sources.retry("s1", by="anna")
    assert (wanted.attempts, wanted.failures, wanted.is_wanted, wanted.retry_at) == (0, 0, True, wanted.wanted_at)
    ledger.sources.note_failure(source)
    assert ledger.sources.get("s1").failures == 0
    ledger.sources.note_wait("s1", "the receiver is away", retry_at=at)
    source = ledger.sources.get("s1")
    assert (source.is_wanted, source.retry_at) == (False, at)


def test_what_the_daemon_does_anew_is_no_wish_of_a_person(ledger: Ledger) -> None:
    """A piece that is made again neither calls a source wanted nor wipes out what was counted."""
    _claim(ledger, "s1")
    _plan(ledger, "s1", parts=1)
    _take_to(ledger, "s1", 1, PartState.UPLOADED)
    ledger.sources.note_failure(ledger.sources.get("s1"))
    ledger.parts.prepare_again(ledger.parts.get("s1", 1), "its encrypted piece is gone")
    source = ledger.sources.get("s1")
    assert (source.state, source.is_wanted, source.failures) == (SourceState.PLANNED, False, 1)


def test_a_wish_from_before_it_had_a_column_is_kept(ledger: Ledger, ledger_engine: sa.Engine) -> None:
    """The migration finds what a person wanted tried when the daemon was stopped, and takes no wait for a wish."""
    for source_id in ("new", "waits", "wanted"):
        _claim(ledger, source_id)
    ledger.sources.note_wait("waits", "why", retry_at=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
    ledger.sources.retry("wanted", by="anna")
    with ledger_engine.begin() as connection:
        for table in (
            "leftover",
            "pause",
            "forgotten",
            "missing_file",
            "run_request",
            "delivered",
            "alert",
            "alert_message",
            "rows_given_up",
            "untaken",
        ):
            connection.execute(sa.text(f"DROP TABLE {table}"))
        for column in ("failures", "wanted_at", "lacks_configuration"):
            connection.execute(sa.text(f"ALTER TABLE source DROP COLUMN {column}"))
        connection.execute(sa.text("ALTER TABLE run DROP COLUMN destination"))
        for index in ("source_state_changed_at", "source_relative_path", "source_feed_destination_claimed_at"):
            connection.execute(sa.text(f"DROP INDEX ix_{index}"))
        for index in ("run_unfinished", "history_at_after_part", "part_delivered_at_size"):
            connection.execute(sa.text(f"DROP INDEX ix_{index}"))
        connection.execute(sa.text("CREATE INDEX ix_source_state ON source (state)"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0007'"))
    database._migrate(ledger_engine, Path())
    assert [ledger.sources.get(source_id).is_wanted for source_id in ("new", "waits", "wanted")] == [False, False, True]


def test_a_word_counts_on_what_is_true_when_it_is_spoken(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon holds a source while a person has it retried: it goes on from ``held``, and history says so."""
    _claim(ledger, "s1")
    intact = ledger.sources.get

    def get(source_id: str) -> Source:
        monkeypatch.undo()
        source = intact(source_id)
        ledger.sources.hold(source_id, "the daemon holds it now")
        return source

    monkeypatch.setattr(ledger.sources, "get", get)
    ledger.sources.retry("s1", by="anna")
    moves = [(move.before, move.after, move.by) for move in ledger.list_history(source_id="s1")]
    assert moves[1:] == [("claimed", "held", "daemon"), ("held", "claimed", "anna")]
    assert ledger.sources.get("s1").is_wanted


def test_data_that_loses_its_part_is_remembered(ledger: Ledger) -> None:
    """Read again, held and retried: what may have gone up under the old names is listed until it is forgotten."""
    for source_id in ("s1", "s2"):
        _claim(ledger, source_id)
        _plan(ledger, source_id, parts=3)
        _take_to(ledger, source_id, 1, PartState.UPLOADED)
        _take_to(ledger, source_id, 2, PartState.READY)
    ledger.sources.reclaim("s1", "it changed")
    ledger.sources.hold("s2", "why")
    ledger.sources.retry("s2", by="anna")
    found = ledger.leftovers.list_of("production")
    assert [left.data_name for left in found] == ["s1_0.csv", "s1_1.csv", "s2_0.csv", "s2_1.csv"]
    assert {left.source_id for left in found} == {"s1", "s2"}
    assert ledger.leftovers.list_of("elsewhere") == []
    ledger.leftovers.forget(found[0])
    ledger.leftovers.forget(found[0])
    assert ledger.leftovers.list_of("production") == found[1:]


def test_waits_are_noted_for_many_at_once(ledger: Ledger) -> None:
    """Each gets its own reason and one time; one that was set aside meanwhile keeps its own."""
    at = datetime.datetime(2026, 1, 1, 2, tzinfo=datetime.UTC)
    for source_id in ("s1", "s2", "s3"):
        _claim(ledger, source_id)
    ledger.sources.hold("s3", "why")
    ledger.sources.note_waits({"s1": "one", "s2": "two", "s3": "three"}, retry_at=at)
    ledger.sources.note_waits({}, retry_at=at)
    noted = [ledger.sources.get(source_id) for source_id in ("s1", "s2", "s3")]
    assert [(source.reason, source.retry_at) for source in noted] == [("one", at), ("two", at), ("why", None)]


def test_a_ledger_that_is_only_looked_at_is_as_it_was_written(ledger: Ledger, ledger_engine: sa.Engine) -> None:
    """One may look beside a daemon that has it open; a ledger of another version, and where none is, are none."""
    source = _claim(ledger, "s1")
    url, workspace = ledger_engine.url, Path(str(ledger_engine.url.database)).parent
    name = "sqlite" if url.drivername == "sqlite" else url.set(drivername="postgresql").render_as_string()
    with Ledger.open_for_reading(name, workspace) or pytest.fail("there is none") as looking:
        assert looking.sources.get("s1") == source
    for statement in ("UPDATE alembic_version SET version_num = '0001'", "DROP TABLE alembic_version"):
        with ledger_engine.begin() as connection:
            connection.execute(sa.text(statement))
        assert Ledger.open_for_reading(name, workspace) is None


def test_migrations_replayed_give_exactly_the_tables(ledger_engine: sa.Engine) -> None:
    """What Alembic built and what the code declares are the same."""
    with ledger_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.METADATA) == []


def test_every_state_can_be_reached_and_left_as_the_tables_say() -> None:
    """Each state but the first is some move's outcome, and each but the last ones has a way out."""
    assert {move.after for move in SOURCE_MOVES} == set(SourceState)
    assert {move.before for move in SOURCE_MOVES} == set(SourceState) - {SourceState.ARCHIVED, SourceState.DISCARDED}
    assert {move.after for move in PART_MOVES} == set(PartState)
    assert {move.before for move in PART_MOVES} == set(PartState) - {PartState.DELIVERED}


@pytest.mark.parametrize("table", ["source", "part"])
def test_the_database_itself_refuses_a_state_that_does_not_exist(ledger_engine: sa.Engine, table: str) -> None:
    """Even a hand in the database cannot write what the code does not know."""
    constraint = next(
        check for check in sa.inspect(ledger_engine).get_check_constraints(table) if "state" in str(check["sqltext"])
    )
    known = SourceState if table == "source" else PartState
    assert set(re.findall(r"'([a-z]+)'", str(constraint["sqltext"]))) == {state.value for state in known}


# Destinations that are left alone.


def test_a_destination_has_one_pause_until_it_is_forgotten(ledger: Ledger) -> None:
    """The last one noted counts, of each destination; forgetting may be repeated."""
    first, second, other = make_pause(), make_pause(failures=3), make_pause(destination="other")
    for pause in (first, other, second):
        ledger.pauses.note(pause)
    assert ledger.pauses.list_all() == [other, second]
    ledger.pauses.forget("production")
    ledger.pauses.forget("production")
    assert ledger.pauses.list_all() == [other]


def test_a_pause_that_is_cut_short_frees_what_waited_for_its_end(ledger: Ledger) -> None:
    """What waits for a time of its own, or for a person, goes on waiting."""
    pause, now = make_pause(), datetime.datetime(2026, 1, 1, 0, 0, 30, tzinfo=datetime.UTC)
    later = pause.until + datetime.timedelta(hours=1)
    for source_id, retry_at in (("paused", pause.until), ("own", later), ("held", pause.until)):
        _claim(ledger, source_id)
        ledger.sources.note_wait(source_id, "why", retry_at=retry_at)
    ledger.sources.hold("held", "a person must decide")
    before = ledger.sources.get("held")
    ledger.pauses.note(pause)
    ledger.pauses.cut_short(pause, now)
    assert ledger.pauses.list_all() == []
    assert [ledger.sources.get(source_id).retry_at for source_id in ("paused", "own")] == [now, later]
    assert ledger.sources.get("held") == before


# Several writes in one transaction.


def test_writes_together_are_one_transaction_and_a_refusal_undoes_its_own_alone(ledger: Ledger) -> None:
    """The second of three is no legal move: the others are done, and it left nothing behind."""
    for source_id in "abc":
        _claim(ledger, source_id)

    def move(source_id: str, *, twice: bool) -> str:
        ledger.sources.hold(source_id, "first")
        if twice:
            ledger.sources.hold(source_id, "second")
        return source_id

    outcomes = ledger.write_together(
        [functools.partial(move, source_id, twice=source_id == "b") for source_id in "abc"]
    )
    assert [outcomes[0], type(outcomes[1]), outcomes[2]] == ["a", IllegalMove, "c"]
    assert [ledger.sources.get(source_id).state for source_id in "abc"] == [
        SourceState.HELD,
        SourceState.CLAIMED,
        SourceState.HELD,
    ]
    assert [line.after for line in ledger.list_history(source_id="b")] == ["claimed"]


def test_a_write_sees_what_was_written_together_with_it(ledger: Ledger) -> None:
    """Of two files of the same content that are planned in one transaction, the second finds the first."""
    for source_id in "ab":
        _claim(ledger, source_id)

    def inspect(source_id: str) -> Source | None:
        _plan(ledger, source_id)
        return ledger.sources.find_same("purchases", "production", "0" * 64, besides=source_id)

    first, second = ledger.write_together([functools.partial(inspect, source_id) for source_id in "ab"])
    assert isinstance(second, Source)
    assert (first, second.id) == (None, "a")


def test_where_the_database_stands_in_the_way_nothing_of_them_is_changed(ledger: Ledger) -> None:
    """The disk is full at the second of two: the first is as it was, too."""
    _claim(ledger, "a")

    def fail() -> None:
        raise LocalFault("use", "the ledger", "disk full")

    with pytest.raises(LocalFault, match="disk full"):
        ledger.write_together([lambda: ledger.sources.hold("a", "why"), fail])
    assert ledger.sources.get("a").state is SourceState.CLAIMED


def test_of_several_that_are_finished_together_one_that_is_not_done_holds_up_no_other(ledger: Ledger) -> None:
    """Two of three are delivered, and counted once each, though all were tried together first."""
    for source_id in "abc":
        _claim(ledger, source_id)
        _plan(ledger, source_id, parts=1)
        _take_to(ledger, source_id, 1, PartState.PUBLISHING if source_id == "b" else PartState.DELIVERED)
    first, second, third = ledger.finish_deliveries(["a", "b", "c"])
    assert isinstance(second, IllegalMove)
    assert "1 of its parts are not delivered" in str(second)
    assert [source.state for source in (first, third) if isinstance(source, Source)] == [SourceState.DELIVERED] * 2
    assert ledger.sources.get("b").state is SourceState.READY
    assert [(sums.sources, sums.bytes) for sums in ledger.deliveries.list_all()] == [(2, 60)]
    assert [line.after for line in ledger.list_history(source_id="a")][-1] == "delivered"
    with pytest.raises(IllegalMove, match="it is delivered, so it cannot become delivered"):
        ledger.sources.finish_deliveries(["a", "c"])
    assert [(sums.sources, sums.bytes) for sums in ledger.deliveries.list_all()] == [(2, 60)]


def test_whatever_goes_wrong_with_one_of_several_the_others_are_finished(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a refusal, but a manifest that cannot be read: it is the outcome of that source alone."""
    for source_id in "abc":
        _claim(ledger, source_id)
        _plan(ledger, source_id, parts=1, plan_key=source_id)
        _take_to(ledger, source_id, 1, PartState.DELIVERED)
    real = read_declared

    def read(manifest: bytes, header_bytes: bytes) -> tuple[Declared, ...]:
        if len(manifest) > 2:
            raise ValueError("no manifest")
        return real(manifest, header_bytes)

    monkeypatch.setattr(properties, "read_declared", read)
    with ledger._database.write() as connection:
        connection.execute(sa.update(tables.PART).where(tables.PART.c.source_id == "b").values(manifest=b"{}{}"))
    outcomes = ledger.finish_deliveries(["a", "b", "c"])
    assert [type(outcome) for outcome in outcomes] == [Source, ValueError, Source]
    assert [ledger.sources.get(source_id).state.value for source_id in "abc"] == ["delivered", "ready", "delivered"]


def test_what_is_named_twice_is_moved_by_neither(ledger: Ledger) -> None:
    """It would be in the history twice."""
    _claim(ledger, "a")
    _plan(ledger, "a", parts=1)
    _take_to(ledger, "a", 1, PartState.DELIVERED)
    with pytest.raises(IllegalMove, match="2 sources: 1 of them became delivered"):
        ledger.sources.finish_deliveries(["a", "a"])
    assert ledger.sources.get("a").state is SourceState.READY


def test_what_was_delivered_is_waited_for_no_more(ledger: Ledger) -> None:
    """Whatever came in its way, or was asked for, before."""
    _claim(ledger, "a")
    _plan(ledger, "a", parts=1)
    _take_to(ledger, "a", 1, PartState.DELIVERED)
    ledger.sources.note_wait("a", "why", retry_at=datetime.datetime.now(datetime.UTC))
    ledger.sources.note_failure(ledger.sources.get("a"))
    ledger.sources.retry("a", by="anna")
    ledger.sources.note_failure(ledger.sources.get("a"))
    ledger.sources.finish_deliveries(["a"])
    source = ledger.sources.get("a")
    assert (source.attempts, source.failures, source.retry_at, source.wanted_at) == (0, 0, None, None)


def test_what_a_caller_believes_makes_no_move_legal(ledger: Ledger) -> None:
    """A delivered part is not sent again, though who asks for it knows that it is delivered."""
    _claim(ledger, "a")
    _plan(ledger, "a", parts=1)
    _take_to(ledger, "a", 1, PartState.DELIVERED)
    part = ledger.parts.get("a", 1)
    for move in (ledger.parts.begin_publishing, ledger.parts.finish_publishing, ledger.parts.finish_upload):
        with pytest.raises(IllegalMove, match="it is delivered"):
            move(part)
    with pytest.raises(IllegalMove, match="it is delivered"):
        ledger.parts.upload_again(part, "gone")
    assert ledger.parts.get("a", 1) == part


def test_of_several_of_one_content_the_first_is_named(ledger: Ledger) -> None:
    """A person looks at the original, not at another copy."""
    for source_id in "abc":
        _claim(ledger, source_id)
    for source_id in "ba":
        _plan(ledger, source_id)
    same = ledger.sources.find_same("purchases", "production", "0" * 64, besides="c")
    assert same is not None
    assert same.id == "a"


def test_a_file_that_cannot_be_read_is_no_fault_of_the_ledger(ledger: Ledger) -> None:
    """It is the outcome of its own write; the others take place."""
    _claim(ledger, "a")

    def fail() -> None:
        raise SourceFault("read", "a.csv", "input/output error")

    outcomes = ledger.write_together([lambda: ledger.sources.hold("a", "why"), fail])
    assert [type(outcome) for outcome in outcomes] == [type(None), SourceFault]
    assert ledger.sources.get("a").state is SourceState.HELD


def test_a_person_and_a_run_that_wait_for_each_other_both_go_on(postgresql_url: str, tmp_path: Path) -> None:
    """The database undoes one of them for the sake of the other, and that is done again: nobody is told of a fault."""
    with Ledger.open(make_postgresql(postgresql_url, "deadlock"), tmp_path) as ledger:
        _claim(ledger, "s1")
        _plan(ledger, "s1", parts=2)
        for number in (1, 2):
            _take_to(ledger, "s1", number, PartState.READY)
        second, first = (ledger.parts.get("s1", number) for number in (2, 1))
        has_begun, tries = threading.Event(), []

        def wait_for_the_other() -> None:
            tries.append(1)
            has_begun.set()
            engine = sa.create_engine(ledger._engine.url)
            try:
                while len(tries) == 1 and not _has_waiting(engine):
                    pass
            finally:
                engine.dispose()

        # The run has the second part, and wants the first; the person has the first, and wants the second.
        writes = [
            lambda: ledger.parts.finish_upload(second),
            wait_for_the_other,
            lambda: ledger.parts.finish_upload(first),
        ]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            run = pool.submit(ledger.write_together, writes)
            assert has_begun.wait(30)
            person = pool.submit(ledger.discards.discard, "s1", by="anna")
            assert person.result(30) == "nothing of it was delivered"
            outcomes = run.result(30)
        assert ledger.sources.get("s1").state is SourceState.DISCARDED
        assert all(outcome is None or isinstance(outcome, Part | IllegalMove) for outcome in outcomes), outcomes
        assert len(ledger.leftovers.list_of("production")) == 2


def _has_waiting(engine: sa.Engine) -> bool:
    """Return whether somebody waits for a lock of somebody else."""
    with engine.connect() as connection:
        query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(connection.scalar(query))
