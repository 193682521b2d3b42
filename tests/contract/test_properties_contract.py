"""What every ledger's register of properties must do, whatever database it lies in."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig

from sftp_orchestrator.destination.clevertap import DataType, FeedType
from sftp_orchestrator.destination.declared import Declared
from sftp_orchestrator.errors import DecisionNeeded
from sftp_orchestrator.ledger import database, moves
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.moves import IllegalMove
from sftp_orchestrator.ledger.records import Claim, InspectedFile, PlannedPart, Property
from sftp_orchestrator.ledger.states import PartState, SourceState
from sftp_orchestrator.ledger.transactions import Transactions

DEADLINE_SECONDS = 60
FLOAT, STRING = {"amount": "FLOAT"}, {"amount": "STRING"}
AMOUNT_STRING = Declared(name="Amount", type=DataType.STRING, date_format=None, column="amount")


def _plan(
    ledger: Ledger,
    source_id: str,
    types: Mapping[str, str],
    *,
    plan_key: str | None = None,
    title: str | None = None,
    **changes: Any,
) -> None:
    """Take a source of two parts to ``planned``: columns mapped to properties of these types, and an unmapped one.

    ``title`` is what all of them become in place of their own names.
    """
    claim = {
        "feed": "purchases",
        "type": FeedType.EVENT,
        "destination": "production",
        "relative_path": f"{source_id}.csv".encode(),
        "device": 1,
        "inode": 2,
        "size": 3,
        "mtime_ns": 4,
        **changes,
    }
    made = Claim(source_id=source_id, **claim)
    ledger.sources.begin_claims([made])
    ledger.sources.finish_claims([made])
    header = ",".join(["user_id", *types, "note"]).encode() + b"\n"
    found = InspectedFile(size=3, mtime_ns=4, sha256=source_id, records=2, header_bytes=header, earliest_ts=None)
    ledger.sources.finish_inspection(source_id, found)
    mapped = {name: {"ctName": title or name.title(), "dataType": type_} for name, type_ in types.items()}
    columns = {"user_id": {"ctName": "identity", "dataType": "STRING"}, **mapped}
    parts = [
        PlannedPart(
            start=number,
            end=number + 1,
            records=1,
            data_name=f"{source_id}_{number}.csv",
            manifest_name=f"{source_id}_{number}.manifest",
            manifest=json.dumps({"fileName": f"{source_id}_{number}.csv", "columns": columns}).encode(),
        )
        for number in range(2)
    ]
    ledger.sources.finish_planning(source_id, parts, plan_key=plan_key or json.dumps(types))


def _send_part(ledger: Ledger, source_id: str, number: int) -> None:
    part = ledger.parts.get(source_id, number)
    ledger.parts.finish_preparation(part, size=9)
    ledger.parts.finish_upload(part)
    ledger.parts.begin_publishing(part)
    ledger.parts.finish_publishing(part)


def _deliver(ledger: Ledger, source_id: str, types: Mapping[str, str], **changes: Any) -> None:
    _plan(ledger, source_id, types, **changes)
    for number in (1, 2):
        _send_part(ledger, source_id, number)
    ledger.sources.finish_deliveries([source_id])


def _tell(properties: list[Property]) -> list[tuple[str, str, str]]:
    return [(known.name, known.type.value, known.source_id) for known in properties]


def test_a_delivery_fills_the_register_and_changes_nothing_that_is_known(ledger: Ledger) -> None:
    """What is new is added with its place and time; a type that was there stays, whatever comes later."""
    _plan(ledger, "s0", FLOAT)
    assert ledger.properties.list_all() == []
    _deliver(ledger, "s1", {**FLOAT, "day": "DATE"})
    _deliver(ledger, "s2", {**STRING, "count": "LONG"})
    assert _tell(ledger.properties.list_all()) == [
        ("Amount", "FLOAT", "s1"),
        ("Count", "LONG", "s2"),
        ("Day", "DATE", "s1"),
        ("note", "STRING", "s1"),
    ]
    first = ledger.properties.list_all()[0]
    assert (first.column, first.feed, first.file, first.accepted_by) == ("amount", "purchases", "s1.csv", None)
    assert first.since == ledger.sources.get("s1").changed_at


def test_of_several_that_are_delivered_together_each_adds_what_only_it_brings(ledger: Ledger) -> None:
    """Header, mapping and destination each make a source unlike the others; what is alike is read once."""
    brought: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
        "s1": (FLOAT, {}),
        "s2": (FLOAT, {}),
        "s3": ({**FLOAT, "count": "LONG"}, {}),
        "s4": (FLOAT, {"destination": "elsewhere"}),
        "s5": (FLOAT, {"type": FeedType.PROFILE, "feed": "customers"}),
    }
    for source_id, (types, changes) in brought.items():
        _plan(ledger, source_id, types, plan_key="the same", **changes)
    _plan(ledger, "s6", {"amount": "FLOAT"}, plan_key="another", title="Sum")
    for source_id in (*brought, "s6"):
        for number in (1, 2):
            _send_part(ledger, source_id, number)
    ledger.sources.finish_deliveries([*brought, "s6"])
    known = ledger.properties.list_all()
    told = {(one.destination, one.kind.value, one.name, one.source_id) for one in known}
    assert told >= {
        ("production", "event", "Amount", "s1"),
        ("production", "event", "note", "s1"),
        ("production", "event", "Count", "s3"),
        ("elsewhere", "event", "Amount", "s4"),
        ("production", "profile", "Amount", "s5"),
        ("production", "event", "Sum", "s6"),
    }
    assert not [one for one in known if one.source_id == "s2"]


def test_destinations_and_kinds_have_each_their_own(ledger: Ledger) -> None:
    """The same name may have another type elsewhere, and for profiles; each can be asked for alone."""
    _deliver(ledger, "s1", FLOAT)
    _deliver(ledger, "s2", STRING, type=FeedType.PROFILE)
    _deliver(ledger, "s3", {"amount": "LONG"}, destination="elsewhere")
    told = [(known.destination, known.kind.value, known.type.value) for known in ledger.properties.list_all()]
    assert told == [
        ("elsewhere", "event", "LONG"),
        ("elsewhere", "event", "STRING"),
        ("production", "event", "FLOAT"),
        ("production", "event", "STRING"),
        ("production", "profile", "STRING"),
        ("production", "profile", "STRING"),
    ]
    found = ledger.properties.list_all(destination="production", kind=FeedType.EVENT)
    assert _tell(found) == [("Amount", "FLOAT", "s1"), ("note", "STRING", "s1")]
    assert ledger.properties.list_all(destination="nowhere") == []


def test_a_delivery_that_does_not_take_place_registers_nothing(ledger: Ledger) -> None:
    """Register and move are one transaction."""
    _plan(ledger, "s1", FLOAT)
    _send_part(ledger, "s1", 1)
    with pytest.raises(IllegalMove):
        ledger.sources.finish_deliveries(["s1"])
    assert ledger.properties.list_all() == []


def test_what_is_on_its_way_is_told_by_the_first_that_brings_it(ledger: Ledger) -> None:
    """Planned, ready, and held with parts count; delivered, other kinds, the asker, and held without parts do not."""
    _deliver(ledger, "s1", {"done": "LONG"})
    _plan(ledger, "s2", STRING, type=FeedType.PROFILE)
    _plan(ledger, "s3", STRING)
    ledger.sources.reclaim("s3", "read again")
    ledger.sources.hold("s3", "held before it was planned again")
    _plan(ledger, "s4", STRING)
    _plan(ledger, "s5", STRING)
    _plan(ledger, "s6", {**FLOAT, "count": "LONG"})
    ledger.sources.hold("s6", "uncertain, say")
    found = ledger.properties.list_on_their_way("production", FeedType.EVENT)
    assert _tell(found) == [("Amount", "STRING", "s4"), ("note", "STRING", "s4"), ("Count", "LONG", "s6")]
    assert {known.is_on_its_way for known in found} == {True}
    ledger.sources.reclaim("s4", "read again")
    found = ledger.properties.list_on_their_way("production", FeedType.EVENT, besides="s5")
    assert _tell(found) == [("Amount", "FLOAT", "s6"), ("Count", "LONG", "s6"), ("note", "STRING", "s6")]


def test_types_are_accepted_in_one_move_by_a_person(ledger: Ledger) -> None:
    """The type is replaced or added with who said so, the rest stays, and the source is claimed again."""
    _deliver(ledger, "s1", FLOAT)
    _plan(ledger, "s2", STRING)
    ledger.sources.reclaim("s2", "read again")
    ledger.sources.hold("s2", "contradicts")
    new = Declared(name="New", type=DataType.DATE, date_format="UNIX", column="new")
    source = ledger.sources.accept_types("s2", [AMOUNT_STRING, new], reason="said so", by="anna")
    assert (source.state, source.is_wanted, source.released) == (SourceState.CLAIMED, True, False)
    amount, added, note = ledger.properties.list_all()
    assert (amount.type, amount.source_id, amount.accepted_by) == (DataType.STRING, "s2", "anna")
    assert (added.name, added.date_format, added.accepted_by) == ("New", "UNIX", "anna")
    assert (note.source_id, note.accepted_by) == ("s1", None)
    last = ledger.list_history(source_id="s2")[-1]
    assert (last.before, last.after, last.reason, last.by) == ("held", "claimed", "said so", "anna")


def test_accepting_takes_back_what_contradicts_and_has_not_left(ledger: Ledger) -> None:
    """Planned or ready with other types: read again. Left in part, released, or of the same types: it goes on."""
    for source_id, types in (("same", STRING), ("other", FLOAT), ("left", FLOAT), ("released", FLOAT)):
        _plan(ledger, source_id, types)
    _send_part(ledger, "left", 1)
    ledger.sources.release("released", by="bob")
    _plan(ledger, "s1", STRING)
    ledger.sources.reclaim("s1", "read again")
    ledger.sources.hold("s1", "contradicts")
    ledger.sources.accept_types("s1", [AMOUNT_STRING], reason="said so", by="anna")
    states = {name: ledger.sources.get(name).state.value for name in ("same", "other", "left", "released")}
    assert states == {"same": "planned", "other": "claimed", "left": "planned", "released": "planned"}
    assert (ledger.parts.list_of("other"), ledger.sources.get("other").is_wanted) == ([], True)
    last = ledger.list_history(source_id="other")[-1]
    assert (last.by, "s1" in str(last.reason)) == ("anna", True)


def test_a_manifest_that_is_leaving_is_waited_for(ledger: Ledger, ledger_engine: sa.Engine) -> None:
    """Of two processes at once the second sees what the first did: what has begun to leave is never forgotten."""
    _plan(ledger, "other", FLOAT)
    part = ledger.parts.get("other", 1)
    ledger.parts.finish_preparation(part, size=9)
    ledger.parts.finish_upload(part)
    _plan(ledger, "s1", STRING)
    ledger.sources.reclaim("s1", "read again")
    ledger.sources.hold("s1", "contradicts")
    now = datetime.datetime.now(datetime.UTC)
    with ThreadPoolExecutor(max_workers=1) as pool:
        with Transactions(ledger_engine).write() as connection:
            moves.move_part(connection, "other", 1, PartState.PUBLISHING, now=now)
            accepting = pool.submit(
                lambda: ledger.sources.accept_types("s1", [AMOUNT_STRING], reason="said so", by="anna")
            )
            _wait_until_it_waits(ledger_engine)
        accepting.result(timeout=DEADLINE_SECONDS)
    assert ledger.sources.get("other").state is SourceState.PLANNED
    assert [found.state.value for found in ledger.parts.list_of("other")] == ["publishing", "planned"]


def _wait_until_it_waits(engine: sa.Engine) -> None:
    """Return once another connection waits for a lock of ours; in SQLite it does so from its first word."""
    if engine.dialect.name == "sqlite":
        return
    waiting = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = 'ledger' AND wait_event_type = 'Lock'")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
    pytest.fail("nobody waits")


def test_types_of_what_is_uncertain_or_not_held_are_not_accepted(ledger: Ledger) -> None:
    """``resolve`` comes first; and where the move does not exist, the register stays as it was."""
    _plan(ledger, "s1", STRING)
    part = ledger.parts.get("s1", 1)
    ledger.parts.finish_preparation(part, size=9)
    ledger.parts.finish_upload(part)
    ledger.parts.begin_publishing(part)
    ledger.parts.doubt(part, "gone")
    ledger.sources.hold("s1", "uncertain")
    with pytest.raises(DecisionNeeded, match="resolve"):
        ledger.sources.accept_types("s1", [AMOUNT_STRING], reason="said so", by="anna")
    assert ledger.properties.list_all() == []
    assert ledger.parts.get("s1", 1).state is PartState.UNCERTAIN


def test_a_ledger_from_before_the_register_has_it_filled(ledger: Ledger, ledger_engine: sa.Engine) -> None:
    """The migration registers what was delivered, the first delivery first; what is only planned is left out."""
    _deliver(ledger, "s1", FLOAT)
    _deliver(ledger, "s2", {**STRING, "count": "LONG"})
    ledger.sources.finish_archives(["s2"])
    _deliver(ledger, "s3", FLOAT, type=FeedType.PROFILE)
    _plan(ledger, "s4", {"planned": "DATE"})
    delivered_at = ledger.parts.get("s1", 1).delivered_at
    with ledger_engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE property"))
        _migrate(connection, "0003", "0004")
    assert [(known.kind.value, *told) for known, told in _zip(ledger.properties.list_all())] == [
        ("event", "Amount", "FLOAT", "s1"),
        ("event", "Count", "LONG", "s2"),
        ("event", "note", "STRING", "s1"),
        ("profile", "Amount", "FLOAT", "s3"),
        ("profile", "note", "STRING", "s3"),
    ]
    assert ledger.properties.list_all()[0].since == delivered_at


def _migrate(connection: sa.Connection, before: str, after: str) -> None:
    """Take one step of the migrations, whatever came later."""
    newest = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(database._MIGRATIONS))
    settings.attributes["connection"] = connection
    connection.execute(sa.text("UPDATE alembic_version SET version_num = :at"), {"at": before})
    command.upgrade(settings, after)
    connection.execute(sa.text("UPDATE alembic_version SET version_num = :at"), {"at": newest})


def _zip(properties: list[Property]) -> list[tuple[Property, tuple[str, str, str]]]:
    return list(zip(properties, _tell(properties), strict=True))


def test_what_was_delivered_of_a_source_that_is_given_up_is_registered(ledger: Ledger) -> None:
    """The receiver has the properties of each part that it took, and none of a source of which it took nothing."""
    _plan(ledger, "s1", FLOAT)
    _plan(ledger, "s2", {"count": "LONG"})
    _send_part(ledger, "s1", 1)
    for source_id in ("s1", "s2"):
        ledger.sources.hold(source_id, "why")
        ledger.discards.discard(source_id, by="anna")
    assert _tell(ledger.properties.list_all()) == [("Amount", "FLOAT", "s1"), ("note", "STRING", "s1")]
