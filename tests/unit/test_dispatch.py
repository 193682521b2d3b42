"""Which run starts when: decided from what is known at one moment."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.config.timing import Timing
from sftp_orchestrator.config.windows import Opening
from sftp_orchestrator.dispatch import Moment, Scans, Start, Tick, choose
from sftp_orchestrator.gathering import GATHER_SECONDS
from sftp_orchestrator.ledger.records import RunRequest, Source
from sftp_orchestrator.schedule import Plan
from tests.support.records import make_source

AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
WAITING = (make_source(number=1), make_source(number=2))
DUE = WAITING[:1]
NIGHTLY = Plan(timing=Timing(destination="production", lines=("0 2 * * *",), opening=Opening(zone=ZoneInfo("UTC"))))
TICKS = (Tick(plan=NIGHTLY, at=AT),)

ASKED = (RunRequest(number=1, destination="production", feed=None, asked_at=AT, by="anna"),)


def _make_moment(**changes: Any) -> Moment:
    known: dict[str, Any] = {
        "ticks": (),
        "may_serve_ticks": False,
        "scheduled": WAITING,
        "due": (),
        "is_arrival": False,
        "has_news": False,
        "must_wait": lambda _: False,
    }
    return Moment(**{**known, **changes})


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        pytest.param({}, None, id="nothing is due"),
        pytest.param({"has_leftovers": True}, Start(trigger="discard", sources=()), id="what is left is removed"),
        pytest.param(
            {"has_leftovers": True, "due": DUE, "has_news": True},
            Start(trigger="retry", sources=DUE),
            id="and by a run over others where there is one",
        ),
        pytest.param(
            {"ticks": TICKS, "may_serve_ticks": True},
            Start(trigger="schedule", sources=WAITING, ticks=TICKS),
            id="a tick takes everything",
        ),
        pytest.param({"ticks": TICKS}, None, id="not before staging was looked at"),
        pytest.param(
            {"ticks": TICKS, "may_serve_ticks": True, "must_wait": lambda _: True}, None, id="nor before profiles"
        ),
        pytest.param(
            {"ticks": TICKS, "due": DUE, "has_news": True},
            Start(trigger="retry", sources=DUE),
            id="what is tried again does not wait for the tick",
        ),
        pytest.param(
            {"asked": ASKED, "may_answer": True, "wanted": DUE, "ticks": TICKS, "may_serve_ticks": True},
            Start(trigger="now", sources=DUE, asked=ASKED),
            id="a person comes before a tick",
        ),
        pytest.param({"asked": ASKED, "wanted": DUE}, None, id="once what was just dropped is claimed"),
        pytest.param(
            {"asked": ASKED, "may_answer": True, "wanted": DUE, "must_wait": lambda _: True}, None, id="profiles, too"
        ),
        pytest.param({"due": DUE}, None, id="a run that changed nothing is not repeated"),
        pytest.param(
            {"is_arrival": True, "due": DUE, "has_news": True}, Start(trigger="arrival", sources=DUE), id="arrival"
        ),
        pytest.param(
            {"is_arrival": True, "due": DUE, "has_news": True, "must_wait": lambda _: True},
            None,
            id="profiles first",
        ),
    ],
)
def test_the_run_to_start_is_chosen(changes: dict[str, Any], start: Start | None) -> None:
    """A tick that may be served comes first, then what is due and news."""
    assert choose(_make_moment(**changes)) == start


def test_profiles_are_asked_about_for_what_would_go() -> None:
    """A tick asks for all that waits, an arrival for what is due."""
    asked: list[tuple[Source, ...]] = []

    def must_wait(sources: tuple[Source, ...]) -> bool:
        asked.append(sources)
        return True

    assert choose(_make_moment(ticks=TICKS, may_serve_ticks=True, due=DUE, has_news=True, must_wait=must_wait)) is None
    assert asked == [WAITING, DUE]


def test_no_run_is_chosen_in_the_middle_of_a_scan() -> None:
    """What it claims is not all there yet; but one that takes too long keeps nothing back for ever."""
    scans = Scans()
    assert scans.get_mark(now=0) == 0
    scans.begin(now=0, at=AT)
    assert scans.get_mark(now=1) is None
    assert scans.get_mark(now=GATHER_SECONDS) == 1
    scans.end(is_whole=False)
    assert (scans.get_mark(now=2), scans.looked_at) == (1, None)
    scans.begin(now=3, at=AT)
    scans.end(is_whole=True)
    assert (scans.get_mark(now=4), scans.looked_at) == (2, AT)
