"""A deadline by which no file of a feed came is told once, and so is the file that comes after all."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from sftp_orchestrator.config.model import Configuration
from sftp_orchestrator.destination.clevertap import FeedType
from sftp_orchestrator.expecting import SETTLE_TIME, Expecting, list_expectations
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.ledger.records import Claim
from tests.support.configuration import write_configuration

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def _utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


class Watch:
    """A ledger with a clock that is set, and whoever judges deadlines by it; restarted at will."""

    def __init__(self, folder: Path, expected: dict[str, Any], *, timezone: str = "UTC") -> None:
        values = {"timezone": timezone, "feeds": {"purchases": {"expected": expected}}}
        self.configuration: Configuration = write_configuration(folder, values).configuration
        self.now = _utc("2026-01-01 12:00")
        self.ledger = Ledger.open("sqlite", folder, clock=lambda: self.now)
        self._claims = 0
        self.restart()

    def restart(self) -> None:
        """Judge by a new process."""
        self._expecting = Expecting(self.configuration, self.ledger)

    def claim(self, at: str, feed: str = "purchases") -> None:
        """Have a file claimed then."""
        self.now = _utc(at)
        self._claims += 1
        claim = Claim(
            source_id=f"s{self._claims}",
            feed=feed,
            type=FeedType.EVENT,
            destination="production",
            relative_path=b"a.csv",
            device=1,
            inode=1,
            size=1,
            mtime_ns=1,
        )
        self.ledger.sources.begin_claims([claim])
        self.ledger.sources.finish_claims([claim])

    def judge(self, at: str, *, arriving: tuple[str, ...] = (), looked_at: str | None = None) -> list[tuple[str, str]]:
        """Return the events of a look at this time, each with its deadline."""
        self.now = _utc(at)
        with structlog.testing.capture_logs() as log:
            looked = _utc(looked_at) if looked_at is not None else self.now
            self._expecting.judge(self.now, looked_at=looked, arriving=arriving)
        return [
            (line["event"], f"{datetime.datetime.fromisoformat(line['due_at']):%m-%d %H:%M}")
            for line in log
            if line["event"].startswith("expected")
        ]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """A feed expected by three each day, whose deadlines count from noon of New Year's Day on."""
    watch = Watch(tmp_path, {"by": "03:00"})
    assert watch.judge("2026-01-01 12:00") == []
    yield watch
    watch.ledger.close()


def test_a_file_in_time_is_not_told_of(watch: Watch) -> None:
    """It counts from the deadline before on."""
    watch.claim("2026-01-01 12:05")
    assert watch.judge("2026-01-02 03:00") == []
    watch.claim("2026-01-02 23:00")
    assert watch.judge("2026-01-03 03:01") == []
    assert watch.ledger.missing.count() == {}


def test_what_did_not_come_is_told_once_and_what_came_after_all_too(watch: Watch) -> None:
    """Also over restarts; a file of another feed is none of it."""
    assert watch.judge("2026-01-02 02:59") == []
    watch.claim("2026-01-02 02:59", feed="customers")
    assert watch.judge("2026-01-02 03:00") == [("expected_file_missing", "01-02 03:00")]
    assert watch.judge("2026-01-02 03:01") == []
    watch.restart()
    assert watch.judge("2026-01-02 04:00") == []
    assert [one.feed for one in watch.ledger.missing.list_open()] == ["purchases"]
    watch.claim("2026-01-02 05:00")
    watch.restart()
    assert watch.judge("2026-01-02 05:01") == [("expected_file_arrived", "01-02 03:00")]
    assert watch.judge("2026-01-02 05:02") == []
    assert watch.ledger.missing.list_open() == []


def test_a_file_that_came_late_for_one_deadline_counts_for_no_other(watch: Watch) -> None:
    """The next day's may be missing all the same."""
    watch.judge("2026-01-02 03:00")
    watch.claim("2026-01-02 05:00")
    watch.judge("2026-01-02 05:01")
    assert watch.judge("2026-01-03 03:00") == [("expected_file_missing", "01-03 03:00")]
    watch.claim("2026-01-03 05:00")
    watch.judge("2026-01-03 05:01")
    watch.claim("2026-01-03 06:00")
    assert watch.judge("2026-01-04 03:00") == []


def test_days_without_any_file_are_told_each_and_end_with_the_first(watch: Watch) -> None:
    """It is told with the deadline since which nothing came."""
    for day in (2, 3):
        assert watch.judge(f"2026-01-0{day} 03:00") == [("expected_file_missing", f"01-0{day} 03:00")]
    watch.claim("2026-01-03 04:00")
    assert watch.judge("2026-01-03 04:01") == [("expected_file_arrived", "01-02 03:00")]
    assert watch.ledger.missing.count() == {"purchases": 2}


def test_a_deadline_at_which_nobody_was_there_is_judged_at_the_start(watch: Watch) -> None:
    """Of several the newest; what lay in staging is claimed before, and told of as late alone."""
    watch.restart()
    assert watch.judge("2026-01-05 09:00", arriving=("purchases",)) == []
    watch.claim("2026-01-05 09:01")
    assert watch.judge("2026-01-05 09:01") == [("expected_file_arrived", "01-05 03:00")]
    watch.restart()
    assert watch.judge("2026-01-06 09:00", arriving=("purchases",)) == []
    forever = _utc("2026-01-06 09:00") + SETTLE_TIME
    assert watch.judge(f"{forever:%Y-%m-%d %H:%M}", arriving=("purchases",)) == [
        ("expected_file_missing", "01-06 03:00")
    ]


def test_nothing_is_said_of_a_deadline_before_staging_was_looked_at(watch: Watch) -> None:
    """A scan that began before it may have passed by what came in time."""
    assert watch.judge("2026-01-02 03:00", looked_at="2026-01-02 02:59") == []
    assert watch.judge("2026-01-02 03:01") == [("expected_file_missing", "01-02 03:00")]


def test_only_the_days_that_are_named_have_a_deadline(tmp_path: Path) -> None:
    """On a Monday what came since Friday's counts; a weekend is not told of."""
    watch = Watch(tmp_path, {"by": "03:00", "days": "mon-fri"})
    watch.judge("2026-01-02 01:00")  # a Friday
    watch.claim("2026-01-02 02:00")
    for day in ("02 03:00", "03 03:00", "04 03:00"):
        assert watch.judge(f"2026-01-{day}") == []
    watch.claim("2026-01-03 10:00")
    assert watch.judge("2026-01-05 03:00") == []
    assert watch.judge("2026-01-06 03:00") == [("expected_file_missing", "01-06 03:00")]
    watch.ledger.close()


@pytest.mark.parametrize(
    ("timezone", "by", "days", "deadlines"),
    [
        pytest.param(
            "Europe/Berlin", "02:30", ("2026-03-28", 3), ["28 01:30", "29 01:30", "30 00:30"], id="left out in spring"
        ),
        pytest.param(
            "Europe/Berlin", "02:30", ("2026-10-24", 3), ["24 00:30", "25 00:30", "26 01:30"], id="twice in autumn"
        ),
        pytest.param(
            "America/New_York", "02:30", ("2026-03-07", 3), ["07 07:30", "08 07:30", "09 06:30"], id="New York"
        ),
        pytest.param(
            "Australia/Lord_Howe", "02:15", ("2026-10-03", 3), ["02 15:45", "03 15:45", "04 15:15"], id="half an hour"
        ),
        pytest.param(
            "Africa/Casablanca", "02:30", ("2026-02-14", 3), ["14 01:30", "15 01:30", "16 02:30"], id="Ramadan"
        ),
    ],
)
def test_a_deadline_passes_once_on_every_day_though_the_clock_is_set(
    tmp_path: Path, timezone: str, by: str, days: tuple[str, int], deadlines: list[str]
) -> None:
    """Looked at every few minutes over the change of the clock, each day's is told once, at its time."""
    watch = Watch(tmp_path, {"by": by}, timezone=timezone)
    start = _utc(days[0]) - 10 * 60 * MINUTE
    told: list[str] = []
    for step in range(days[1] * 24 * 4):
        at = start + step * 15 * MINUTE
        found = watch.judge(f"{at:%Y-%m-%d %H:%M}")
        assert all(event == "expected_file_missing" and due == f"{at:%m-%d %H:%M}" for event, due in found)
        told += [due[3:] for _, due in found]
    assert told == deadlines
    watch.ledger.close()


def test_the_zone_is_that_of_the_feeds_schedule(tmp_path: Path) -> None:
    """Three in the morning is where the feed's times are."""
    feed = {"expected": {"by": "03:00"}, "schedule": {"timezone": "Asia/Tokyo"}}
    written = write_configuration(tmp_path, {"feeds": {"purchases": feed}})
    with Ledger.open("sqlite", tmp_path) as ledger:
        (one,) = list_expectations(written.configuration, ledger)
        assert one.find_next(_utc("2026-01-01 00:00")) == _utc("2026-01-01 18:00")
