"""What every ledger must do, whatever database it lies in."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.errors import ConfigurationError, DecisionNeeded
from sftp_orchestrator.ledger import tables
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Source
from sftp_orchestrator.ledger.states import PART_MOVES, SOURCE_MOVES, PartState, SourceState


def _claim(ledger: Ledger, source_id: str, *, type: FeedType = FeedType.EVENT) -> Source:  # noqa: A002 - the field's name
    claim = Claim(
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
    ledger.sources.begin_claims([claim])
    return ledger.sources.finish_claim(claim)


def _plan(ledger: Ledger, source_id: str, parts: int = 2) -> None:
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
        plan_key="k",
    )


def _take_to(ledger: Ledger, source_id: str, number: int, state: PartState) -> None:
    steps = {
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
        ledger.sources.finish_delivery("s1")
    ledger.parts.finish_upload(ledger.parts.get("s1", 2))
    ledger.parts.begin_publishing(ledger.parts.get("s1", 2))
    ledger.parts.finish_publishing(ledger.parts.get("s1", 2))
    ledger.sources.finish_delivery("s1")
    ledger.sources.finish_archive("s1")
    moves = [move.after for move in ledger.list_history(source_id="s1") if move.part is None]
    assert moves == ["claimed", "inspected", "planned", "ready", "delivered", "archived"]
    assert len(ledger.list_history(source_id="s1")) == len(moves) + 2 * 4
    assert ledger.count_sources() == {"archived": 1}


def test_an_illegal_move_changes_nothing_and_raises(ledger: Ledger) -> None:
    """Zero rows is an error, and the history has no line of it."""
    source = _claim(ledger, "s1")
    before = ledger.list_history()
    with pytest.raises(IllegalMove, match="claimed"):
        ledger.sources.finish_archive(source.id)
    with pytest.raises(IllegalMove):
        ledger.sources.finish_archive("nobody")
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
    source = ledger.sources.finish_claim(claim)
    assert ledger.sources.list_claims() == []
    assert source.relative_path == claim.relative_path
    with pytest.raises(IllegalMove):
        ledger.sources.finish_claim(claim)


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
    ledger.sources.finish_delivery("s1")
    assert ledger.sources.get("s1").state is SourceState.DELIVERED
    with pytest.raises(ConfigurationError):
        ledger.sources.retry("s1", by="anna")


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


def test_blocking_profiles_are_those_claimed_before_and_not_delivered(ledger: Ledger) -> None:
    """Later ones, other destinations' and delivered ones do not count."""
    _claim(ledger, "p1", type=FeedType.PROFILE)
    event = _claim(ledger, "e1")
    _claim(ledger, "p2", type=FeedType.PROFILE)
    found = ledger.sources.list_blocking_profiles("production", before=event.number)
    assert [source.id for source in found] == ["p1"]
    assert ledger.sources.list_blocking_profiles("elsewhere", before=event.number) == []
    ledger.sources.quarantine("p1", "bad")
    found = ledger.sources.list_blocking_profiles("production", before=event.number)
    assert [source.state for source in found] == [SourceState.QUARANTINED]


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
    """Each state but the first is some move's outcome, and each but the last has a way out."""
    assert {move.after for move in SOURCE_MOVES} == set(SourceState)
    assert {move.before for move in SOURCE_MOVES} == set(SourceState) - {SourceState.ARCHIVED}
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
