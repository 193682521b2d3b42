"""A ledger that an earlier version made is brought to the newest schema, and nothing in it is lost or changed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.ledger import database
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.pause_kinds import PauseKind
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.ledger.states import SourceState

AT = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - as the tables store it, in UTC
_SOURCE: Mapping[str, Any] = {
    "feed": "purchases",
    "type": "event",
    "destination": "production",
    "relative_path": b"a/b\xff.csv",
    "claimed_at": AT,
    "changed_at": AT,
    "size": 2**40,
    "mtime_ns": 2**60,
    "sha256": "0" * 64,
    "header_bytes": b"h\n",
    "reason": "why",
}
_PART: Mapping[str, Any] = {
    "number": 1,
    "of": 1,
    "state": "planned",
    "start": 0,
    "end": 9,
    "records": 1,
    "data_name": "d.csv",
    "manifest_name": "d.manifest",
    "manifest": b"{}",
}


@pytest.fixture
def old(ledger_url: str, tmp_path: Path) -> Iterator[sa.Engine]:
    """A ledger as it was before sources could be discarded: one quarantined, one held with a part and its history."""
    engine = _open(ledger_url, tmp_path)
    with engine.begin() as connection:
        _upgrade(connection, "0004")
        _insert(connection, "source", [{**_SOURCE, "number": 3, "id": "s3", "state": "quarantined"}])
        _insert(connection, "source", [{**_SOURCE, "number": 7, "id": "s7", "state": "held"}])
        _insert(connection, "part", [{**_PART, "source_id": "s7"}])
        moves = [("s3", "claimed", "quarantined"), ("s7", "planned", "held")]
        _insert(
            connection,
            "history",
            [
                {"number": number, "at": AT, "source_id": id_, "before": before, "after": after, "by": "daemon"}
                for number, (id_, before, after) in enumerate(moves, start=1)
            ],
        )
        if ledger_url != "sqlite":
            connection.execute(sa.text("SELECT setval('source_number_seq', 7), setval('history_number_seq', 2)"))
    yield engine
    engine.dispose()


def _open(ledger_url: str, tmp_path: Path) -> sa.Engine:
    if ledger_url == "sqlite":
        return database._open_sqlite(tmp_path / database.LEDGER_FILE)
    return database._open_postgresql(ledger_url, timeout_seconds=database.BUSY_TIMEOUT_SECONDS)


def _upgrade(connection: sa.Connection, revision: str) -> None:
    settings = Config()
    settings.set_main_option("script_location", str(database._MIGRATIONS))
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


def _insert(connection: sa.Connection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(sa.insert(sa.Table(name, sa.MetaData(), autoload_with=connection)), [dict(row) for row in rows])


def _read(engine: sa.Engine) -> dict[str, list[dict[str, Any]]]:
    with engine.connect() as connection:
        tables = sa.MetaData()
        tables.reflect(connection, only=["source", "part", "history"])
        return {
            name: [dict(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
            for name, table in tables.tables.items()
        }


def _claim(ledger: Ledger, source_id: str) -> int:
    claim = Claim(
        source_id=source_id,
        feed="purchases",
        type=FeedType.EVENT,
        destination="production",
        relative_path=b"a.csv",
        device=1,
        inode=2,
        size=3,
        mtime_ns=4,
    )
    ledger.sources.begin_claims([claim])
    return ledger.sources.finish_claims([claim])[0].number


def test_a_ledger_of_before_keeps_every_row_and_its_sources_can_be_discarded(
    old: sa.Engine, ledger_url: str, tmp_path: Path
) -> None:
    """Sources, parts and history stay as they were, numbers go on, and what was set aside can be given up."""
    before = _read(old)
    with Ledger.open(ledger_url, tmp_path) as ledger:
        for source in before["source"]:
            source.update(failures=0, wanted_at=None, lacks_configuration=False)
        assert _read(old) == before
        assert _claim(ledger, "s8") == 8
        for source_id in ("s3", "s7"):
            ledger.discards.discard(source_id, by="anna")
            assert ledger.sources.get(source_id).state is SourceState.DISCARDED
        assert [len(ledger.list_history(source_id=source_id)) for source_id in ("s3", "s7")] == [2, 2]


def test_what_was_delivered_before_is_in_the_sums(ledger_url: str, tmp_path: Path) -> None:
    """By feed and destination: files, bytes, rows and the last, of what is delivered or archived and nothing else."""
    hour = datetime.timedelta(hours=1)
    sources: list[dict[str, Any]] = [
        {"state": "archived", "size": 2**40, "records": 2**33, "changed_at": AT + 2 * hour},
        {"state": "delivered", "size": 5, "records": 7, "changed_at": AT + hour},
        # Of one that was delivered by a version that did not count them.
        {"state": "archived", "size": 1, "records": None},
        {"state": "archived", "size": 11, "records": 13, "destination": "other"},
        {"state": "delivered", "size": 17, "records": 19, "feed": "customers", "type": "profile"},
        *({"state": state, "size": 100, "records": 100} for state in ("planned", "ready", "held", "discarded")),
        {"state": "quarantined", "size": 100, "records": None, "feed": "nothing_yet"},
    ]
    engine = _open(ledger_url, tmp_path)
    with engine.begin() as connection:
        _upgrade(connection, "0014")
        rows = [{**_SOURCE, "number": number, "id": f"s{number}", **one} for number, one in enumerate(sources, start=1)]
        _insert(connection, "source", rows)
    engine.dispose()
    with Ledger.open(ledger_url, tmp_path) as ledger:
        found = {(one.feed, one.destination): one for one in ledger.deliveries.list_all()}
    assert {key: (one.sources, one.bytes, one.records, one.last_at) for key, one in found.items()} == {
        ("purchases", "production"): (3, 2**40 + 6, 2**33 + 7, (AT + 2 * hour).replace(tzinfo=datetime.UTC)),
        ("purchases", "other"): (1, 11, 13, AT.replace(tzinfo=datetime.UTC)),
        ("customers", "production"): (1, 17, 19, AT.replace(tzinfo=datetime.UTC)),
    }


def test_what_was_left_alone_before_is_known_by_whether_it_let_us_in(ledger_url: str, tmp_path: Path) -> None:
    """One that refused us needs a person; of one that failed otherwise nobody says so until it is tried again."""
    engine = _open(ledger_url, tmp_path)
    with engine.begin() as connection:
        _upgrade(connection, "0017")
        pause = {"failures": 3, "since": AT, "until": AT, "reason": "why", "signature": ""}
        rows = [{**pause, "destination": name, "refusals": refusals} for name, refusals in (("away", 0), ("shut", 3))]
        _insert(connection, "pause", rows)
    engine.dispose()
    with Ledger.open(ledger_url, tmp_path) as ledger:
        kinds = {pause.destination: pause.kind for pause in ledger.pauses.list_all()}
    assert kinds == {"away": PauseKind.OTHER, "shut": PauseKind.SESSION}


@pytest.mark.usefixtures("old")
def test_a_migrated_ledger_is_as_strict_as_a_new_one(ledger_url: str, tmp_path: Path) -> None:
    """No part without a source, no unknown state, no number given twice: on the connection that migrated, too."""
    engine = database.open_database(ledger_url, tmp_path)
    columns = "number, \"of\", state, start, \"end\", records, 'x', 'y', manifest, size, delivered_at"
    for statement in (
        f"INSERT INTO part SELECT 'nobody', {columns} FROM part",  # noqa: S608 - no input in it
        "UPDATE source SET state = 'lost'",
    ):
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.execute(sa.text(statement))
    ledger = Ledger(engine)
    assert _claim(ledger, "s8") == 8
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM history WHERE source_id = 's8'"))
        connection.execute(sa.text("DELETE FROM source WHERE id = 's8'"))
    assert _claim(ledger, "s9") == 9
    ledger.close()


def test_a_migrations_file_begins_with_its_revision() -> None:
    """So the newest is known without reading them: the names say what the library finds in the files, in its order."""
    scripts = ScriptDirectory(str(database._MIGRATIONS)).walk_revisions()
    assert database._list_revisions() == [script.revision for script in scripts][::-1]
