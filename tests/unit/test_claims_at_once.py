"""Thousands of claims: the ledger is asked for many at a time, so that neither a stop nor a start takes minutes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.intake.claiming import CLAIMS_AT_ONCE
from sftp_orchestrator.intake.intake import Intake
from sftp_orchestrator.intake.supervision import Supervision
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim
from sftp_orchestrator.ledger.states import SourceState
from tests.support import intakes
from tests.support.intakes import CONTENT, Place, and_then


def test_a_stop_forgets_what_was_not_begun_in_one_go(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files are complete, what is left of them costs one transaction: a stop is a matter of seconds."""
    for number in range(300):
        place.drop(f"purchases_{number:03}.csv")
    stop = threading.Event()
    with place.open_ledger() as ledger:
        intake = Intake(place.configuration, place.workspace, ledger, Supervision(stop=stop))
        monkeypatch.setattr(os, "rename", and_then(os.rename, stop.set))
        with _count_transactions(ledger) as transactions:
            assert [source.name for source in intakes.scan(intake)] == ["purchases_000.csv"]
    assert len(transactions) == 3  # the intents, the one that became ours, the others
    place.check(CONTENT)
    assert len(place.list_staged()) == 299


def test_claims_are_concluded_together(place: Place) -> None:
    """Thousands of small files do not cost the ledger a transaction each, and keep their order."""
    names = [f"purchases_{number:03}.csv" for number in range(300)]
    for name in names:
        place.drop(name)
    with place.open_ledger() as ledger:
        intake = Intake(place.configuration, place.workspace, ledger)
        with _count_transactions(ledger) as transactions:
            assert [source.name for source in intakes.scan(intake)] == names
        assert [source.name for source in ledger.sources.list_in({SourceState.CLAIMED})] == names
    assert len(transactions) < 20


def test_half_done_claims_by_the_thousand_are_recovered_in_batches(place: Place) -> None:
    """A start is not held up by a transaction for each: systemd gives it 90 seconds."""
    claims = [_make_claim(f"s{number}", f"purchases_{number:04}.csv") for number in range(2000)]
    ours = place.workspace.get_source("s7")
    ours.parent.mkdir()
    ours.write_bytes(CONTENT)
    with place.open_ledger() as ledger:
        ledger.sources.begin_claims(claims)
        intake = Intake(place.configuration, place.workspace, ledger)
        with _count_transactions(ledger) as transactions:
            assert [source.id for source in intake.recover()] == ["s7"]
    assert len(transactions) <= 2000 / CLAIMS_AT_ONCE + 1
    place.check(CONTENT)


def test_a_stop_comes_between_two_batches_of_a_recovery(place: Place) -> None:
    """What is left stays as it is, for the next start."""
    claims = [_make_claim("s1", "purchases.csv")]
    stop = threading.Event()
    stop.set()
    with place.open_ledger() as ledger:
        ledger.sources.begin_claims(claims)
        assert Intake(place.configuration, place.workspace, ledger, Supervision(stop=stop)).recover() == []
        assert ledger.sources.list_claims() == claims


def _make_claim(source_id: str, name: str) -> Claim:
    return Claim(
        source_id=source_id,
        feed="purchases",
        type=FeedType.EVENT,
        destination="production",
        relative_path=name.encode(),
        device=1,
        inode=1,
        size=len(CONTENT),
        mtime_ns=1,
    )


@contextlib.contextmanager
def _count_transactions(ledger: Ledger) -> Iterator[list[None]]:
    """Yield a list with an entry for each transaction that writes, and is committed."""
    found: list[None] = []

    def note(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("read_only"):
            found.append(None)

    sa.event.listen(ledger._engine, "commit", note)
    try:
        yield found
    finally:
        sa.event.remove(ledger._engine, "commit", note)
