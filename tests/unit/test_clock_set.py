"""The wall clock is set back or forward: no tick is lost or doubled, and no wait grows by it."""

from __future__ import annotations

import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from sftp_orchestrator.believing import Clock, judge
from sftp_orchestrator.daemon import open_daemon
from sftp_orchestrator.deliver.archive import get_archive_folder
from sftp_orchestrator.deliver.retry import LONGEST_WAIT_SECONDS, RUN_CAP_SECONDS, is_over
from sftp_orchestrator.ledger.ledger import Ledger
from sftp_orchestrator.prepare.preparation import RETRY_SECONDS
from sftp_orchestrator.progress import Board
from sftp_orchestrator.schedule import Ticks
from sftp_orchestrator.workspace import Workspace
from tests.support.configuration import write_configuration
from tests.support.records import make_source

UTC = ZoneInfo("UTC")
NOW = datetime.datetime(2026, 3, 10, 10, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def test_no_wait_that_we_note_counts_as_one_of_a_wrong_clock() -> None:
    """What a wait may last is shorter than what is taken for a clock that was set back."""
    assert max(RUN_CAP_SECONDS, RETRY_SECONDS) * 2 < LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("seconds", [-DAY.total_seconds(), -1, 0, LONGEST_WAIT_SECONDS + 1, 400 * DAY.total_seconds()])
def test_a_wait_is_over_in_time_or_when_the_clock_was_set_back(seconds: float) -> None:
    """A time that was noted by a clock that was ahead is not waited for."""
    assert is_over(NOW + datetime.timedelta(seconds=seconds), NOW)


@pytest.mark.parametrize("seconds", [1, RUN_CAP_SECONDS, LONGEST_WAIT_SECONDS])
def test_a_wait_that_can_be_is_waited_for(seconds: float) -> None:
    """An ordinary wait is not cut short."""
    assert not is_over(NOW + datetime.timedelta(seconds=seconds), NOW)


@pytest.mark.parametrize("settle_seconds", [0, 7200])
def test_a_source_is_due_though_its_next_try_was_noted_by_a_clock_that_was_ahead(
    tmp_path: Path, settle_seconds: int
) -> None:
    """After the clock is set back by a month it is tried now; a wait as long as its settle time is kept."""
    written = write_configuration(tmp_path, {"intake": {"settle_seconds": settle_seconds}})
    with open_daemon(written.configuration, Board()) as daemon:
        now = datetime.datetime.now(datetime.UTC)
        assert daemon._runner.is_due(make_source(retry_at=now + 30 * DAY))
        settling = now + datetime.timedelta(seconds=settle_seconds) + HOUR / 2
        assert not daemon._runner.is_due(make_source(retry_at=settling))


def _make_ticks(ledger: Ledger) -> Ticks:
    return Ticks(line="0 * * * *", zone=UTC, runs=ledger.runs, destination="production")


def test_a_clock_that_is_set_forward_brings_one_tick(tmp_path: Path) -> None:
    """However many hours are left out, what was missed is one run."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ticks = _make_ticks(ledger)
        ticks.begin(NOW)
        assert ticks.find_due(NOW + 90 * DAY) == NOW + 90 * DAY
        ticks.take(NOW + 90 * DAY)
        assert ticks.find_due(NOW + 90 * DAY) is None


def test_a_clock_that_is_set_back_does_not_end_the_schedule(tmp_path: Path) -> None:
    """A tick taken under a clock that was a month ahead keeps back none under the right one, and it is told once."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ticks = _make_ticks(ledger)
        ticks.begin(NOW)
        ticks.take(NOW + 30 * DAY)
        with capture_logs() as log:
            ticks.begin(NOW + HOUR / 2)
            ticks.begin(NOW + HOUR / 2)
        assert [line["event"] for line in log] == ["clock_set_back"]
        assert ticks.find_due(NOW + HOUR / 2) is None
        assert ticks.find_due(NOW + HOUR) == NOW + HOUR
        ticks.take(NOW + HOUR)
        # When the right clock comes to where the wrong one was, that tick is one as any other.
        assert ticks.find_due(NOW + 30 * DAY) == NOW + 30 * DAY


def test_a_schedule_that_began_under_a_clock_that_was_ahead_begins_again(tmp_path: Path) -> None:
    """Without any tick of the right time ticks count from now on."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ticks = _make_ticks(ledger)
        ticks.begin(NOW + 365 * DAY)
        ticks.begin(NOW)
        assert ticks.find_due(NOW) is None
        assert ticks.find_due(NOW + HOUR) == NOW + HOUR


@pytest.mark.parametrize("seconds", [1, 60, 290])
def test_a_clock_that_is_put_right_by_a_little_brings_no_tick_twice(tmp_path: Path, seconds: int) -> None:
    """Corrections of seconds and minutes are everyday: a tick that was taken stays taken."""
    with Ledger.open("sqlite", tmp_path) as ledger:
        ticks = _make_ticks(ledger)
        ticks.begin(NOW - HOUR)
        ticks.take(NOW)
        back = NOW - datetime.timedelta(seconds=seconds)
        ticks.begin(back)
        assert ticks.find_due(back) is None
        assert ticks.find_due(NOW) is None


def test_the_day_of_an_archive_is_that_of_the_delivery_whatever_the_clock_says_later(tmp_path: Path) -> None:
    """A crash and a clock that was set back in between do not tear what belongs together apart."""
    workspace = Workspace(root=tmp_path)
    source = make_source(changed_at=NOW)
    assert get_archive_folder(workspace, source, UTC) == workspace.archive / "2026-03-10" / source.id


def _look(clock: Clock | None, *hours: float) -> Clock:
    for hour in hours:
        clock = judge(clock, NOW + hour * HOUR)
    assert clock is not None
    return clock


@pytest.mark.parametrize(
    ("hours", "believed"),
    [
        pytest.param((0,), 0, id="the first look"),
        pytest.param((0, 24, 48, 96), 96, id="looks of every day or two"),
        pytest.param((0, 9000), 0, id="a leap"),
        pytest.param((0, 9000, 9001, 9023), 0, id="a leap, for less than a day"),
        pytest.param((0, 9000, 9012, 9024), 9024, id="a leap that stands for a day"),
        pytest.param((0, 9000, 18000), 9000, id="seldom looks: as of the last one"),
        pytest.param((0, 9000, 2), 2, id="set back again"),
    ],
)
def test_a_leap_is_believed_after_a_day(hours: tuple[float, ...], believed: float) -> None:
    """Ages count up to what was so before it; a clock that goes on, or comes back, is believed."""
    assert _look(None, *hours).believed == NOW + believed * HOUR


async def test_a_clock_that_leaps_removes_nothing_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive of yesterday is there after a leap by a year, and a restart; it is gone once the clock has gone on."""
    written = write_configuration(tmp_path, {"archive": {"keep_days": 30}})
    day = Workspace(root=written.configuration.workspace).get_archive("s1", "2026-03-09")

    async def tidy(now: datetime.datetime) -> list[str]:
        with capture_logs() as logs, monkeypatch.context() as patch, open_daemon(written.configuration, Board()) as one:
            patch.setattr("sftp_orchestrator.daemon._now", lambda: now)
            day.mkdir(parents=True, exist_ok=True)
            await one._tidy()
        return [line["event"] for line in logs]

    assert await tidy(NOW) == []
    assert await tidy(NOW + 365 * DAY) == ["clock_leapt"]
    assert await tidy(NOW + 365 * DAY + HOUR) == []
    assert day.exists()
    assert await tidy(NOW + HOUR) == []
    assert await tidy(NOW + 365 * DAY) == ["clock_leapt"]
    assert await tidy(NOW + 366 * DAY) == ["archive_removed"]
    assert not day.exists()
