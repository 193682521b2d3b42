"""When a run waits for files that are not complete yet, and for how long at most."""

from __future__ import annotations

import pytest

from sftp_orchestrator.config.model import Feed
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.gathering import GATHER_SECONDS, Gathering
from sftp_orchestrator.intake.intake import Scan
from sftp_orchestrator.intake.staging import Candidate
from sftp_orchestrator.ledger.records import Source
from tests.support.records import make_source

FEEDS = {
    name: Feed.model_validate({"type": type_, "files": [f"{name}*"]})
    for name, type_ in (("customers", "profile"), ("purchases", "event"))
}
EVENTS = [make_source(type=FeedType.EVENT)]
PROFILES = [make_source(type=FeedType.PROFILE)]


def _make_scan(*names: str, wait_seconds: float | None = 1.0) -> Scan:
    candidates = [
        Candidate(relative_path=name.encode(), device=1, inode=1, size=1, mtime_ns=1, has_marker=False)
        for name in names
    ]
    waiting = tuple((candidate, candidate.relative_path.decode().split("_")[0]) for candidate in candidates)
    return Scan(claimed=0, waiting=waiting, wait_seconds=wait_seconds if names else None)


def test_stock_is_taken_once_the_files_of_the_first_look_are_claimed() -> None:
    """Files that came later do not count, and one that never comes to rest holds nothing up for ever."""
    gathering = Gathering(FEEDS)
    assert not gathering.has_taken_stock(now=0)
    gathering.note(_make_scan("purchases_1", "purchases_2"), now=0)
    assert not gathering.has_taken_stock(now=1)
    gathering.note(_make_scan("purchases_2"), now=1)
    assert not gathering.has_taken_stock(now=1)
    assert gathering.has_taken_stock(now=GATHER_SECONDS)
    gathering.note(_make_scan("purchases_3"), now=2)
    assert gathering.has_taken_stock(now=2)


@pytest.mark.parametrize(
    ("scan", "due", "waits"),
    [
        pytest.param(_make_scan("customers_1"), EVENTS, True, id="events wait for profiles beside them"),
        pytest.param(_make_scan("customers_1"), [*EVENTS, *PROFILES], True, id="also with profiles that are due"),
        pytest.param(_make_scan("customers_1"), PROFILES, False, id="profiles wait for nothing"),
        pytest.param(_make_scan("purchases_1"), EVENTS, False, id="events do not wait for events"),
        pytest.param(_make_scan(), EVENTS, False, id="nothing is arriving"),
        pytest.param(_make_scan("customers_1", wait_seconds=None), EVENTS, False, id="its marker may never come"),
    ],
)
def test_events_wait_for_profiles_that_are_not_complete(scan: Scan, due: list[Source], *, waits: bool) -> None:
    """Dropped together they should go in the right order, though the profiles take longer to come to rest."""
    gathering = Gathering(FEEDS)
    gathering.note(scan, now=0)
    assert gathering.must_wait(due, now=0) is waits
    assert not gathering.must_wait(due, now=GATHER_SECONDS)


def test_the_wait_ends_whatever_else_is_done_meanwhile() -> None:
    """Profiles that are tried again in between do not begin the wait of the events anew."""
    gathering = Gathering(FEEDS)
    for now in range(0, int(GATHER_SECONDS), 60):
        gathering.note(_make_scan("customers_1"), now=now)
        assert gathering.must_wait(EVENTS, now=now)
        assert not gathering.must_wait(PROFILES, now=now)
    gathering.note(_make_scan("customers_1"), now=GATHER_SECONDS)
    assert not gathering.must_wait(EVENTS, now=GATHER_SECONDS)


def test_profiles_of_another_destination_are_none_of_ours() -> None:
    """A feed that goes elsewhere is waited for there."""
    gathering = Gathering({"purchases": FEEDS["purchases"]})
    gathering.note(_make_scan("customers_1"), now=0)
    assert not gathering.must_wait(EVENTS, now=0)
    assert gathering.has_taken_stock(now=0)


def test_the_wait_begins_anew_when_it_was_over() -> None:
    """Each wait has its own limit."""
    gathering = Gathering(FEEDS)
    gathering.note(_make_scan("customers_1"), now=0)
    assert gathering.must_wait(EVENTS, now=0)
    gathering.note(_make_scan(), now=5)
    assert not gathering.must_wait(EVENTS, now=5)
    gathering.note(_make_scan("customers_2"), now=GATHER_SECONDS)
    assert gathering.must_wait(EVENTS, now=GATHER_SECONDS)
