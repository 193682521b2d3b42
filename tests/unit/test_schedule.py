"""Cron ticks: each once, missed ones as one, in the zone's own time."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from sftp_orchestrator.schedule import Seen, get_newest_due
from tests.support.records import make_source

BERLIN = ZoneInfo("Europe/Berlin")
UTC = ZoneInfo("UTC")
AT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def _utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("line", "last", "now", "due"),
    [
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-02 01:59", None, id="not yet"),
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-02 02:00", "2026-01-02 02:00", id="on the minute"),
        pytest.param("0 2 * * *", "2026-01-01 02:00", "2026-01-05 10:00", "2026-01-05 02:00", id="four missed as one"),
        pytest.param("0 0 1 * *", "2026-01-01 00:00", "2026-03-20 00:00", "2026-03-01 00:00", id="rare ones too"),
        pytest.param("* * * * *", "2025-01-01 00:00", "2026-01-01 00:00", "2026-01-01 00:00", id="a year of minutes"),
        pytest.param("0 2 * * *", "2026-01-02 02:00", "2026-01-01 09:00", None, id="clock set back"),
    ],
)
def test_the_newest_tick_that_came_due_is_found(line: str, last: str, now: str, due: str | None) -> None:
    """Whatever was missed counts as one tick, the newest."""
    found = get_newest_due(line, UTC, last=_utc(last), now=_utc(now))
    assert found == (_utc(due) if due else None)


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        pytest.param("2026-03-28 01:30", "2026-03-29 12:00", "2026-03-29 01:30", id="the hour that does not exist"),
        pytest.param("2026-10-24 00:30", "2026-10-25 12:00", "2026-10-25 00:30", id="the hour that comes twice"),
    ],
)
def test_daylight_saving_neither_skips_nor_doubles(last: str, now: str, due: str) -> None:
    """02:30 in Berlin fires once on the days on which it exists never or twice."""
    found = get_newest_due("30 2 * * *", BERLIN, last=_utc(last), now=_utc(now))
    assert found is not None
    assert abs(found - _utc(due)) <= datetime.timedelta(hours=1)
    assert get_newest_due("30 2 * * *", BERLIN, last=found, now=_utc(now)) is None


def test_a_run_over_the_same_sources_is_news_once() -> None:
    """What a run tried and left as it is calls for no other run; what came meanwhile does."""
    seen = Seen()
    tried, came = make_source(number=1), make_source(number=2)
    assert seen.has_news([tried])
    seen.note([tried], [tried, came], started=AT)
    assert not seen.has_news([tried])
    assert seen.has_news([tried, came])


def test_a_decision_made_during_a_run_is_news() -> None:
    """A person's word while the run was under way may have come too late for it; one before it is used up."""
    seen = Seen()
    source = make_source(number=1)
    soon = AT + datetime.timedelta(seconds=1)
    later = make_source(number=1, retry_at=soon, wanted_at=soon)
    seen.note([source], [later], started=AT)
    assert seen.has_news([later])
    seen.note([later], [later], started=AT + datetime.timedelta(seconds=2))
    assert not seen.has_news([later])
    waiting = make_source(number=1, retry_at=soon)
    seen.note([source], [waiting], started=AT)
    assert not seen.has_news([waiting])


def test_a_wait_that_is_over_is_news() -> None:
    """A source that was not due when the run ended comes back by itself."""
    seen = Seen()
    source = make_source(number=1)
    seen.note([source], [], started=AT)
    assert seen.has_news([source])
